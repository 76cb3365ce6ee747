// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of sfs share; sfs.h is the interface. An operation (struct sfs_op) is a journal
// handle with a reservation of free blocks, so that within one neither the journal nor the disk
// can be full, and all that can go wrong after the first change is the device or damage. Then
// the file system turns read-only, and what is on the disk stays as the last commit left it.
#pragma once

#include "fs/sfs/buf.h"
#include "fs/sfs/journal.h"
#include "fs/sfs/sfs.h"

#define SFS_INODE_CHAINS 64u

// An inode in memory is a vnode.
struct sfs_inode {
    struct vnode v;             // its references and link: changed to or from none, (inode table)
    struct sfs *fs;             // constant
    struct mutex lock;          // LOCK_INODE
    struct sfs_dinode d;        // (lock) newest state; next_orphan is not used here
    struct {
        uint64_t first;         // file block
        struct vnode_map map;   // count 0 = nothing remembered
    } run;                      // (lock) the last run found
    uint32_t dir_free;          // (vnode lock) no directory block before this one has much room
    bool lazy;                  // (lock and inode table lock) d is newer than its buffer
    struct sfs_inode *parent;   // (inode table lock) where it was last found, referenced, or NULL
    struct list hash;           // (inode table lock)
    struct list lazy_link;      // (inode table lock) on fs's lazy list
    struct list orphan_link;    // (allocation lock) on fs's orphan list, in the disk's order
};

static inline struct sfs_inode *sfs_inode_of(struct vnode *v)
{
    return container_of(v, struct sfs_inode, v);
}

static inline bool sfs_is_dir(const struct sfs_inode *ip)
{
    return ip->v.type == VDIR;
}

struct sfs {
    struct mount mount;         // what vnodes point to
    struct bdev *dev;           // constant
    const struct sfs_env *env;  // constant
    struct sfs_layout layout;   // constant
    struct buf_cache cache;
    struct journal journal;
    unsigned reports;           // damages reported; atomic

    struct mutex alloc_lock;    // LOCK_FS_ALLOC; guards the bitmaps in buffers, and:
    uint64_t *busy;             // bit set: block in use, or freed but still in the journal
    bool *map_freed;            // per block of the bitmap: it has blocks of the latter kind
    uint32_t nfree;             // clear bits in busy
    uint32_t nreserved;         // of these, promised to open operations
    uint32_t npending;          // freed, but still set in busy
    uint32_t next_block;        // where to look for a free block
    uint32_t nfree_inodes;
    uint32_t next_inode;        // no free inode is before
    struct list orphans;        // inodes on the disk's orphan list, in its order

    struct mutex inodes_lock;   // LOCK_FS_INODES; guards:
    struct list inodes[SFS_INODE_CHAINS];       // inodes in memory by number
    struct list lazy;           // inodes whose attributes are newer than their buffers
    struct list unused;         // vnode.link of those without references; latest first
    unsigned nunused;
    unsigned max_unused;        // constant after start-up
};

struct sfs_op {
    struct sfs *fs;
    struct journal_handle h;
    uint32_t blocks;            // free blocks that it may still allocate
};

// Blocks that parts of an operation change at most; operations add them up.
enum {
    SFS_RES_INODE = 1,          // an inode's own block
    SFS_RES_MAPS = 4,           // bitmap blocks: one data block and three levels of indirection
    SFS_RES_GROW = SFS_RES_MAPS + 4 + SFS_RES_INODE,    // mapping a block: with the four, and the
                                                        // inode
    SFS_RES_ADD = SFS_RES_GROW + 1,                     // adding a name to a directory
    SFS_RES_ORPHAN = 3,         // the state block, the inode's, another orphan's
    SFS_RES_NEW = 2,            // the inode's block and the inode bitmap's
    SFS_RES_SHRINK = 32,        // a step of freeing a file's blocks
    SFS_GROW_BLOCKS = 4,        // blocks allocated to map one
    SFS_RES_MAX = 48,           // no operation changes more
};

// sfs_op.c
// Opens an operation that changes at most nmeta blocks and allocates at most nblocks; ENOSPC,
// EROFS. sfs_op_end takes the operation's result and returns it.
int sfs_op_begin(struct sfs *fs, struct sfs_op *op, unsigned nmeta, uint32_t nblocks);
int sfs_op_end(struct sfs_op *op, int error);

