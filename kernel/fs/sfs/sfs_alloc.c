// SPDX-License-Identifier: BSD-2-Clause
//
// Free blocks and inodes. The bitmaps on the disk are changed through the journal. Beside them,
// `busy' in memory also keeps the blocks that were freed since the last checkpoint: as long as
// the log could write old contents to a block again, or a crash bring its file back, nobody may
// reuse it. All under alloc_lock.
#include "fs/sfs/sfs_impl.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "sync/scoped.h"

static uint32_t map_blocks(const struct sfs *fs)
{
    return fs->layout.inode_table - fs->layout.block_map;
}

static size_t busy_bytes(const struct sfs *fs)
{
    return (size_t)map_blocks(fs) * SFS_BLOCK;
}

// Takes the bitmap block m over into busy. The metadata before the data blocks and the bits
// behind the last block are in use whatever the disk says. alloc_lock is held, but at mount.
static int load_map(struct sfs *fs, uint32_t m)
{
    uint32_t first = m * SFS_BITS_PER_BLOCK;
    uint64_t *busy = fs->busy + first / 64;
    struct buf *b;
    int error = buf_get(&fs->cache, fs->layout.block_map + m, &b);

    if (error)
        return error;
    memcpy(busy, b->data, SFS_BLOCK);
    buf_put(b);
    for (uint32_t i = 0; i < SFS_BITS_PER_BLOCK && first + i < fs->layout.data; i++)
        bitmap_set(busy, i);
    for (uint32_t i = SFS_BITS_PER_BLOCK; i > 0 && first + i > fs->layout.nblocks; i--)
        bitmap_set(busy, i - 1);
    return 0;
}

static int count_inodes(struct sfs *fs)
{
    uint32_t left = fs->layout.ninodes;

    fs->nfree_inodes = left;
    for (uint32_t m = fs->layout.inode_map; left > 0; m++) {
        uint32_t nbits = min(left, SFS_BITS_PER_BLOCK);
        struct buf *b;
        int error = buf_get(&fs->cache, m, &b);
        if (error)
            return error;
        fs->nfree_inodes -= bitmap_count((uint64_t *)b->data, nbits);
        buf_put(b);
        left -= nbits;
    }
    return 0;
}

int sfs_alloc_init(struct sfs *fs)
{
    int error = 0;

    mutex_init(&fs->alloc_lock, "sfs alloc", LOCK_FS_ALLOC, 0);
    list_init(&fs->orphans);
    fs->next_block = fs->layout.data;
    fs->next_inode = SFS_ROOT_INO;
    fs->busy = fs->env->alloc(busy_bytes(fs));
    fs->map_freed = fs->env->alloc(map_blocks(fs));
    if (!fs->busy || !fs->map_freed)
        error = ENOMEM;
    for (uint32_t m = 0; !error && m < map_blocks(fs); m++)
        error = load_map(fs, m);
    if (!error)
        error = count_inodes(fs);
    if (!error)
        fs->nfree = fs->layout.nblocks - bitmap_count(fs->busy, fs->layout.nblocks);
    return error;
}

void sfs_alloc_destroy(struct sfs *fs)
{
    if (fs->busy)
        fs->env->free(fs->busy, busy_bytes(fs));
    if (fs->map_freed)
        fs->env->free(fs->map_freed, map_blocks(fs));
}

void sfs_alloc_checkpointed(void *arg)
{
    struct sfs *fs = arg;

    SCOPED_MUTEX(&fs->alloc_lock);
    for (uint32_t m = 0; fs->npending > 0 && m < map_blocks(fs); m++) {
        uint64_t *busy = fs->busy + (size_t)m * SFS_BITS_PER_BLOCK / 64;
        uint32_t before = bitmap_count(busy, SFS_BITS_PER_BLOCK);
        // If it cannot be read, its blocks stay unused until the next mount.
        if (!fs->map_freed[m] || load_map(fs, m) != 0)
            continue;
        uint32_t freed = before - bitmap_count(busy, SFS_BITS_PER_BLOCK);
        fs->map_freed[m] = false;
        fs->npending -= freed;
        fs->nfree += freed;
    }
}

// The bitmap buffer of a block; *bit is its bit there.
static int map_buf(struct sfs *fs, uint32_t block, struct buf **b, uint32_t *bit)
{
    *bit = block % SFS_BITS_PER_BLOCK;
    return buf_get(&fs->cache, fs->layout.block_map + block / SFS_BITS_PER_BLOCK, b);
}

