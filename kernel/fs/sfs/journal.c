// SPDX-License-Identifier: BSD-2-Clause
//
// See journal.h. The log is not a ring: transactions follow each other from its start, and a
// checkpoint begins it anew. A transaction's descriptor carries the checksum of all its blocks
// and so is its commit record too.
#include "fs/sfs/journal.h"
#include "fs/sfs/sfs_env.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "sync/scoped.h"

#define LOG_CLUSTER 32u // most blocks in one write to the log

void journal_close(struct journal *j)
{
    KASSERT(j->handles == 0, "%u handles are open", j->handles);
    if (j->desc)
        j->cache->env->free(j->desc, SFS_BLOCK);
}

void journal_fail(struct journal *j, const char *why)
{
    if (!j->failed)
        bdev_report(j->dev, "%s; the file system is read-only from now on", why);
    j->failed = true;
}

// Writes n pages to the log from log block `at' on.
static int write_log(struct journal *j, uint32_t at, void *const pages[], unsigned n)
{
    KASSERT(at + n <= j->nblocks, "log blocks %u+%u of %u", at, n, j->nblocks);
    return bdev_write(j->dev, j->start + at, pages, n);
}

// Writes the running transaction's blocks behind the place for the descriptor, and fills that in.
static int write_blocks(struct journal *j)
{
    void *pages[LOG_CLUSTER];
    uint32_t at = j->head + 1;
    unsigned n = 0;
    uint64_t sum;

    memset(j->desc, 0, SFS_BLOCK);
    j->desc->magic = SFS_TXN_MAGIC;
    j->desc->seq = j->seq;
    list_for_each (b, &j->txn, struct buf, txn)
        j->desc->block[j->desc->count++] = b->block;
    KASSERT(j->desc->count == j->count, "%u buffers, not %u", j->desc->count, j->count);
    sum = sfs_checksum(0, j->desc, SFS_BLOCK);
    list_for_each (b, &j->txn, struct buf, txn) {
        sum = sfs_checksum(sum, b->data, SFS_BLOCK);
        pages[n++] = b->data;
        if (n < LOG_CLUSTER && b->txn.next != &j->txn)
            continue;
        int error = write_log(j, at, pages, n);
        if (error)
            return error;
        at += n;
        n = 0;
    }
    j->desc->checksum = sum;
    return 0;
}

// Makes the running transaction durable and opens the next. No handle is open.
static int write_txn(struct journal *j)
{
    void *desc = j->desc;
    int error = write_blocks(j);

    // The data that the transaction vouches for must be stable before its descriptor can be.
    if (!error && j->data_written)
        error = bdev_flush(j->dev);
    if (!error)
        error = write_log(j, j->head, &desc, 1);
    if (!error)
        error = bdev_flush(j->dev);
    if (error) {
        journal_fail(j, "the journal cannot be written");
        return error;
    }
    struct buf *b;
    while ((b = list_pop(&j->txn, struct buf, txn)))
        buf_committed(b);
    j->head += 1 + j->count;
    j->count = 0;
    j->data_written = false;
    j->seq++;
    return 0;
}

// The flush before the header keeps the log until its blocks are home; the one after it keeps new
// transactions from mixing with old ones that a lost header would bring back.
static int restart(struct journal *j)
{
    struct sfs_journal_header *header = (void *)j->desc;
    void *page = j->desc;
    int error = bdev_flush(j->dev);

    if (error)
        return error;
    memset(page, 0, SFS_BLOCK);
    header->magic = SFS_JOURNAL_MAGIC;
    header->seq = j->seq;
    header->checksum = sfs_checksum(0, header, offsetof(struct sfs_journal_header, checksum));
    error = write_log(j, 0, &page, 1);
    if (error)
        return error;
    j->head = 1;
    return bdev_flush(j->dev);
}

