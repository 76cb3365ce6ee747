// SPDX-License-Identifier: BSD-2-Clause
//
// What the on-disk file system needs of its surroundings. The kernel and the host tools each give
// one struct at mount; it is constant and outlives the mount.
#pragma once

#include "fs/vnode.h"
#include "lib/types.h"

struct sfs_env {
    // Memory: zero-filled, page-aligned if size is a multiple of the page size; NULL if there is
    // none. Used at mount (buffers, block map) and for each inode in memory, nowhere else.
    void *(*alloc)(size_t size);
    void (*free)(void *p, size_t size);
    uint64_t (*now)(void);      // the time of day, ns since 1970
    // There is something new for sfs_sync to write; may be called with locks held. NULL: nobody
    // cares.
    void (*changed)(void);
    // What can be done with vnodes of a type. NULL, in host tools: they call sfs's functions.
    const struct vnode_ops *(*vops)(enum vnode_type type);
};
