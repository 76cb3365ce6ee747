// SPDX-License-Identifier: BSD-2-Clause
//
// Block maps: 12 direct pointers in the inode, then trees of one, two and three levels of indirect
// blocks, as in the file systems since Unix's. A lookup in the last run found costs a few
// instructions; else it is one buffer per level. The inode's lock guards its map.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"

#define RUN_AHEAD 64u // pointers looked at for a run, if more were not asked for

// The way to a file block's pointer: slot[0] in the inode, slot[1 .. depth] in indirect blocks.
struct path {
    unsigned depth;
    uint32_t slot[SFS_NLEVELS + 1];
};

static bool make_path(uint64_t fblk, struct path *p)
{
    uint64_t span = SFS_PER_IND;

    p->depth = 0;
    p->slot[0] = fblk;
    if (fblk < SFS_NDIRECT)
        return true;
    fblk -= SFS_NDIRECT;
    for (unsigned level = 1; level <= SFS_NLEVELS; level++, span *= SFS_PER_IND) {
        if (fblk >= span) {
            fblk -= span;
            continue;
        }
        p->depth = level;
        p->slot[0] = SFS_NDIRECT + level - 1;
        for (unsigned i = level; i > 0; i--, fblk /= SFS_PER_IND)
            p->slot[i] = fblk % SFS_PER_IND;
        return true;
    }
    return false;
}

// The table that holds a file block's pointer: the inode's own, or a pinned buffer's.
struct leaf {
    uint32_t *ptr; // the pointer
    uint32_t left; // pointers from there to the table's end
    struct buf *b; // NULL: in the inode
};

static void put_leaf(struct leaf *leaf)
{
    if (leaf->b)
        buf_put(leaf->b);
}

static void set_leaf(struct leaf *leaf, const struct path *p, unsigned level)
{
    leaf->ptr += p->slot[level];
    leaf->left = (level == 0 ? SFS_NDIRECT : SFS_PER_IND) - p->slot[level];
}

// Gives the hole below an indirect pointer that is missing at a level: how many file blocks from
// the path's on it covers.
static uint32_t hole_below(const struct path *p, unsigned level)
{
    uint64_t at = 0, span = 1;

    for (unsigned i = level + 1; i <= p->depth; i++) {
        at = at * SFS_PER_IND + p->slot[i];
        span *= SFS_PER_IND;
    }
    return span - at;
}

// Gives a leaf's pointer a new indirect block, pinned in *b.
static int add_indirect(struct sfs_op *op, struct sfs_inode *ip, struct leaf *leaf, struct buf **b)
{
    uint32_t block, n;
    int error = sfs_alloc_run(op, leaf->b ? leaf->b->block + 1 : 0, 1, &block, &n);

    if (!error)
        error = buf_get_new(&ip->fs->cache, block, b);
    if (error)
        return error;
    journal_dirty(&op->h, *b);
    *leaf->ptr = block;
    ip->d.nblocks++;
    if (leaf->b)
        journal_dirty(&op->h, leaf->b);
    return 0;
}

// Walks to the leaf. With op, makes what is missing; else a missing indirect block gives leaf->ptr
// NULL and leaf->left the size of the hole. Does not wait for one buffer with another pinned.
static int walk(struct sfs_op *op, struct sfs_inode *ip, const struct path *p, struct leaf *leaf)
{
    struct sfs *fs = ip->fs;
    struct buf *b;
    int error = 0;

    *leaf = (struct leaf){.ptr = ip->d.ptr};
    set_leaf(leaf, p, 0);
    for (unsigned level = 0; level < p->depth && !error; level++) {
        uint32_t ptr = *leaf->ptr;
        if (ptr == 0 && op) {
            error = add_indirect(op, ip, leaf, &b);
            put_leaf(leaf);
        } else {
            put_leaf(leaf);
            if (ptr == 0) {
                *leaf = (struct leaf){.left = hole_below(p, level)};
                return 0;
            }
            error = sfs_data_block(fs, ptr)
                        ? buf_get(&fs->cache, ptr, &b)
                        : sfs_damaged(fs, "inode %lu: indirect block %u", ip->v.ino, ptr);
        }
        if (!error) {
            *leaf = (struct leaf){.ptr = (uint32_t *)b->data, .b = b};
            set_leaf(leaf, p, level + 1);
        }
    }
    return error;
}

// Describes the run that starts at a leaf's pointer, at most want blocks.
static int describe(struct sfs_inode *ip, const struct leaf *leaf, uint32_t want,
                    struct vnode_map *out)
{
    uint32_t first = leaf->ptr ? *leaf->ptr : 0, step = first != 0;
    uint32_t block = first & SFS_PTR_BLOCK;

    *out = (struct vnode_map){.block = block, .count = 1, .fresh = first & SFS_PTR_FRESH};
    if (!leaf->ptr) {
        out->count = leaf->left;
        return 0;
    }
    if (first && !sfs_data_block(ip->fs, block))
        return sfs_damaged(ip->fs, "inode %lu: data block %u", ip->v.ino, block);
    want = min(want, leaf->left);
    if (step)
        want = min(want, ip->fs->layout.nblocks - block);
    while (out->count < want && leaf->ptr[out->count] == first + step * out->count)
        out->count++;
    return 0;
}

