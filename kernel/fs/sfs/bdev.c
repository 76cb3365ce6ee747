// SPDX-License-Identifier: BSD-2-Clause
//
// What all block devices share: the range check, so that a damaged block number never reaches a
// driver, and reports of what is wrong.
#include "fs/sfs/bdev.h"
#include <stdarg.h>
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

void bdev_report(struct bdev *dev, const char *fmt, ...)
{
    char text[BDEV_TROUBLE];
    va_list ap;

    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    kprintf("sfs: %s: %s\n", dev->name, text);
    if (!dev->trouble[0])
        memcpy(dev->trouble, text, sizeof(text));
}

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
