// SPDX-License-Identifier: BSD-2-Clause
//
// A block device in memory for tests of the file system: it fails on demand, and it knows what a
// crash may leave. Writes since the last flush are kept apart from what is stable.
#pragma once

#include "fs/sfs/bdev.h"
#include "lib/rng.h"

struct memdev_write {
    uint64_t block;
    uint8_t *data;              // BDEV_BLOCK bytes
};

struct memdev {
    struct bdev dev;
    uint8_t *data;              // what a read sees
    uint8_t *stable;            // as of the last flush; NULL unless recording
    struct memdev_write *pending;   // writes since, in order; only when recording
    unsigned npending, max_pending;
    void (*on_flush)(void *arg);    // called before what is pending becomes stable, or NULL
    void *arg;
    uint64_t ios;               // reads, writes and flushes since the start
    uint64_t fail_from, fail_to;    // those with these numbers fail; 0, 0: none
};

void memdev_init(struct memdev *m, uint64_t nblocks);
void memdev_destroy(struct memdev *m);
void memdev_copy(struct memdev *to, const struct memdev *from);     // contents; same size

// From now on, keeps what is pending; and no longer.
void memdev_record(struct memdev *m);
void memdev_forget(struct memdev *m);

// Fills image with what a crash may leave when the first n pending writes have been issued: all of
// them (rng NULL), or a random subset, some of them torn at a sector.
void memdev_crash(const struct memdev *m, unsigned n, struct rng *rng, uint8_t *image);
