// SPDX-License-Identifier: BSD-2-Clause
//
// The pager of regular files: fills pages of a vnode's object from the device and cleans them.
//
// A page is PG_BACKED once its block on the device exists. Dirty pages always are, so that put
// never needs space. Bytes of the last page beyond the end of the file are zero when it is read in.
//
// Locks: as vm_object.h: called with the object locked, which is released during I/O. Never takes
// a vnode's lock, which a writer holds while it faults. LOCK_INODE and below are taken with no
// object locked.
#pragma once

#include "vm/vm_object.h"

struct vnode;

extern const struct vm_pager_ops vnode_pager_ops;       // in vnode.c
int vnode_pager_get(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                    struct vm_page **pg);
int vnode_pager_put(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags);

// The pager's get, also beyond the end of the file: for a write that extends it (`extend').
int vnode_page_get(struct vnode *v, pgno_t pgno, vm_prot_t access, bool overwrite, bool extend,
                   struct vm_page **out);

// A run of a file's pages that are together on the device.
struct vnode_map {
    uint32_t block;             // device block of the first; 0 = hole
    uint32_t count;             // pages it covers, from the one asked for on; at least 1
    bool fresh;                 // never written: reads as zeroes; `written' after the first write
};

// How the pager reaches the device; the file system of regular files provides one in its vnode_ops'
// place. Called with no object locked; may sleep.
struct vnode_backing {
    // Where up to `want' pages from pgno on lie. allocate: holes get blocks (ENOSPC).
    int (*map)(struct vnode *v, pgno_t pgno, uint32_t want, bool allocate, struct vnode_map *map);
    int (*transfer)(struct vnode *v, uint64_t block, void *const pages[], unsigned n, bool write);
    int (*written)(struct vnode *v, pgno_t pgno, uint32_t count);   // fresh ones have their data
    void (*grow)(struct vnode *v, uint64_t size);       // the file was written up to here; lazily
    int (*truncate)(struct vnode *v, uint64_t size);    // sets the size, frees blocks beyond
    int (*trim)(struct vnode *v);                       // frees blocks beyond the size
    void (*touch)(struct vnode *v, unsigned which);     // VA_ATIME, VA_MTIME: now; lazily
};
