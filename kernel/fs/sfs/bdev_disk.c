// SPDX-License-Identifier: BSD-2-Clause
//
// The disks of kernel/dev as block devices. The driver wants physical pages: the direct map's are
// computed, others are looked up in the kernel's tables.

#include "fs/sfs/bdev_disk.h"

#include "dev/blk.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "pmap/pmap.h"

#define SECTORS_PER_BLOCK (BDEV_BLOCK / BLK_SECTOR)
#define BATCH             32u // pages handed to the driver at a time

struct disk {
    struct bdev bdev;
    struct blk *blk;
};

static struct disk disks[BLK_MAX_DISKS];

static paddr_t page_pa(void *page)
{
    paddr_t pa;

    if (in_dmap(page))
        return dmap_to_phys(page);
    bool mapped = pmap_kextract((vaddr_t)page, &pa);
    KASSERT(mapped, "I/O to unmapped %p", page);
    return pa;
}

static int transfer(struct bdev *dev, uint64_t block, void *const pages[], unsigned n,
                    int (*op)(struct blk *, uint64_t, const paddr_t *, unsigned))
{
    struct blk *blk = container_of(dev, struct disk, bdev)->blk;
    paddr_t pas[BATCH];
    int error = 0;

    for (unsigned done = 0, count; !error && done < n; done += count) {
        count = min(n - done, BATCH);
        for (unsigned i = 0; i < count; i++)
            pas[i] = page_pa(pages[done + i]);
        error = op(blk, (block + done) * SECTORS_PER_BLOCK, pas, count);
    }
    return error;
}

static int disk_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    return transfer(dev, block, pages, n, blk_read);
}

static int disk_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    return transfer(dev, block, pages, n, blk_write);
}

static int disk_flush(struct bdev *dev)
{
    return blk_flush(container_of(dev, struct disk, bdev)->blk);
}

static const struct bdev_ops disk_ops = {
    .read = disk_read, .write = disk_write, .flush = disk_flush};

struct bdev *bdev_disk(unsigned n)
{
    static const char *const names[BLK_MAX_DISKS] = {"disk0", "disk1"};
    struct blk *blk = n < BLK_MAX_DISKS ? blk_disk(n) : NULL;

    if (!blk)
        return NULL;
    disks[n].blk = blk;
    disks[n].bdev = (struct bdev){
        .ops = &disk_ops, .name = names[n], .nblocks = blk_size(blk) / SECTORS_PER_BLOCK};
    return &disks[n].bdev;
}
