// SPDX-License-Identifier: BSD-2-Clause
//
// Replays the journal at mount: reads transactions from the start of the log while they are whole
// and in sequence, writes their blocks home, and starts an empty log. A crash meanwhile does no
// harm: the next mount replays the same again. Single-threaded, before anything uses the cache.
#include "fs/sfs/journal.h"
#include "fs/sfs/sfs_env.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

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

int journal_recover(struct journal *j, const struct sfs_layout *layout)
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
        error = journal_restart(j);
    }
    j->cache->env->free(r.page, SFS_BLOCK);
    return error;
}
