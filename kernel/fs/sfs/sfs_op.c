// SPDX-License-Identifier: BSD-2-Clause
//
// The frame of every operation, and reports of damage.
#include <stdarg.h>
#include "fs/sfs/sfs_impl.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/scoped.h"

// A program that meets the same damage again and again must not flood the console.
#define DAMAGE_REPORTS 20u

int sfs_damaged(struct sfs *fs, const char *fmt, ...)
{
    char text[96];
    va_list ap;

    unsigned n = add_relaxed(&fs->reports, 1);
    if (n > DAMAGE_REPORTS)
        return EIO;
    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    bdev_report(fs->dev, "damaged: %s%s", text,
                n == DAMAGE_REPORTS ? "; no more reports until the next mount" : "");
    return EIO;
}

// Promises free blocks to an operation, or takes a promise back.
static bool reserve(struct sfs *fs, uint32_t nblocks)
{
    if (nblocks == 0)
        return true;
    SCOPED_MUTEX(&fs->alloc_lock);
    if (fs->nfree - fs->nreserved < nblocks)
        return false;
    fs->nreserved += nblocks;
    return true;
}

static void unreserve(struct sfs *fs, uint32_t nblocks)
{
    if (nblocks == 0)
        return;
    SCOPED_MUTEX(&fs->alloc_lock);
    KASSERT(fs->nreserved >= nblocks, "%u < %u", fs->nreserved, nblocks);
    fs->nreserved -= nblocks;
}

int sfs_op_begin(struct sfs *fs, struct sfs_op *op, unsigned nmeta, uint32_t nblocks)
{
    int error;

    KASSERT(nmeta <= SFS_RES_MAX, "%u blocks", nmeta);
    *op = (struct sfs_op){.fs = fs, .blocks = nblocks};
    if (!reserve(fs, nblocks)) {
        // Blocks freed of late can be had by getting them out of the journal.
        if (fs->npending == 0)
            return ENOSPC;
        error = journal_commit(&fs->journal, true);
        if (error)
            return error;
        if (!reserve(fs, nblocks))
            return ENOSPC;
    }
    error = journal_begin(&fs->journal, &op->h, nmeta);
    if (error)
        unreserve(fs, nblocks);
    return error;
}

int sfs_op_end(struct sfs_op *op, int error)
{
    if (error && op->h.changed)
        journal_fail(&op->fs->journal, "an operation failed half-way");
    unreserve(op->fs, op->blocks);
    journal_end(&op->h);
    return error;
}
