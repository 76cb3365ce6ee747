// SPDX-License-Identifier: BSD-2-Clause
//
// sfs, the on-disk file system: inodes, their block maps, directories. File data is not its
// concern: the pager asks where a block is (sfs_bmap) and moves pages by the bdev itself.
//
// All functions return 0 or a positive errno and may sleep. Every change is one journal
// transaction or a part of one: after a crash it is there as a whole or not at all, and all of it
// is there once sfs_sync or sfs_fsync has returned. Errors common to the changing functions:
// ENOSPC (nothing was changed), EROFS (the journal failed earlier), EIO (device or damage).
//
// LOCKING. The caller's vnode locks guard names and data; sfs has its own locks below them
// (LOCK_INODE and further), and takes none above. Changing a directory needs its vnode lock
// exclusively, looking in it shared; likewise the locks of an inode that is unlinked or replaced
// and of a directory that moves. Never call in while holding a journal handle (they are internal),
// nor with a lock of rank LOCK_INODE or later. A page may be busy: no one waits for pages here.
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
#include "lib/list.h"
#include "lib/types.h"
#include "sync/mutex.h"

struct sfs;                     // a mounted file system

// File types and the mask, as in Linux's st_mode.
enum {
    SFS_IFMT = 0170000,
    SFS_IFIFO = 0010000,
    SFS_IFCHR = 0020000,
    SFS_IFDIR = 0040000,
    SFS_IFBLK = 0060000,
    SFS_IFREG = 0100000,
    SFS_IFLNK = 0120000,
    SFS_IFSOCK = 0140000,
};

// A run of file blocks that are together on the disk.
struct sfs_map {
    uint32_t block;             // disk block of the first; 0 = hole
    uint32_t count;             // file blocks it covers, from the one asked for on; at least 1
    bool fresh;                 // never written: reads as zeros, sfs_written after the first write
};

// An in-core inode. The vnode layer reads ino, fs and generation, and owns vnode; the rest is
// internal.
struct sfs_inode {
    struct sfs *fs;             // constant
    uint32_t ino;               // constant
    void *vnode;                // the vnode layer's, NULL at first
    struct mutex lock;          // LOCK_INODE
    struct sfs_dinode d;        // (lock) newest state; next_orphan is not used here
    struct {
        uint64_t first;         // file block
        struct sfs_map map;     // count 0 = nothing remembered
    } run;                      // (lock) the last run found
    uint32_t dir_free;          // (vnode lock) no directory block before this one has much room
    bool lazy;                  // (lock and inode table lock) d is newer than its buffer
    unsigned refs;              // (inode table lock)
    struct list hash;           // (inode table lock)
    struct list lazy_link;      // (inode table lock) on fs's lazy list
    struct list orphan_link;    // (allocation lock) on fs's orphan list, in the disk's order
};

struct sfs_attr {
    uint32_t ino;
    uint32_t mode;              // type and permissions
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint32_t rdev;
    uint32_t nblocks;           // blocks of 4 KiB
    uint64_t size;              // bytes
    int64_t atime, mtime, ctime;    // ns since 1970
};

enum sfs_set {                  // which fields sfs_setattr takes
    SFS_SET_MODE = 1,           // permissions; the type stays
    SFS_SET_UID = 2,
    SFS_SET_GID = 4,
    SFS_SET_ATIME = 8,
    SFS_SET_MTIME = 16,
};

struct sfs_statfs {
    uint64_t blocks;            // 4 KiB blocks that files can use in all
    uint64_t bfree;             // of these, free
    uint64_t files;             // inodes in all
    uint64_t ffree;             // of these, free
};

// ---- The file system ----

// Mounts: checks the superblock, replays the journal, frees what was unlinked but open. nbufs
// buffers of a page each are taken for good (at least SFS_MIN_BUFS). EINVAL: not an sfs, or of
// another version; EIO: damaged; ENOMEM. A message says what is wrong.
#define SFS_MIN_BUFS 96u
int sfs_mount(struct bdev *dev, const struct sfs_env *env, unsigned nbufs, struct sfs **out);

// Writes everything and forgets the file system. No inode may be in use. An error means that the
// journal still holds what could not be written; the memory is freed all the same.
int sfs_unmount(struct sfs *fs);

// Makes all changes so far durable, also data written by the bdev before the call. The vnode
// layer has written dirty pages first. Call it every few seconds too.
int sfs_sync(struct sfs *fs);

// As sfs_sync, but of the lazily kept attributes only this inode's are taken along.
int sfs_fsync(struct sfs_inode *ip);

void sfs_statfs(struct sfs *fs, struct sfs_statfs *st);
bool sfs_readonly(const struct sfs *fs);    // the journal failed; every change gives EROFS
struct bdev *sfs_bdev(struct sfs *fs);

// ---- Inodes ----