int sfs_map_find(struct sfs_inode *ip, uint64_t fblk, uint32_t want, struct vnode_map *out)
{
    uint64_t off = fblk - ip->run.first;
    struct path p;
    struct leaf leaf;

    if (off >= ip->run.map.count) {
        if (!make_path(fblk, &p))
            return EFBIG;
        int error = walk(NULL, ip, &p, &leaf);
        if (error)
            return error;
        // The blocks after a hole are of no use to one who is about to fill it.
        bool hole = !leaf.ptr || *leaf.ptr == 0;
        error = describe(ip, &leaf, hole ? want : max(want, RUN_AHEAD), &ip->run.map);
        put_leaf(&leaf);
        ip->run.first = fblk;
        off = 0;
        if (error) {
            ip->run.map.count = 0;
            return error;
        }
    }
    *out = ip->run.map;
    if (out->block)
        out->block += off;
    out->count = min(want, out->count - (uint32_t)off);
    return 0;
}

int sfs_map_alloc(struct sfs_op *op, struct sfs_inode *ip, uint64_t fblk, uint32_t want, bool fresh,
                  struct vnode_map *out)
{
    uint32_t mark = fresh ? SFS_PTR_FRESH : 0, goal = 0, start, n, room = 1;
    struct path p;
    struct leaf leaf;

    if (!make_path(fblk, &p))
        return EFBIG;
    ip->run.map.count = 0;
    int error = walk(op, ip, &p, &leaf);
    if (error)
        return error;
    if (*leaf.ptr == 0) {
        if (leaf.left < (leaf.b ? SFS_PER_IND : SFS_NDIRECT))
            goal = (leaf.ptr[-1] & SFS_PTR_BLOCK) + 1;
        else if (leaf.b)
            goal = leaf.b->block + 1;
        while (room < want && room < leaf.left && leaf.ptr[room] == 0)
            room++;
        error = sfs_alloc_run(op, goal, room, &start, &n);
        for (uint32_t i = 0; !error && i < n; i++)
            leaf.ptr[i] = (start + i) | mark;
        if (!error) {
            ip->d.nblocks += n;
            if (leaf.b)
                journal_dirty(&op->h, leaf.b);
            error = sfs_update(op, ip);
        }
    }
    if (!error)
        error = describe(ip, &leaf, want, out);
    put_leaf(&leaf);
    return error;
}

static int allocate(struct sfs_inode *ip, uint64_t fblk, uint32_t want, struct vnode_map *out)
{
    struct sfs_op op;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_GROW, SFS_GROW_BLOCKS + want - 1);

    if (error == ENOSPC && want > 1) {
        want = 1;
        error = sfs_op_begin(ip->fs, &op, SFS_RES_GROW, SFS_GROW_BLOCKS);
    }
    if (error)
        return error;
    mutex_lock(&ip->lock);
    error = sfs_map_alloc(&op, ip, fblk, want, true, out);
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

int sfs_bmap(struct vnode *v, pgno_t fblk, uint32_t want, bool alloc, struct vnode_map *out)
{
    struct sfs_inode *ip = sfs_inode_of(v);

    KASSERT(want > 0, "inode %lu: no block is wanted", v->ino);
    mutex_lock(&ip->lock);
    int error = sfs_map_find(ip, fblk, want, out);
    mutex_unlock(&ip->lock);
    if (!error && out->block == 0 && alloc)
        error = allocate(ip, fblk, min(want, RUN_AHEAD), out);
    return error;
}

int sfs_transfer(struct vnode *v, uint64_t block, void *const pages[], unsigned n, bool write)
{
    return (write ? bdev_write : bdev_read)(sfs_inode_of(v)->fs->dev, block, pages, n);
}

// Clears the fresh marks of up to count blocks in one leaf; *n: how many blocks were looked at.
static int clear_fresh(struct sfs_op *op, struct sfs_inode *ip, uint64_t fblk, uint32_t count,
                       uint32_t *n)
{
    struct path p;
    struct leaf leaf;
    bool changed = false;

    if (!make_path(fblk, &p))
        return EFBIG;
    int error = walk(NULL, ip, &p, &leaf);
    if (error)
        return error;
    *n = min(count, leaf.left);
    for (uint32_t i = 0; leaf.ptr && i < *n; i++) {
        changed |= (leaf.ptr[i] & SFS_PTR_FRESH) != 0;
        leaf.ptr[i] &= SFS_PTR_BLOCK;
    }
    if (changed) {
        ip->run.map.count = 0;
        journal_data_written(&op->h);
        if (leaf.b)
            journal_dirty(&op->h, leaf.b);
        else
            error = sfs_update(op, ip);
    }
    put_leaf(&leaf);
    return error;
}

int sfs_written(struct vnode *v, pgno_t fblk, uint32_t count)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    int error = 0;

    for (uint32_t n = 0; count > 0 && !error; fblk += n, count -= n) {
        struct sfs_op op;
        error = sfs_op_begin(ip->fs, &op, SFS_RES_INODE + 1, 0);
        if (error)
            break;
        mutex_lock(&ip->lock);
        error = clear_fresh(&op, ip, fblk, count, &n);
        mutex_unlock(&ip->lock);
        error = sfs_op_end(&op, error);
    }
    return error;
}
