// SPDX-License-Identifier: BSD-2-Clause
//
// What procfs.c (nodes, files, links) and procfs_dir.c (directories) share.
#pragma once

#include "fs/procfs.h"
#include "fs/vnode_impl.h"

#define PROCFS_MAX_FILES 96u

// What a registration says.
struct entry {
    const char *name;           // also with one directory before it: "vm/pv"
    procfs_show_fn show;
    procfs_store_fn store;
};

// Constant after start-up.
extern struct entry procfs_files[PROCFS_MAX_FILES], procfs_pid_files[PROCFS_MAX_FILES];
extern unsigned procfs_nfiles, procfs_npid_files;
extern const struct procfs_pids *procfs_pids;

enum node_kind { ROOT, SUBDIR, PID_DIR, FD_DIR, FILE, LINK, SELF };

struct node {
    struct vnode v;
    enum node_kind kind;
    int pid;                    // of PID_DIR and below; 0 else
    const struct entry *entry;  // of FILE; of SUBDIR: any file in it
    char name[16];              // of LINK: what procfs_pids.link is asked for
    char *text;                 // (v.lock) generated, or NULL
    size_t text_size, text_len; // (v.lock) allocated, used
};

static inline enum vnode_type procfs_type(enum node_kind kind)
{
    return kind == FILE ? VREG : kind == LINK || kind == SELF ? VLNK : VDIR;
}

extern const struct vnode_ops procfs_dir_ops;

static inline struct node *node_of(struct vnode *v)
{
    return container_of(v, struct node, v);
}

// A new vnode, referenced; ENOMEM. index tells files of one directory apart.
int procfs_make_node(enum node_kind kind, int pid, const struct entry *entry, unsigned index,
                     struct vnode **out);
// A number that is the same for the same file at every lookup.
uint64_t procfs_ino(enum node_kind kind, int pid, unsigned index);

int procfs_parent(struct vnode *v, struct vnode **dir);
int procfs_getattr(struct vnode *v, struct vattr *va);
void procfs_inactive(struct vnode *v);
