// SPDX-License-Identifier: BSD-2-Clause
//
// A block device as the file system sees it: pages in and out of runs of 4 KiB blocks, and a
// flush. In the kernel it wraps the disk driver, on a host a file or a memory image.
//
// Completed writes may be lost, also in part, by sectors of 512 bytes, until a later flush has
// returned; nothing is promised of their order. All calls may sleep; no spinlock is held.
#pragma once

#include "lib/types.h"

#define BDEV_BLOCK   4096u
#define BDEV_TROUBLE 160u // bytes kept of a report

struct bdev;

struct bdev_ops {
    // Moves n blocks from `block' on; pages[i] (kernel addresses of pages) holds block + i.
    // Return 0 or EIO. The range has been checked against nblocks.
    int (*read)(struct bdev *dev, uint64_t block, void *const pages[], unsigned n);
    int (*write)(struct bdev *dev, uint64_t block, void *const pages[], unsigned n);
    // Returns when all writes that were complete at the call are on stable storage.
    int (*flush)(struct bdev *dev);
};

struct bdev {
    const struct bdev_ops *ops; // constant
    const char *name;           // for messages; constant
    uint64_t nblocks;           // size in blocks; constant
    char trouble[BDEV_TROUBLE]; // the first report about it: why nobody can use it
};

// Prints, and keeps if it is the first, what is wrong with the device or with what it holds.
void bdev_report(struct bdev *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// As the operations; EIO for a range outside of the device.
int bdev_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n);
int bdev_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n);
int bdev_flush(struct bdev *dev);
