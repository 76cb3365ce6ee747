// SPDX-License-Identifier: BSD-2-Clause
//
// The checks of what holds an image together: superblock, journal, state block, orphans. The
// journal is replayed in memory first, since that is what a mount would see.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"

#define PROBLEMS_SHOWN 50u

void problem(struct check *c, const char *fmt, ...)
{
    va_list ap;

    if (++c->problems > PROBLEMS_SHOWN || !c->out)
        return;
    va_start(ap, fmt);
    vfprintf(c->out, fmt, ap);
    va_end(ap);
    fputc('\n', c->out);
}

// False if there is no point in going on.
static bool check_super(struct check *c)
{
    struct sfs_super super;
    struct sfs_layout want;

    if (c->size < sizeof(super) || c->size < SFS_BLOCK) {
        problem(c, "superblock: the image is too small to have one");
        return false;
    }
    memcpy(&super, c->image, sizeof(super));
    if (super.magic != SFS_MAGIC) {
        problem(c, "superblock: magic %#lx: not an sfs file system", super.magic);
        return false;
    }
    if (super.version != SFS_VERSION || super.block_size != SFS_BLOCK) {
        problem(c, "superblock: version %u, blocks of %u bytes", super.version, super.block_size);
        return false;
    }
    uint8_t copy[SFS_BLOCK] __attribute__((aligned(8)));
    memcpy(copy, c->image, SFS_BLOCK);
    ((struct sfs_super *)copy)->checksum = 0;
    if (sfs_checksum(0, copy, SFS_BLOCK) != super.checksum)
        problem(c, "superblock: wrong checksum");
    c->l = super.layout;
    if (c->l.nblocks > c->size / SFS_BLOCK || c->l.data >= c->l.nblocks ||
        c->l.data < c->l.journal || c->l.data - c->l.journal < SFS_JOURNAL_MIN) {
        problem(c, "superblock: %u blocks, journal at %u, data at %u, in an image of %lu blocks",
                c->l.nblocks, c->l.journal, c->l.data, c->size / SFS_BLOCK);
        return false;
    }
    want = sfs_layout(c->l.nblocks, c->l.ninodes, c->l.data - c->l.journal);
    if (memcmp(&want, &c->l, sizeof(want)) != 0) {
        problem(c, "superblock: the layout does not follow from the sizes");
        return false;
    }
    return true;
}

// The transaction at a log block, if it is whole and has this number.
static const struct sfs_txn *whole_txn(struct check *c, uint32_t at, uint64_t seq)
{
    uint32_t end = c->l.data - c->l.journal;
    const struct sfs_txn *txn = check_block(c, c->l.journal + at);
    struct sfs_txn copy;

    if (at >= end || txn->magic != SFS_TXN_MAGIC || txn->seq != seq || txn->count == 0 ||
        txn->count > SFS_TXN_BLOCKS || txn->count >= end - at)
        return NULL;
    copy = *txn;
    copy.checksum = 0;
    uint64_t sum = sfs_checksum(0, &copy, sizeof(copy));
    for (uint32_t i = 1; i <= txn->count; i++)
        sum = sfs_checksum(sum, check_block(c, c->l.journal + at + i), SFS_BLOCK);
    return sum == txn->checksum ? txn : NULL;
}

static void replay_journal(struct check *c)
{
    struct sfs_journal_header *header = check_block(c, c->l.journal);
    const struct sfs_txn *txn;

    if (header->magic != SFS_JOURNAL_MAGIC ||
        header->checksum !=
            sfs_checksum(0, header, offsetof(struct sfs_journal_header, checksum))) {
        problem(c, "journal: the header is damaged");
        return;
    }
    for (uint32_t at = 1; (txn = whole_txn(c, at, header->seq + c->transactions));
         at += txn->count + 1) {
        for (uint32_t i = 0; i < txn->count; i++) {
            uint32_t home = txn->block[i];
            if (home < c->l.state || home >= c->l.nblocks ||
                (home >= c->l.journal && home < c->l.data)) {
                problem(c, "journal: transaction %lu names block %u", txn->seq, home);
                continue;
            }
            memcpy(check_block(c, home), check_block(c, c->l.journal + at + 1 + i), SFS_BLOCK);
        }
        c->transactions++;
    }
}

static void check_state(struct check *c)
{
    const struct sfs_state *state = check_block(c, c->l.state);
    uint32_t ino = state->orphan_head;

    if (state->magic != SFS_STATE_MAGIC) {
        problem(c, "state block: magic %#lx", state->magic);
        return;
    }
    while (ino) {
        if (ino >= c->l.ninodes) {
            problem(c, "orphans: inode %u of %u", ino, c->l.ninodes);
            return;
        }
        if (c->orphan[ino]) {
            problem(c, "orphans: inode %u is listed twice", ino);
            return;
        }
        c->orphan[ino] = true;
        if (check_inode(c, ino)->mode == 0)
            problem(c, "orphans: inode %u is free", ino);
        ino = check_inode(c, ino)->next_orphan;
    }
}

unsigned check_image(struct check *c, uint8_t *image, uint64_t size, FILE *out)
{
    *c = (struct check){.image = image, .size = size, .out = out};
    if (!check_super(c))
        return c->problems;
    c->owner = calloc(c->l.nblocks, sizeof(*c->owner));
    c->names = calloc(c->l.ninodes, sizeof(*c->names));
    c->parent = calloc(c->l.ninodes, sizeof(*c->parent));
    c->orphan = calloc(c->l.ninodes, sizeof(*c->orphan));
    if (!c->owner || !c->names || !c->parent || !c->orphan) {
        problem(c, "not enough memory for a check");
    } else {
        replay_journal(c);
        check_state(c);
        check_files(c);
        check_dirs(c);
    }
    free(c->owner);
    free(c->names);
    free(c->parent);
    free(c->orphan);
    if (c->problems > PROBLEMS_SHOWN && out)
        fprintf(out, "and %u more\n", c->problems - PROBLEMS_SHOWN);
    return c->problems;
}
