// SPDX-License-Identifier: BSD-2-Clause
//
// The file system as a whole: mount, unmount, sync, and the frame of every operation. Mounting
// trusts nothing: the superblock must have its checksum and describe exactly the layout that its
// three sizes give.
#include <stdarg.h>
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"

// A program that meets the same damage again and again must not flood the console.
#define DAMAGE_REPORTS 20u

int sfs_damaged(struct sfs *fs, const char *fmt, ...)
{
    char text[96];
    va_list ap;

    unsigned n = __atomic_add_fetch(&fs->reports, 1, __ATOMIC_RELAXED);
    if (n > DAMAGE_REPORTS)
        return EIO;
    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    bdev_report(fs->dev, "damaged: %s%s", text,
                n == DAMAGE_REPORTS ? "; no more reports until the next mount" : "");
    return EIO;
}

int sfs_op_begin(struct sfs *fs, struct sfs_op *op, unsigned nmeta, uint32_t nblocks)
{
    int error;

    KASSERT(nmeta <= SFS_RES_MAX, "%u blocks", nmeta);
    *op = (struct sfs_op){.fs = fs, .blocks = nblocks};
    if (!sfs_reserve(fs, nblocks)) {
        // Blocks freed of late can be had by getting them out of the journal.
        if (fs->npending == 0)
            return ENOSPC;
        error = journal_commit(&fs->journal, true);
        if (error)
            return error;
        if (!sfs_reserve(fs, nblocks))
            return ENOSPC;
    }
    error = journal_begin(&fs->journal, &op->h, nmeta);
    if (error)
        sfs_unreserve(fs, nblocks);
    return error;
}

int sfs_op_end(struct sfs_op *op, int error)
{
    if (error && op->h.changed)
        journal_fail(&op->fs->journal, "an operation failed half-way");
    sfs_unreserve(op->fs, op->blocks);
    journal_end(&op->h);
    return error;
}

// Says what is wrong with a superblock; NULL if nothing.
static const char *complaint(const struct bdev *dev, struct sfs_super *super)
{
    const struct sfs_layout *l = &super->layout;
    uint64_t stored = super->checksum;

    if (super->magic != SFS_MAGIC)
        return "not an sfs file system";
    if (super->version != SFS_VERSION || super->block_size != SFS_BLOCK)
        return "an sfs of another version";
    super->checksum = 0;
    if (sfs_checksum(0, super, SFS_BLOCK) != stored)
        return "the superblock is damaged (checksum)";
    if (l->nblocks > SFS_PTR_BLOCK || l->data < l->journal || l->data >= l->nblocks ||
        l->data - l->journal < SFS_JOURNAL_MIN)
        return "the superblock is damaged (sizes)";
    struct sfs_layout want = sfs_layout(l->nblocks, l->ninodes, l->data - l->journal);
    if (memcmp(&want, l, sizeof(want)) != 0)
        return "the superblock is damaged (layout)";
    if (l->nblocks > dev->nblocks)
        return "the device is smaller than the file system";
    return NULL;
}

static int read_super(struct sfs *fs)
{
    struct sfs_super *super = fs->env->alloc(SFS_BLOCK);
    void *page = super;

    if (!super)
        return ENOMEM;
    int error = bdev_read(fs->dev, 0, &page, 1);
    const char *what = error ? "the superblock cannot be read" : complaint(fs->dev, super);
    if (what)
        bdev_report(fs->dev, "%s", what);
    if (!error && what)
        error = super->magic != SFS_MAGIC || super->version != SFS_VERSION ? EINVAL : EIO;
    fs->layout = super->layout;
    fs->env->free(super, SFS_BLOCK);
    return error;
}

// Mounts in steps, each of which cleans up after itself when it or a later one fails.
static int mount_inside(struct sfs *fs)
{
    int error = sfs_alloc_init(fs);

    if (error)
        return error;
    fs->journal.checkpointed = sfs_alloc_checkpointed;
    fs->journal.arg = fs;
    error = sfs_orphan_recover(fs);
    if (error) {
        sfs_inodes_destroy(fs);
        sfs_alloc_destroy(fs);
    }
    return error;
}

static int mount_journal(struct sfs *fs, unsigned nbufs)
{
    int error = buf_cache_init(&fs->cache, fs->dev, fs->env, nbufs);

    if (error)
        return error;
    // Buffers beyond the largest transaction keep readers going.
    error = journal_open(&fs->journal, &fs->cache, &fs->layout, nbufs - nbufs / 4);
    if (!error) {
        KASSERT(fs->journal.max_count >= SFS_RES_MAX, "%u blocks", fs->journal.max_count);
        error = mount_inside(fs);
        if (error)
            journal_close(&fs->journal);
    }
    if (error)
        buf_cache_destroy(&fs->cache);
    return error;
}

int sfs_mount(struct bdev *dev, const struct sfs_env *env, unsigned nbufs, struct sfs **out)
{
    struct sfs *fs = env->alloc(sizeof(*fs));

    if (!fs)
        return ENOMEM;
    fs->dev = dev;
    fs->env = env;
    sfs_inodes_init(fs);
    int error = read_super(fs);
    if (!error)
        error = mount_journal(fs, max(nbufs, SFS_MIN_BUFS));
    if (error) {
        bdev_report(dev, "cannot be mounted: error %d", error);
        env->free(fs, sizeof(*fs));
        return error;
    }
    *out = fs;
    return 0;
}

int sfs_unmount(struct sfs *fs)
{
    int error = sfs_write_lazy(fs);

    if (!error)
        error = journal_commit(&fs->journal, true);
    sfs_inodes_destroy(fs);
    sfs_alloc_destroy(fs);
    journal_close(&fs->journal);
    buf_cache_destroy(&fs->cache);
    fs->env->free(fs, sizeof(*fs));
    return error;
}

int sfs_sync(struct sfs *fs)
{
    int error = sfs_write_lazy(fs);

    return error ? error : journal_commit(&fs->journal, false);
}

int sfs_fsync(struct sfs_inode *ip)
{
    int error = sfs_write_lazy_one(ip);

    return error ? error : journal_commit(&ip->fs->journal, false);
}

void sfs_statfs(struct sfs *fs, struct sfs_statfs *st)
{
    mutex_lock(&fs->alloc_lock);
    *st = (struct sfs_statfs){
        .blocks = fs->layout.nblocks - fs->layout.data,
        .bfree = fs->nfree + fs->npending,
        .files = fs->layout.ninodes,
        .ffree = fs->nfree_inodes,
    };
    mutex_unlock(&fs->alloc_lock);
}

bool sfs_readonly(const struct sfs *fs)
{
    return fs->journal.failed;
}

struct bdev *sfs_bdev(struct sfs *fs)
{
    return fs->dev;
}
