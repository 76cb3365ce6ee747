// SPDX-License-Identifier: BSD-2-Clause
//
// The file system on the machine of vm_machine.h: sfs on a disk in memory is mounted on /, and user
// memory that copies go to and from is a real map, whose pages fault. Tests name it and what it
// needs in their link lines as VFS:
//     tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
//     kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c kernel/fs/vnode*.c
//     kernel/fs/namei.c
//     kernel/fs/vfs_ops.c kernel/fs/file.c kernel/fs/uio.c mkfs/format.c mkfs/check*.c
#pragma once

#include "fs/file.h"
#include "tests/host/lib/memdev.h"
#include "tests/host/lib/vm_machine.h"

#define USER_BASE  0x10000000ul     // of each thread's user memory
#define USER_PAGES 64ul

extern struct memdev disk;

// A machine of npages with a new file system of nblocks; at most max_unused vnodes are kept.
void vfs_start(unsigned npages, uint64_t nblocks, unsigned max_unused);

// Gives the calling thread user memory at USER_BASE, and takes it away.
void user_begin(void);
void user_end(void);
struct vm_space *user_space(void);
void user_evict(void);              // none of it is resident any more; what it held is lost
void user_fill(size_t offset, const void *data, size_t n);
void user_fetch(size_t offset, void *data, size_t n);

// Maps a file shared at va; the errno of vm_mmap.
int user_map_file(struct vnode *v, vaddr_t va, unsigned npages);

// Syncs, then checks the disk as fsck does, the vnodes' table and the machine's structures.
void vfs_check(void);

// Calls with paths from the root, 0 or an errno.
int vopen(const char *path, unsigned flags, struct file **f);
// through user memory; EIO if short
int vwrite(struct file *f, const void *data, size_t n, off_t at);
int vread(struct file *f, void *data, size_t n, off_t at, size_t *got);
