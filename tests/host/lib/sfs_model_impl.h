// SPDX-License-Identifier: BSD-2-Clause
//
// What sfs_model.c, sfs_model_names.c and sfs_model_check.c share.
#pragma once

#include "lib/sfs_model.h"

static inline bool model_is_dir(const struct model_node *n)
{
    return (n->mode & SFS_IFMT) == SFS_IFDIR;
}

// A random node that has a name or is held; -1 if there is none.
int model_pick(struct model *m, bool dir);

// The real inode of a node, with a reference; NULL with *error set.
struct vnode *model_get(struct model *m, int node, int *error);

// Operations return what the real one returned, and the model's result in *want; -1: not done.
int model_op_create(struct model *m, int *want);
int model_op_remove(struct model *m, int *want);
int model_op_link(struct model *m, int *want);
int model_op_rename(struct model *m, int *want);

// Notes that the names may be found as they are now after a crash; with only: in no other state.
void model_note_state(struct model *m, bool only);

// Notes that names and one node (-1: all nodes) have been synced.
void model_note_synced(struct model *m, int node);
