// SPDX-License-Identifier: BSD-2-Clause
//
// For file systems: making and ending vnodes, mounts, and the pager of regular files.
#pragma once

#include "fs/vnode.h"
#include "lib/atomic.h"

struct bdev;

// A mounted file system; constant after start-up.
struct mount {
    const char *type;           // "sfs", "proc", "devfs"
    const char *path;           // where it is mounted
    struct vnode *root;
    struct vnode *covered;      // the directory below, or NULL for /
    int (*sync)(struct mount *m);   // everything to the device; NULL: nothing to do
    int (*statfs)(struct mount *m, struct fs_usage *usage);
    uint64_t dev;               // st_dev
    struct mount *next;
};
extern struct mount *mounts;

// Sets up all fields; one reference.
void vnode_init(struct vnode *v, enum vnode_type type, const struct vnode_ops *ops,
                struct mount *mount, uint64_t ino);
// For the inactive operation, under the lock that lookups take: drops the reference; true if it was
// the last one, so that nobody can find the vnode but by that lookup.
static inline bool vnode_drop_last(struct vnode *v)
{
    return sub_acq_rel(&v->nrefs, 1) == 0;
}
// The pager's put, PUT_*, for all pages that a file has in memory. No lock held.
int vnode_put_pages(struct vnode *v, unsigned flags);
// Ends a vnode whose last reference is gone: its pages are discarded.
void vnode_fini(struct vnode *v);

void namei_init(void);                // start-up, by vfs_init
void mount_add(struct mount *m);      // start-up only
