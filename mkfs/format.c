// SPDX-License-Identifier: BSD-2-Clause
//
// See format.h. Only what is not zero is written: the superblock, the state block, the bitmaps of
// what the metadata uses, the journal's header, and the root directory.
#include "format.h"
#include "fs/sfs/sfs.h"
#include "fs/sfs/sfs_format.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/string.h"

#define BYTES_PER_INODE 16384u // the default
#define JOURNAL_MAX     1024u  // the default is a 16th of the device, up to this

struct writer {
    struct bdev *dev;
    const struct sfs_env *env;
    struct sfs_layout l;
    uint8_t *page; // zeros between writes
};

static int write_page(struct writer *w, uint32_t block)
{
    void *page = w->page;
    int error = bdev_write(w->dev, block, &page, 1);

    memset(w->page, 0, SFS_BLOCK);
    return error;
}

static int write_super(struct writer *w)
{
    struct sfs_super *super = (struct sfs_super *)w->page;

    super->magic = SFS_MAGIC;
    super->version = SFS_VERSION;
    super->block_size = SFS_BLOCK;
    super->layout = w->l;
    super->checksum = sfs_checksum(0, super, SFS_BLOCK);
    return write_page(w, 0);
}

static int write_state(struct writer *w)
{
    ((struct sfs_state *)w->page)->magic = SFS_STATE_MAGIC;
    return write_page(w, w->l.state);
}

static int write_journal(struct writer *w)
{
    struct sfs_journal_header *header = (struct sfs_journal_header *)w->page;

    header->magic = SFS_JOURNAL_MAGIC;
    header->seq = 1;
    header->checksum = sfs_checksum(0, header, offsetof(struct sfs_journal_header, checksum));
    return write_page(w, w->l.journal);
}

// Writes the bitmap at block `at' with all bits below `used' and from `end' on set.
static int write_map(struct writer *w, uint32_t at, uint32_t used, uint32_t end)
{
    for (uint64_t first = 0; first < end; first += SFS_BITS_PER_BLOCK, at++) {
        bool any = false;
        for (uint32_t i = 0; i < SFS_BITS_PER_BLOCK; i++) {
            if (first + i < used || first + i >= end) {
                bitmap_set((uint64_t *)w->page, i);
                any = true;
            }
        }
        int error = any ? write_page(w, at) : 0;
        if (error)
            return error;
    }
    return 0;
}

static int write_root(struct writer *w)
{
    struct sfs_dinode *d = (struct sfs_dinode *)w->page + SFS_ROOT_INO;
    int64_t now = w->env->now();

    d->mode = VDIR << VTYPE_SHIFT | 0755;
    d->nlink = 2;
    d->size = SFS_BLOCK;
    d->nblocks = 1;
    d->atime = d->mtime = d->ctime = now;
    d->ptr[0] = w->l.data;
    int error = write_page(w, w->l.inode_table);
    if (error)
        return error;

    struct sfs_dirent *e = (struct sfs_dirent *)w->page;
    *e = (struct sfs_dirent){SFS_ROOT_INO, SFS_DIRENT_SIZE(1), 1, VDIR};
    e->name[0] = '.';
    uint16_t used = e->reclen;
    e = (struct sfs_dirent *)(w->page + used);
    *e = (struct sfs_dirent){SFS_ROOT_INO, SFS_BLOCK - used, 2, VDIR};
    e->name[0] = e->name[1] = '.';
    return write_page(w, w->l.data);
}

static bool choose_layout(struct writer *w, const struct format *want)
{
    uint64_t nblocks = want->nblocks ? want->nblocks : min(w->dev->nblocks, SFS_PTR_BLOCK);
    uint64_t ninodes = want->ninodes ? want->ninodes : nblocks * SFS_BLOCK / BYTES_PER_INODE;
    uint32_t njournal =
        want->njournal ? want->njournal : max(min(nblocks / 16, JOURNAL_MAX), SFS_JOURNAL_MIN);

    ninodes = max(min(ninodes, UINT32_MAX), SFS_INODES_PER_BLOCK);
    if (nblocks > w->dev->nblocks || nblocks > SFS_PTR_BLOCK || njournal < SFS_JOURNAL_MIN ||
        ninodes / SFS_INODES_PER_BLOCK + njournal >= nblocks)
        return false;
    w->l = sfs_layout(nblocks, ninodes, njournal);
    return w->l.data + 1 < nblocks;
}

int format(struct bdev *dev, const struct sfs_env *env, const struct format *want)
{
    struct writer w = {.dev = dev, .env = env};

    if (!choose_layout(&w, want))
        return EINVAL;
    w.page = env->alloc(SFS_BLOCK);
    if (!w.page)
        return ENOMEM;
    int error = write_state(&w);
    if (!error)
        error = write_map(&w, w.l.inode_map, SFS_ROOT_INO + 1, w.l.ninodes);
    if (!error)
        error = write_map(&w, w.l.block_map, w.l.data + 1, w.l.nblocks);
    if (!error)
        error = write_root(&w);
    if (!error)
        error = write_journal(&w);
    if (!error)
        error = write_super(&w);
    if (!error)
        error = bdev_flush(dev);
    env->free(w.page, SFS_BLOCK);
    return error;
}