// Writes everything home and empties the log. The transaction is empty and no handle is open.
static int write_checkpoint(struct journal *j)
{
    int error = buf_write_dirty(j->cache);

    if (!error)
        error = restart(j);
    if (error) {
        journal_fail(j, "a checkpoint cannot be written");
        return error;
    }
    if (j->checkpointed) {
        mutex_unlock(&j->lock); // its locks come before this one; `committing' protects
        j->checkpointed(j->arg);
        mutex_lock(&j->lock);
    }
    return 0;
}

static void wait(struct journal *j)
{
    waitq_await_mutex(&j->wait, &j->lock);
}

// Commits the running transaction; the lock is held, and released while waiting.
static int commit(struct journal *j, bool checkpoint)
{
    int error = 0;

    KASSERT(!j->committing, "transaction %lu is being committed", j->seq);
    j->committing = true;
    while (j->handles > 0)
        wait(j);
    if (j->failed)
        error = EROFS;
    else if (j->count > 0)
        error = write_txn(j);
    else
        error = bdev_flush(j->dev);
    if (!error && j->head > 1 && (checkpoint || j->nblocks - j->head < j->max_count + 1))
        error = write_checkpoint(j);
    j->committing = false;
    waitq_wake_all(&j->wait);
    return error;
}

int journal_begin(struct journal *j, struct journal_handle *h, unsigned nblocks)
{
    KASSERT(nblocks <= j->max_count, "%u blocks of %u", nblocks, j->max_count);
    SCOPED_MUTEX(&j->lock);
    while (!j->failed) {
        if (j->committing)
            wait(j);
        else if (j->count + j->reserved + nblocks > j->max_count)
            commit(j, false);
        else
            break;
    }
    *h = (struct journal_handle){.journal = j, .reserved = nblocks};
    if (j->failed)
        return EROFS;
    j->handles++;
    j->reserved += nblocks;
    return 0;
}

void journal_dirty(struct journal_handle *h, struct buf *b)
{
    struct journal *j = h->journal;

    KASSERT(b->pins > 0, "block %lu is not pinned", b->block);
    h->changed = true;
    if (b->in_txn) // only a commit changes that, and our handle keeps it away
        return;
    SCOPED_MUTEX(&j->lock);
    if (b->in_txn)
        return;
    KASSERT(h->reserved > 0, "the reservation is used up at block %lu", b->block);
    h->reserved--;
    j->reserved--;
    if (j->count++ == 0 && j->cache->env->changed)
        j->cache->env->changed();
    b->in_txn = true;
    list_push_back(&j->txn, &b->txn);
}

void journal_data_written(struct journal_handle *h)
{
    h->journal->data_written = true; // only a commit clears it, and our handle keeps it away
}

void journal_end(struct journal_handle *h)
{
    struct journal *j = h->journal;

    SCOPED_MUTEX(&j->lock);
    j->reserved -= h->reserved;
    if (--j->handles == 0)
        waitq_wake_all(&j->wait);
}

int journal_commit(struct journal *j, bool checkpoint)
{
    SCOPED_MUTEX(&j->lock);
    uint64_t seq = j->seq;
    while (j->committing)
        wait(j);
    if (j->failed)
        return EROFS;
    if (j->seq != seq && !checkpoint)
        return 0; // another thread committed it meanwhile
    return commit(j, checkpoint);
}

// ---- recovery ----

// Replays the journal at mount: reads transactions from the start of the log while they are whole
// and in sequence, writes their blocks home, and starts an empty log. A crash meanwhile does no
// harm: the next mount replays the same again. Single-threaded, before anything uses the cache.
struct recovery {
    struct journal *j;
    const struct sfs_layout *layout;
    void *page; // for a block of a transaction
};

static int read_log(struct journal *j, uint32_t at, void *page)
{
    return bdev_read(j->dev, j->start + at, &page, 1);
}

// A block that transactions may change: not the superblock, nor the journal itself.
static bool may_log(const struct sfs_layout *l, uint32_t block)
{
    return block >= l->state && block < l->nblocks && (block < l->journal || block >= l->data);
}

