// SPDX-License-Identifier: BSD-2-Clause
//
// The on-disk file system among the others: its inodes are vnodes, with a page cache.
#pragma once

struct bdev;
struct mount;

// Mounts the file system on a disk, as sfs_mount; *out has its root, referenced, and is mounted on
// /. At most max_unused inodes stay in memory when nobody refers to them.
int sfs_vnode_mount(struct bdev *disk, unsigned nbufs, unsigned max_unused, struct mount **out);