// A reference to inode number ino, from a directory or SFS_ROOT_INO. EIO if it is not in use.
int sfs_iget(struct sfs *fs, uint32_t ino, struct sfs_inode **out);
void sfs_iref(struct sfs_inode *ip);        // another reference to an inode one has

// Drops a reference. The last one of an unlinked inode frees it and its blocks (that may take
// several transactions, and errors are only reported: the next mount tries again).
void sfs_iput(struct sfs_inode *ip);

void sfs_getattr(struct sfs_inode *ip, struct sfs_attr *attr);
// Whether it has no name left. Without a lock: for who knows that nobody gives it one just now.
bool sfs_unlinked(const struct sfs_inode *ip);
int sfs_setattr(struct sfs_inode *ip, const struct sfs_attr *attr, unsigned which);

// Sets the times named (SFS_SET_ATIME, SFS_SET_MTIME; mtime sets ctime too) to now. Lazy: costs
// no journal work, is written at the next sync or change of the inode.
void sfs_touch(struct sfs_inode *ip, unsigned which);

// ---- File blocks ----

// Finds where up to `want' file blocks from fblk on are; the answer covers out->count >= 1 of
// them. With allocate, a hole gets fresh blocks. EFBIG, ENOSPC.
int sfs_bmap(struct sfs_inode *ip, pgno_t fblk, uint32_t want, bool allocate, struct sfs_map *out);

// Says that the data of these blocks has been written (the bdev's write has returned). They must
// be allocated; those that are not fresh are passed over.
int sfs_written(struct sfs_inode *ip, pgno_t fblk, uint32_t count);

// The size after a write at the end, lazily; no effect if it is not larger. Sets mtime.
void sfs_grow(struct sfs_inode *ip, uint64_t size);

// Sets the size; blocks beyond are freed, growth leaves a hole. Sets mtime. EFBIG. If an error
// comes half-way the size is set, and the remaining blocks are freed at the next mount.
int sfs_truncate(struct sfs_inode *ip, uint64_t size);

// Frees blocks beyond the size, which an allocation ahead has left.
int sfs_trim(struct sfs_inode *ip);

// ---- Names ----
// A name is len bytes without '/' or NUL, 1 to SFS_NAME_MAX of them (else ENAMETOOLONG, EINVAL).
// dir must be a directory (else ENOTDIR); a removed one has no entries, and gets none (ENOENT).

int sfs_lookup(struct sfs_inode *dir, const char *name, size_t len, uint32_t *ino);

struct sfs_new {                // what a new inode starts with
    uint32_t mode;              // any type but a symlink; with SFS_IFDIR a directory is made
    uint32_t uid;
    uint32_t gid;
    uint32_t rdev;
};
// Makes an inode and its name; *out is a reference to it. EEXIST, EMLINK.
int sfs_create(struct sfs_inode *dir, const char *name, size_t len, const struct sfs_new *init,
               struct sfs_inode **out);
int sfs_symlink(struct sfs_inode *dir, const char *name, size_t len, const struct sfs_new *init,
                const char *target, size_t target_len, struct sfs_inode **out);

// The target, cut to size bytes, not terminated; *len is how many bytes were put in buf.
int sfs_readlink(struct sfs_inode *ip, char *buf, size_t size, size_t *len);

// A further name for ip. EPERM for a directory, EEXIST, EMLINK.
int sfs_link(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip);

// Removes the name of ip, which the caller has looked up: ENOENT if the name is another's by now.
// unlink: EISDIR. rmdir: ENOTDIR, ENOTEMPTY, EINVAL for ".".
int sfs_unlink(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip);
int sfs_rmdir(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip);

// Moves the name (odir, oname) of ip to (ndir, nname), replacing over if that exists (NULL: it
// does not; EEXIST if it does). The caller looked up both; it holds the file system's LOCK_RENAME
// if ip is a directory and odir != ndir. EINVAL: into itself, or "." and "..";
// EISDIR, ENOTDIR, ENOTEMPTY, EMLINK. If ip == over, nothing is done.
struct sfs_name {
    struct sfs_inode *dir;
    const char *name;
    size_t len;
};
int sfs_rename(const struct sfs_name *from, struct sfs_inode *ip, const struct sfs_name *to,
               struct sfs_inode *over);
// The two change places, whatever they are; else as sfs_rename. EINVAL: one is above the other.
int sfs_exchange(const struct sfs_name *from, struct sfs_inode *ip, const struct sfs_name *to,
                 struct sfs_inode *other);

// Calls emit for each entry from *pos on (0 = start), and sets *pos to where to go on; stops at
// the end or when emit returns false (that entry comes again). emit must not sleep. type is as
// Linux's d_type. Entries that stay are given exactly once, whatever else is added or removed.
typedef bool (*sfs_emit_fn)(void *arg, uint32_t ino, unsigned type, const char *name, size_t len,
                            uint64_t next_pos);
int sfs_readdir(struct sfs_inode *dir, uint64_t *pos, sfs_emit_fn emit, void *arg);