// Reads the descriptor at log block `at' and checks the transaction. *valid: it is whole, and the
// one expected next.
static int check_txn(struct recovery *r, uint32_t at, bool *valid)
{
    struct sfs_txn *desc = r->j->desc;
    uint64_t stored, sum;

    *valid = false;
    if (at >= r->j->nblocks)
        return 0;
    int error = read_log(r->j, at, desc);
    if (error)
        return error;
    if (desc->magic != SFS_TXN_MAGIC || desc->seq != r->j->seq || desc->count == 0 ||
        desc->count > SFS_TXN_BLOCKS || desc->count >= r->j->nblocks - at)
        return 0;
    stored = desc->checksum;
    desc->checksum = 0;
    sum = sfs_checksum(0, desc, SFS_BLOCK);
    for (uint32_t i = 0; i < desc->count; i++) {
        error = read_log(r->j, at + 1 + i, r->page);
        if (error)
            return error;
        sum = sfs_checksum(sum, r->page, SFS_BLOCK);
    }
    *valid = sum == stored;
    for (uint32_t i = 0; *valid && i < desc->count; i++) {
        if (!may_log(r->layout, desc->block[i])) {
            bdev_report(r->j->dev, "journal: transaction %lu names block %u", desc->seq,
                        desc->block[i]);
            return EINVAL;
        }
    }
    return 0;
}

// Writes the blocks of the transaction at log block `at' home; its descriptor has been read.
static int replay_txn(struct recovery *r, uint32_t at)
{
    struct sfs_txn *desc = r->j->desc;

    for (uint32_t i = 0; i < desc->count; i++) {
        int error = read_log(r->j, at + 1 + i, r->page);
        if (!error)
            error = bdev_write(r->j->dev, desc->block[i], &r->page, 1);
        if (error)
            return error;
    }
    return 0;
}

static int read_header(struct journal *j)
{
    struct sfs_journal_header *header = (void *)j->desc;
    int error = read_log(j, 0, header);

    if (error)
        return error;
    if (header->magic != SFS_JOURNAL_MAGIC ||
        header->checksum !=
            sfs_checksum(0, header, offsetof(struct sfs_journal_header, checksum))) {
        bdev_report(j->dev, "the journal's header is damaged");
        return EINVAL;
    }
    j->seq = header->seq;
    return 0;
}

// Replays all there is; *count says how many transactions.
static int replay(struct recovery *r, unsigned *count)
{
    bool valid;
    int error = check_txn(r, 1, &valid);

    *count = 0;
    for (uint32_t at = 1; !error && valid; (*count)++) {
        error = replay_txn(r, at);
        at += 1 + r->j->desc->count;
        r->j->seq++;
        if (!error)
            error = check_txn(r, at, &valid);
    }
    return error;
}

static int recover(struct journal *j, const struct sfs_layout *layout)
{
    struct recovery r = {.j = j, .layout = layout, .page = j->cache->env->alloc(SFS_BLOCK)};
    unsigned count = 0;

    if (!r.page)
        return ENOMEM;
    int error = read_header(j);
    if (!error)
        error = replay(&r, &count);
    if (!error && count > 0) {
        kprintf("sfs: %s: recovered %u transactions from the journal\n", j->dev->name, count);
        // One that was being written may lie further on in the log with this number: use the next.
        j->seq++;
        error = restart(j);
    }
    j->cache->env->free(r.page, SFS_BLOCK);
    return error;
}

int journal_open(struct journal *j, struct buf_cache *c, const struct sfs_layout *layout,
                 unsigned max_count)
{
    *j = (struct journal){.cache = c, .dev = c->dev, .start = layout->journal, .head = 1};
    j->nblocks = layout->data - layout->journal;
    j->max_count = min(min(max_count, (unsigned)SFS_TXN_BLOCKS), (j->nblocks - 2) / 2);
    mutex_init(&j->lock, "journal", LOCK_JOURNAL, 0);
    waitq_init(&j->wait, "journal");
    list_init(&j->txn);
    j->desc = c->env->alloc(SFS_BLOCK);
    return j->desc ? recover(j, layout) : ENOMEM;
}
