// SPDX-License-Identifier: BSD-2-Clause
//
// The on-disk file system as vnodes: joins sfs's inodes to vnodes and their page cache. Vnodes
// that nobody refers to stay, with their pages, until there are too many of them.
//
// Locks: a table mutex (LOCK_FS_LIST) guards the way from inodes to vnodes.
#pragma once

#include "fs/vnode_impl.h"

struct sfs;
struct sfs_inode;

// Mounts a file system that sfs_mount has opened: *root referenced. max_unused: vnodes kept.
int sfs_vnode_mount(struct sfs *fs, struct mount *m, unsigned max_unused);

struct sfs_vnode_stats {
    uint64_t vnodes, unused, retired;
};
void sfs_vnode_get_stats(struct sfs_vnode_stats *st);

// ---- between vnode_sfs.c and vnode_sfs_ops.c ----

static inline struct sfs_inode *sfs_inode_of(const struct vnode *v)
{
    return v->data;
}
const struct vnode_ops *sfs_vops(enum vnode_type type);
// The vnode of an inode, referenced; takes the inode's reference over, also on error (ENOMEM).
int sfs_vnode_get(struct mount *m, struct sfs_inode *ip, struct vnode **out);
void sfs_vnode_found_in(struct vnode *v, struct sfs_inode *dir);     // notes where v's name is
int sfs_vop_parent(struct vnode *v, struct vnode **dir);
void sfs_vnode_inactive(struct vnode *v);
int sfs_vnode_clean(struct vnode *v);       // writes the dirty pages; no lock held
