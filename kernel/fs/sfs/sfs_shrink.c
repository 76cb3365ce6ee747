// SPDX-License-Identifier: BSD-2-Clause
//
// Freeing the blocks of a file from its end. A huge file takes many transactions: each frees as
// much as its reservation allows and leaves a map that is whole; meanwhile the inode is an orphan,
// so that the next mount goes on after a crash.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"

// Blocks kept of a step's reservation: for two bitmap blocks of a run, for each level an indirect
// block and its bitmap block, and for what follows the step: freeing the inode.
#define STEP_RESERVE (2 + 2 * SFS_NLEVELS + SFS_RES_ORPHAN + SFS_RES_NEW + SFS_RES_INODE)
_Static_assert(STEP_RESERVE + 8 <= SFS_RES_SHRINK, "a step frees something");
_Static_assert(SFS_RES_SHRINK <= SFS_RES_MAX, "a step is an operation");

struct shrink {
    struct sfs_op *op;
    struct sfs_inode *ip;
    uint64_t first; // file block: what is below stays
};

static bool step_is_full(const struct shrink *s)
{
    return s->op->h.reserved < STEP_RESERVE;
}

static int free_run(struct shrink *s, uint32_t start, uint32_t count)
{
    struct sfs *fs = s->ip->fs;

    if (!sfs_data_block(fs, start) || !sfs_data_block(fs, start + count - 1))
        return sfs_damaged(fs, "inode %lu: blocks %u+%u", s->ip->v.ino, start, count);
    s->ip->d.nblocks -= count;
    return sfs_free_run(s->op, start, count);
}

// Frees the data blocks table[from .. to), from the end, by runs. b is the table's buffer, or
// NULL for the inode's. EAGAIN: the step is full.
static int free_leaves(struct shrink *s, uint32_t *table, uint32_t from, uint32_t to, struct buf *b)
{
    while (to > from) {
        uint32_t block = table[to - 1] & SFS_PTR_BLOCK, n = 1;
        if (block == 0) {
            to--;
            continue;
        }
        if (step_is_full(s))
            return EAGAIN;
        while (to - n > from && n < block && (table[to - n - 1] & SFS_PTR_BLOCK) == block - n)
            n++;
        if (b)
            journal_dirty(&s->op->h, b);
        int error = free_run(s, block - n + 1, n);
        if (error)
            return error;
        for (uint32_t i = to - n; i < to; i++)
            table[i] = 0;
        to -= n;
    }
    return 0;
}

static int free_tree(struct shrink *s, uint32_t *slot, unsigned level, uint64_t base);

// Frees what lies at or behind s->first in the table of an indirect block; base is the file block
// of its first pointer, child the file blocks that each pointer covers.
static int free_table(struct shrink *s, struct buf *b, unsigned level, uint64_t base,
                      uint64_t child)
{
    uint32_t *table = (uint32_t *)b->data;
    uint32_t from = s->first > base ? (s->first - base) / child : 0;
    int error = 0;

    if (level == 1)
        return free_leaves(s, table, from, SFS_PER_IND, b);
    for (uint32_t i = SFS_PER_IND; i > from && !error; i--) {
        uint32_t old = table[i - 1];
        if (old == 0)
            continue;
        error = free_tree(s, &table[i - 1], level - 1, base + (i - 1) * child);
        if (table[i - 1] != old)
            journal_dirty(&s->op->h, b);
    }
    return error;
}

// Frees what lies at or behind s->first below *slot, which covers the file from block base on, and
// the indirect block *slot itself if nothing of it stays. Its owner announces the change of *slot.
static int free_tree(struct shrink *s, uint32_t *slot, unsigned level, uint64_t base)
{
    struct sfs *fs = s->ip->fs;
    uint64_t child = 1;
    struct buf *b;

    for (unsigned i = 1; i < level; i++)
        child *= SFS_PER_IND;
    if (*slot == 0 || base + child * SFS_PER_IND <= s->first)
        return 0;
    if (step_is_full(s))
        return EAGAIN;
    if (!sfs_data_block(fs, *slot))
        return sfs_damaged(fs, "inode %lu: indirect block %u", s->ip->v.ino, *slot);
    int error = buf_get(&fs->cache, *slot, &b);
    if (error)
        return error;
    error = free_table(s, b, level, base, child);
    buf_put(b);
    if (error || base < s->first)
        return error;
    error = free_run(s, *slot, 1);
    if (!error)
        *slot = 0;
    return error;
}

int sfs_shrink(struct sfs_op *op, struct sfs_inode *ip, uint64_t first, bool *done)
{
    struct shrink s = {.op = op, .ip = ip, .first = first};
    uint64_t base[SFS_NLEVELS + 1] = {0, SFS_NDIRECT}, span = SFS_PER_IND;
    int error = 0;

    *done = true;
    if (ip->v.type == VLNK ? ip->d.nblocks == 0 : ip->v.type != VREG && ip->v.type != VDIR)
        return 0;
    ip->run.map.count = 0;
    for (unsigned level = 1; level < SFS_NLEVELS; level++, span *= SFS_PER_IND)
        base[level + 1] = base[level] + span;
    for (unsigned level = SFS_NLEVELS; level > 0 && !error; level--)
        error = free_tree(&s, &ip->d.ptr[SFS_NDIRECT + level - 1], level, base[level]);
    if (!error)
        error = free_leaves(&s, ip->d.ptr, min(first, (uint64_t)SFS_NDIRECT), SFS_NDIRECT, NULL);
    *done = error != EAGAIN;
    return *done ? error : 0;
}
