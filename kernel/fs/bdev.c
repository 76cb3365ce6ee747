// SPDX-License-Identifier: BSD-2-Clause
//
// The range check that all block devices share, so that a damaged block number never reaches a
// driver.
#include "fs/bdev.h"
#include "lib/errno.h"

static bool in_range(const struct bdev *dev, uint64_t block, unsigned n)
{
    return block < dev->nblocks && n <= dev->nblocks - block;
}

int bdev_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    return in_range(dev, block, n) ? dev->ops->read(dev, block, pages, n) : EIO;
}

int bdev_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    return in_range(dev, block, n) ? dev->ops->write(dev, block, pages, n) : EIO;
}

int bdev_flush(struct bdev *dev)
{
    return dev->ops->flush(dev);
}
