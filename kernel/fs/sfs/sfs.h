// SPDX-License-Identifier: BSD-2-Clause
//
// sfs, the on-disk file system: inodes, their block maps, directories. File data is not its
// concern: the pager asks where a block is (sfs_bmap) and moves pages itself. An inode in memory
// embeds its vnode: most functions are operations of vnodes (vnode_sfs.c has the tables), and can
// be called by host tools, which have no page cache.
//
// All functions return 0 or a positive errno and may sleep. Every change is one journal
// transaction or a part of one: after a crash it is there as a whole or not at all, and all of it
// is there once sfs_sync or sfs_fsync has returned. Errors common to the changing functions:
// ENOSPC (nothing was changed), EROFS (the journal failed earlier), EIO (device or damage).
//
// LOCKING. The caller's vnode locks guard names and data, as fs/vnode.h says of each operation; sfs
// has its own locks below them (LOCK_INODE and further), and takes none above. Never call in while
// holding a journal handle (they are internal), nor with a lock of rank LOCK_INODE or later. A page
// may be busy: no one waits for pages here, but who puts a vnode.
//
// DATA. Write path: sfs_bmap(allocate) first (ENOSPC shows here), then copy into the page cache,
// then sfs_grow. Page-in: zeros for a hole or a fresh block, and past the end of file. Page-out:
// sfs_bmap, write, then sfs_written if the map said fresh. When a file grows from within a block,
// the old last page must be in the cache and dirtied, since the disk's bytes past the end are
// undefined. Truncate: first take the pages beyond out of the cache, waiting for those busy with
// I/O.
#pragma once

#include "fs/sfs/bdev.h"
#include "fs/sfs/sfs_env.h"
#include "fs/sfs/sfs_format.h"
#include "fs/vnode_impl.h"
#include "fs/vnode_pager.h"

struct sfs;                     // a mounted file system

// ---- The file system ----

// Mounts: checks the superblock, replays the journal, frees what was unlinked but open. nbufs
// buffers of a page each are taken for good (at least SFS_MIN_BUFS). EINVAL: not an sfs, or of
// another version; EIO: damaged; ENOMEM. A message says what is wrong.
#define SFS_MIN_BUFS 96u
int sfs_mount(struct bdev *dev, const struct sfs_env *env, unsigned nbufs, struct sfs **out);

// Writes everything and forgets the file system. No inode may be in use. An error means that the
// journal still holds what could not be written; the memory is freed all the same.
int sfs_unmount(struct sfs *fs);

// Makes all changes so far durable: dirty pages are written, and what was written by the bdev
// before the call is stable, too. Call it every few seconds.
int sfs_sync(struct sfs *fs);

// As sfs_sync, but of pages and the lazily kept attributes only this inode's are taken along.
int sfs_fsync(struct vnode *v);

void sfs_statfs(struct sfs *fs, struct fs_usage *usage);

// ---- Inodes ----

// A reference to inode number ino, from a directory or SFS_ROOT_INO. EIO if it is not in use.
int sfs_iget(struct sfs *fs, uint32_t ino, struct vnode **out);

// Drops a reference. The last one of an unlinked inode frees it and its blocks (that may take
// several transactions, and errors are only reported: the next mount tries again). The last one of
// any other leaves it in memory, with its pages, until there are too many such inodes.
void sfs_iput(struct vnode *v);

int sfs_getattr(struct vnode *v, struct vattr *va);
int sfs_setattr(struct vnode *v, const struct vattr *va, unsigned which);

// Sets the times named (VA_ATIME, VA_MTIME; mtime sets ctime too) to now. Lazy: costs no journal
// work, is written at the next sync or change of the inode.
void sfs_touch(struct vnode *v, unsigned which);

// ---- File blocks; see fs/vnode_pager.h ----

// EFBIG, ENOSPC.
int sfs_bmap(struct vnode *v, pgno_t fblk, uint32_t want, bool allocate, struct vnode_map *out);
int sfs_transfer(struct vnode *v, uint64_t block, void *const pages[], unsigned n, bool write);

// Says that the data of these blocks has been written (the bdev's write has returned). They must
// be allocated; those that are not fresh are passed over.
int sfs_written(struct vnode *v, pgno_t fblk, uint32_t count);

// The size after a write at the end, lazily; no effect if it is not larger. Sets mtime.
void sfs_grow(struct vnode *v, uint64_t size);

// Sets the size; blocks beyond are freed, growth leaves a hole. Sets mtime. EFBIG. If an error
// comes half-way the size is set, and the remaining blocks are freed at the next mount.
int sfs_truncate(struct vnode *v, uint64_t size);

// Frees blocks beyond the size, which an allocation ahead has left.
int sfs_trim(struct vnode *v);

// ---- Names ----
// They are as namei gives them (struct vname); a removed directory has no entries, and gets none
// (ENOENT).

int sfs_lookup(struct vnode *dir, const char *name, size_t len, struct vnode **out);

// Makes an inode of mode's type and permissions, and its name; target: of a symlink. *out is a
// reference to it. EEXIST, EMLINK, ENAMETOOLONG (the target).
int sfs_create(const struct vname *n, uint32_t mode, const char *target, struct vnode **out);

// The target, cut to size bytes, not terminated; *len is how many bytes were put in buf.
int sfs_readlink(struct vnode *v, char *buf, size_t size, size_t *len);

// A further name for v, which is no directory. EEXIST, EMLINK, ENOENT: it has none left.
int sfs_link(const struct vname *n, struct vnode *v);

// Removes the name of v, which the caller has looked up: ENOENT if the name is another's by now;
// ENOTEMPTY. The name is neither "." nor "..".
int sfs_remove(const struct vname *n, struct vnode *v);

// Moves v's name to another one, replacing over, which is of the same kind, if that exists (NULL:
// it does not; EEXIST if it does), or, with exchange, changing places with it. The caller looked up
// both; it holds the file system's LOCK_RENAME. EINVAL: a directory would come to lie below itself;
// ENOTEMPTY, EMLINK. If both are the same, nothing is done.
int sfs_rename(const struct vname *from, struct vnode *v, const struct vname *to,
               struct vnode *over, bool exchange);

// Entries that stay are given exactly once, whatever else is added or removed.
int sfs_readdir(struct vnode *dir, off_t *cookie, readdir_fn fn, void *arg);
