// SPDX-License-Identifier: BSD-2-Clause
//
// The journal: makes the changes of many operations to metadata blocks reach the disk as a whole
// or not at all (physical logging with group commit, after Tweedie's ext2fs journal, 1998).
//
// An operation opens a handle, saying how many blocks it will change at most, changes pinned
// buffers and announces each, and closes the handle. All handles share one running transaction.
// A commit waits until none is open, writes the blocks to the log with a checksum, and flushes;
// only then may they go home. When the log is nearly full a checkpoint writes everything home
// and starts the log anew. The transaction with all reservations always fits the log.
//
// Locks: a handle counts as a lock between LOCK_VNODE and LOCK_INODE: journal_begin may wait for
// open handles, so nothing that an operation takes within its handle may be held.
#pragma once

#include "fs/sfs/buf.h"
#include "fs/sfs/sfs_format.h"
#include "lib/list.h"
#include "sync/mutex.h"

struct journal {
    struct buf_cache *cache;    // constant
    struct bdev *dev;           // the cache's; constant
    uint32_t start;             // block of the header; constant
    uint32_t nblocks;           // blocks with the header; constant
    unsigned max_count;         // blocks in a transaction at most; constant
    struct sfs_txn *desc;       // a page for descriptors; used by the committer
    struct mutex lock;          // LOCK_JOURNAL, guards the rest
    struct waitq wait;          // for handles to close, and for a commit to end
    uint32_t head;              // log block for the next descriptor
    uint64_t seq;               // of the running transaction
    struct list txn;            // its buffers
    unsigned count;             // how many
    unsigned handles;           // open ones
    unsigned reserved;          // blocks that open handles may still add
    bool committing;            // no new handles now
    bool data_written;          // the transaction says so of data that may not be stable yet
    bool failed;                // the log could not be written: no more changes
    void (*checkpointed)(void *arg);    // nothing freed before is in the log any more; constant
    void *arg;                  // its argument; constant
};

struct journal_handle {
    struct journal *journal;
    unsigned reserved;          // blocks it may still add to the transaction
    bool changed;               // it has announced a change
};

// Replays the log and makes the journal ready, with at most max_count blocks in
// a transaction. EIO, ENOMEM, EINVAL (damaged; a message says so).
int journal_open(struct journal *j, struct buf_cache *c, const struct sfs_layout *layout,
                 unsigned max_count);
// Frees the memory; no handle is open. Also of one that could not be opened, or is all zeroes.
void journal_close(struct journal *j);

// Opens a handle for at most nblocks blocks; may wait, commit and checkpoint. EROFS after a
// failure.
int journal_begin(struct journal *j, struct journal_handle *h, unsigned nblocks);

// Announces that the handle's owner is changing b, which it has pinned.
void journal_dirty(struct journal_handle *h, struct buf *b);

// Announces a change that says of file data that it is written: the commit flushes first.
void journal_data_written(struct journal_handle *h);
void journal_end(struct journal_handle *h);

// Makes all that handles closed before the call have changed durable, and all device writes that
// were complete. With checkpoint, also writes it home. EIO or EROFS: the journal has failed.
int journal_commit(struct journal *j, bool checkpoint);

// Allows no more changes, with a message: what is in memory is no longer to be trusted.
void journal_fail(struct journal *j, const char *why);
