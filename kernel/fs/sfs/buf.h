// SPDX-License-Identifier: BSD-2-Clause
//
// The cache of metadata blocks: a fixed pool of page-sized buffers found by block number, reused
// in the order of last use. Nothing is allocated after start-up.
//
// A buffer in use is pinned; its address and block stay. What it holds is guarded by the lock of
// the structure in it (the allocation lock for bitmaps, the inode's for its map and its own
// inode, the vnode's for directories), and changes only inside a journal handle. The cache's own
// lock (LOCK_BUF) guards which buffer is what; it is not held during I/O.
//
// No deadlock for buffers: what handles pin or change is within their journal reservations, which
// together are smaller than the pool, and others pin one at a time and wait for nothing with it.
#pragma once

#include "fs/sfs/bdev.h"
#include "lib/list.h"
#include "sync/mutex.h"

struct sfs_env;

struct buf {
    uint8_t *data;              // BDEV_BLOCK bytes; constant
    struct buf_cache *cache;    // constant
    uint64_t block;             // (c) the block it holds, if it is in the hash
    unsigned pins;              // (c) users
    bool busy;                  // (c) being read, or written home; getters wait
    bool dirty;                 // (c) committed, but newer than its home on the disk
    bool in_txn;                // changed by the running transaction; set within a handle, cleared
                                //   by the commit when there is none
    struct list hash;           // (c)
    struct list lru;            // (c) on it: may be reused
    struct list txn;            // (journal's lock) on the running transaction
};

struct buf_cache {
    struct bdev *dev;           // constant
    const struct sfs_env *env;  // constant
    struct mutex lock;          // (c)
    struct waitq wait;          // for a buffer to be no longer busy, or pinned
    struct buf *bufs;           // constant
    unsigned nbufs;             // constant
    struct list *hash;          // (c) nhash chains
    unsigned nhash;             // a power of two
    struct list lru;            // (c) neither pinned nor in_txn; longest unused first
    unsigned waiting;           // (c) threads that wait for any buffer
};

// ENOMEM: it can only be destroyed.
int buf_cache_init(struct buf_cache *c, struct bdev *dev, const struct sfs_env *env,
                   unsigned nbufs);
void buf_cache_destroy(struct buf_cache *c);    // also one that is all zeroes

// Pins the buffer of a block. buf_get reads it if need be (EIO); buf_get_new gives it zeroed, for
// a block that was just allocated.
int buf_get(struct buf_cache *c, uint64_t block, struct buf **out);
int buf_get_new(struct buf_cache *c, uint64_t block, struct buf **out);
void buf_put(struct buf *b);

// For the journal: the buffer's transaction has been committed.
void buf_committed(struct buf *b);

// For the journal, while no handle is open: writes all dirty buffers home. EIO: some stay dirty.
int buf_write_dirty(struct buf_cache *c);
