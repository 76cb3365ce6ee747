// SPDX-License-Identifier: BSD-2-Clause
//
// The checks of inodes by themselves: types and sizes, the blocks of each file (no block twice,
// none outside, counts right), and both bitmaps against what was found.
#include "check.h"

// Blocks that a tree of a level covers.
static uint64_t span(unsigned level)
{
    uint64_t n = 1;

    while (level-- > 0)
        n *= SFS_PER_IND;
    return n;
}

// Notes that a file has a block; false if the pointer cannot be followed.
static bool claim(struct check *c, uint32_t ino, uint32_t block, uint32_t *count)
{
    if (!check_is_data(c, block)) {
        problem(c, "inode %u: block %u is outside of %u..%u", ino, block, c->l.data,
                c->l.nblocks - 1);
        return false;
    }
    if (c->owner[block]) {
        problem(c, "block %u: owned by inode %u and inode %u", block, c->owner[block], ino);
        return false;
    }
    c->owner[block] = ino;
    c->used_blocks++;
    (*count)++;
    return true;
}

// Claims what hangs on a pointer; a bad one is cut off in memory, so that later checks are safe.
static void claim_tree(struct check *c, uint32_t ino, uint32_t *ptr, unsigned level,
                       uint32_t *count)
{
    uint32_t block = level == 0 ? *ptr & SFS_PTR_BLOCK : *ptr;

    if (*ptr == 0)
        return;
    if (!claim(c, ino, block, count)) {
        *ptr = 0;
        return;
    }
    if (level > 0) {
        uint32_t *table = check_block(c, block);
        for (unsigned i = 0; i < SFS_PER_IND; i++)
            claim_tree(c, ino, &table[i], level - 1, count);
    }
}

static void check_map(struct check *c, uint32_t ino, struct sfs_dinode *d)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < SFS_NPTRS; i++)
        claim_tree(c, ino, &d->ptr[i], i < SFS_NDIRECT ? 0 : i - SFS_NDIRECT + 1, &count);
    if (count != d->nblocks)
        problem(c, "inode %u: block count %u, found %u", ino, d->nblocks, count);
}

uint32_t check_pointer(struct check *c, const struct sfs_dinode *d, uint64_t fblk)
{
    uint32_t ptr;
    unsigned level = 1;

    if (fblk < SFS_NDIRECT)
        return d->ptr[fblk];
    fblk -= SFS_NDIRECT;
    while (level <= SFS_NLEVELS && fblk >= span(level))
        fblk -= span(level++);
    if (level > SFS_NLEVELS)
        return 0;
    ptr = d->ptr[SFS_NDIRECT + level - 1];
    while (ptr && level-- > 0)
        ptr = ((uint32_t *)check_block(c, ptr))[fblk / span(level) % SFS_PER_IND];
    return ptr;
}

static void check_one(struct check *c, uint32_t ino, struct sfs_dinode *d)
{
    unsigned type = check_type(d);

    if (type != TYPE_REG && type != TYPE_DIR && type != TYPE_LINK && type != TYPE_FIFO &&
        type != TYPE_CHR && type != TYPE_BLK && type != TYPE_SOCK) {
        problem(c, "inode %u: mode 0%o is no file type", ino, d->mode);
        return;
    }
    if (d->size > SFS_FILE_MAX || (type == TYPE_LINK && d->size > SFS_SYMLINK_MAX) ||
        (type == TYPE_DIR && d->size % SFS_BLOCK != 0))
        problem(c, "inode %u: mode 0%o with size %lu", ino, d->mode, d->size);
    if (check_has_map(d))
        check_map(c, ino, d);
    else if (d->nblocks != 0)
        problem(c, "inode %u: mode 0%o with %u blocks", ino, d->mode, d->nblocks);
    if (d->nlink == 0 && !c->orphan[ino])
        problem(c, "inode %u: no links, and not among the orphans", ino);
}

// What is wrong with a block's bit, or NULL.
static const char *bit_complaint(struct check *c, uint32_t b)
{
    bool meta = b < c->l.data, used = meta || c->owner[b], set = check_bit(c, c->l.block_map, b);

    if (used == set)
        return NULL;
    return set    ? "used by nothing, but taken in the bitmap"
           : meta ? "in use by metadata, but free in the bitmap"
                  : "in use, but free in the bitmap";
}

// Blocks in a row with the same complaint are one problem.
static void check_maps(struct check *c)
{
    for (uint32_t b = 0, next; b < c->l.nblocks; b = next) {
        const char *what = bit_complaint(c, b);
        next = b + 1;
        while (what && next < c->l.nblocks && bit_complaint(c, next) == what)
            next++;
        if (what && next == b + 1)
            problem(c, "block %u: %s", b, what);
        else if (what)
            problem(c, "blocks %u to %u: %s", b, next - 1, what);
    }
    for (uint32_t i = 0; i < c->l.ninodes; i++) {
        bool used = i < SFS_ROOT_INO || check_inode(c, i)->mode != 0;
        bool set = check_bit(c, c->l.inode_map, i);
        if (used != set)
            problem(c, "inode %u: %s, but %s in the bitmap", i, used ? "in use" : "not in use",
                    set ? "taken" : "free");
    }
}

void check_files(struct check *c)
{
    for (uint32_t ino = SFS_ROOT_INO; ino < c->l.ninodes; ino++) {
        struct sfs_dinode *d = check_inode(c, ino);
        if (d->mode != 0) {
            c->used_inodes++;
            check_one(c, ino, d);
        }
    }
    check_maps(c);
}