// Reports damage, with numbers; returns EIO.
int sfs_damaged(struct sfs *fs, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The journal failed; every change gives EROFS.
static inline bool sfs_readonly(const struct sfs *fs)
{
    return fs->journal.failed;
}

// True if files may own this block.
static inline bool sfs_data_block(const struct sfs *fs, uint32_t block)
{
    return block >= fs->layout.data && block < fs->layout.nblocks;
}

// sfs_alloc.c
int sfs_alloc_init(struct sfs *fs);             // reads the bitmaps
void sfs_alloc_destroy(struct sfs *fs);
void sfs_alloc_checkpointed(void *fs);          // freed blocks may be used again
// Takes 1 to `want' free blocks that follow each other, near goal if that is not 0. op's
// reservation holds them.
int sfs_alloc_run(struct sfs_op *op, uint32_t goal, uint32_t want, uint32_t *start,
                  uint32_t *count);
int sfs_free_run(struct sfs_op *op, uint32_t start, uint32_t count);
int sfs_alloc_inode(struct sfs_op *op, uint32_t *ino);      // ENOSPC
int sfs_free_inode(struct sfs_op *op, uint32_t ino);

// sfs_inode.c
void sfs_inodes_init(struct sfs *fs);
void sfs_inodes_destroy(struct sfs *fs);
// As sfs_iget; with orphan, also an inode without links.
int sfs_iget_any(struct sfs *fs, uint32_t ino, bool orphan, struct sfs_inode **out);
// A new inode, in no table yet; ENOMEM. It is entered, as a vnode with one reference, or its memory
// is freed.
int sfs_inode_new(struct sfs *fs, struct sfs_inode **out);
void sfs_inode_enter(struct sfs_inode *ip);
// Another reference to an inode that is in the table; inodes_lock is held.
void sfs_inode_take(struct sfs_inode *ip);
// The buffer that holds an inode's block, and the inode in it.
int sfs_inode_buf(struct sfs *fs, uint32_t ino, struct buf **b, struct sfs_dinode **d);
// Writes ip's state to its buffer; ip's lock is held.
int sfs_update(struct sfs_op *op, struct sfs_inode *ip);

// sfs_attr.c
int sfs_write_lazy(struct sfs_inode *ip);       // writes lazily kept attributes to their buffer

// sfs_orphan.c
// Put an inode on the orphan list, and take it off; ip's lock is held.
int sfs_orphan_add(struct sfs_op *op, struct sfs_inode *ip);
int sfs_orphan_remove(struct sfs_op *op, struct sfs_inode *ip);
// The first on the disk's list, 0: it is empty.
int sfs_orphan_first(struct sfs *fs, uint32_t *ino);
// Goes on freeing an orphan's blocks beyond its end, after which it is off the list; or, if it has
// no links, all its blocks and the inode itself, of which the caller has the last reference.
int sfs_orphan_finish(struct sfs_inode *ip, bool last);

// sfs_put.c
void sfs_found_in(struct sfs_inode *ip, struct sfs_inode *dir);     // notes where ip's name is
int sfs_parent(struct vnode *v, struct vnode **dir);    // where it was last found; ENOENT

// sfs_create.c
// Changes ip's link count and its ctime, with contents its mtime too.
int sfs_update_links(struct sfs_op *op, struct sfs_inode *ip, int delta, bool contents);

// sfs_bmap.c
// As sfs_bmap, ip's lock held. With an operation, allocates; the blocks are fresh or not as said.
int sfs_map_find(struct sfs_inode *ip, uint64_t fblk, uint32_t want, struct vnode_map *out);
int sfs_map_alloc(struct sfs_op *op, struct sfs_inode *ip, uint64_t fblk, uint32_t want, bool fresh,
                  struct vnode_map *out);

// sfs_shrink.c
// Frees blocks from file block `first' on, from the end, while op's reservation lasts; ip's lock is
// held, and the caller updates the inode. *done: none is left.
int sfs_shrink(struct sfs_op *op, struct sfs_inode *ip, uint64_t first, bool *done);

// sfs_dir.c
struct sfs_slot {               // where a name is
    struct buf *b;              // its directory block, pinned
    uint32_t block;             // file block
    unsigned off;               // of the record in it, bytes
    unsigned prev;              // of the record before, == off for the first one
    uint32_t ino;
    uint8_t type;
};
// Finds a name; ENOENT. slot->b is the caller's to put.
int sfs_dir_find(struct sfs_inode *dir, const char *name, size_t len, struct sfs_slot *slot);
int sfs_dir_add(struct sfs_op *op, struct sfs_inode *dir, const char *name, size_t len,
                uint32_t ino, unsigned type);
void sfs_dir_remove(struct sfs_op *op, struct sfs_inode *dir, const struct sfs_slot *slot);
void sfs_dir_replace(struct sfs_op *op, const struct sfs_slot *slot, uint32_t ino, unsigned type);
int sfs_dir_init(struct sfs_op *op, struct sfs_inode *dir, uint32_t parent);    // "." and ".."
int sfs_dir_is_empty(struct sfs_inode *dir);    // 0, ENOTEMPTY, EIO
// The inode number of a name; EIO for one that a sound directory does not have.
int sfs_dir_lookup(struct sfs_inode *dir, const char *name, size_t len, uint32_t *ino);