// Chooses a run of free blocks within one bitmap block; there is one, since it is reserved.
static uint32_t choose_run(struct sfs *fs, uint32_t goal, uint32_t want, uint32_t *start)
{
    uint32_t end = fs->layout.nblocks, n = 1;
    uint32_t from = sfs_data_block(fs, goal) ? goal : fs->next_block;
    uint32_t block = bitmap_find_clear(fs->busy, end, from);

    if (block == end)
        block = bitmap_find_clear(fs->busy, end, fs->layout.data);
    KASSERT(block < end, "no free block of %u", fs->nfree);
    while (n < want && block + n < end && (block + n) % SFS_BITS_PER_BLOCK != 0 &&
           !bitmap_test(fs->busy, block + n))
        n++;
    *start = block;
    return n;
}

int sfs_alloc_run(struct sfs_op *op, uint32_t goal, uint32_t want, uint32_t *start, uint32_t *count)
{
    struct sfs *fs = op->fs;
    struct buf *b;
    uint32_t bit;

    KASSERT(op->blocks > 0, "an operation allocates more than it has reserved");
    SCOPED_MUTEX(&fs->alloc_lock);
    uint32_t n = choose_run(fs, goal, min(want, op->blocks), start);
    int error = map_buf(fs, *start, &b, &bit);
    if (error)
        return error;
    journal_dirty(&op->h, b);
    for (uint32_t i = 0; i < n; i++) {
        bitmap_set((uint64_t *)b->data, bit + i);
        bitmap_set(fs->busy, *start + i);
    }
    buf_put(b);
    fs->nfree -= n;
    fs->nreserved -= n;
    op->blocks -= n;
    fs->next_block = *start + n < fs->layout.nblocks ? *start + n : fs->layout.data;
    *count = n;
    return 0;
}

// Frees blocks within one bitmap block.
static int free_in_map(struct sfs_op *op, uint32_t start, uint32_t count)
{
    struct sfs *fs = op->fs;
    struct buf *b;
    uint32_t bit, nset = 0;
    int error = map_buf(fs, start, &b, &bit);

    if (error)
        return error;
    uint64_t *map = (uint64_t *)b->data;
    while (nset < count && bitmap_test(map, bit + nset))
        nset++;
    if (nset < count) {
        error = sfs_damaged(fs, "block %u is freed and was free", start + nset);
    } else {
        journal_dirty(&op->h, b);
        for (uint32_t i = 0; i < count; i++)
            bitmap_clear(map, bit + i);
        fs->npending += count;
        fs->map_freed[start / SFS_BITS_PER_BLOCK] = true;
    }
    buf_put(b);
    return error;
}

int sfs_free_run(struct sfs_op *op, uint32_t start, uint32_t count)
{
    int error = 0;

    SCOPED_MUTEX(&op->fs->alloc_lock);
    for (uint32_t n; count > 0 && !error; start += n, count -= n) {
        n = min(count, SFS_BITS_PER_BLOCK - start % SFS_BITS_PER_BLOCK);
        error = free_in_map(op, start, n);
    }
    return error;
}

// The block of the inode bitmap that has an inode's bit.
static int inode_map_buf(struct sfs *fs, uint32_t ino, struct buf **b)
{
    return buf_get(&fs->cache, fs->layout.inode_map + ino / SFS_BITS_PER_BLOCK, b);
}

int sfs_alloc_inode(struct sfs_op *op, uint32_t *ino)
{
    struct sfs *fs = op->fs;
    uint32_t n = fs->layout.ninodes;

    SCOPED_MUTEX(&fs->alloc_lock);
    while (fs->next_inode < n) {
        uint32_t first = fs->next_inode - fs->next_inode % SFS_BITS_PER_BLOCK;
        uint32_t nbits = min(n - first, SFS_BITS_PER_BLOCK);
        struct buf *b;
        int error = inode_map_buf(fs, first, &b);
        if (error)
            return error;
        uint64_t *map = (uint64_t *)b->data;
        uint32_t bit = bitmap_find_clear(map, nbits, fs->next_inode - first);
        if (bit < nbits) {
            journal_dirty(&op->h, b);
            bitmap_set(map, bit);
            *ino = first + bit;
            fs->nfree_inodes--;
        }
        buf_put(b);
        fs->next_inode = first + min(bit + 1, nbits);
        if (bit < nbits)
            return 0;
    }
    return ENOSPC;
}

int sfs_free_inode(struct sfs_op *op, uint32_t ino)
{
    struct sfs *fs = op->fs;
    uint32_t bit = ino % SFS_BITS_PER_BLOCK;
    struct buf *b;

    SCOPED_MUTEX(&fs->alloc_lock);
    int error = inode_map_buf(fs, ino, &b);
    if (error)
        return error;
    if (bitmap_test((uint64_t *)b->data, bit)) {
        journal_dirty(&op->h, b);
        bitmap_clear((uint64_t *)b->data, bit);
        fs->nfree_inodes++;
        fs->next_inode = min(fs->next_inode, ino);
    } else {
        error = sfs_damaged(fs, "inode %u is freed and was free", ino);
    }
    buf_put(b);
    return error;
}
