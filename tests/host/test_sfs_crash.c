// SPDX-License-Identifier: BSD-2-Clause
//
// Crash test of the file system: random operations run while every write and flush is watched.
// Before each flush, all prefixes of the writes since the last one, and random subsets with torn
// blocks, are made into images; each must mount with all that was synced, and be clean. Some
// crash again while they recover.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c kernel/lib/bitmap.c
// link: mkfs/vnodes.c tests/host/lib/sfs_model.c tests/host/lib/sfs_model_names.c
// link: tests/host/lib/sfs_model_check.c tests/host/lib/memdev.c
// link: kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c kernel/fs/sfs/journal.c
// link: kernel/fs/sfs/sfs_*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
#include <stdio.h>
#include <stdlib.h>
#include "lib/sfs_model.h"
#include "lib/shim.h"

#define BLOCKS 448u // of the device: small, since images are many

static struct model m;
static struct memdev dev, crashed, again;
static struct rng rng; // of the crashes, apart from the operations'
static unsigned images, recoveries, checkpoints;

// ---- A crash during the recovery from a crash ----

static void crash_recovery(void *arg)
{
    (void)arg;
    unsigned n = rng_below(&rng, crashed.npending + 1);
    memdev_crash(&crashed, n, &rng, again.data);
    recoveries++;
    model_check_crash(&m, &again);
}

// A thread of its own, since the one that flushes holds locks of its file system.
static void on_recovery_flush(void *arg)
{
    if (rng_below(&rng, 2))
        shim_join(shim_spawn("second crash", crash_recovery, arg));
}

static void check_image_now(unsigned n, struct rng *subset)
{
    bool twice = rng_below(&rng, 8) == 0;

    memdev_crash(&dev, n, subset, crashed.data);
    images++;
    if (twice) {
        memdev_record(&crashed);
        crashed.on_flush = on_recovery_flush;
    }
    model_check_crash(&m, &crashed);
    if (twice)
        memdev_forget(&crashed);
    crashed.on_flush = NULL;
}

// All that can be seen up to here. A long stretch of writes is sampled.
static void crash(void *arg)
{
    unsigned n = dev.npending, step = n / 12 + 1;

    (void)arg;
    checkpoints += n > 0 && dev.pending[n - 1].block == m.journal_start;
    for (unsigned i = rng_below(&rng, step); i <= n; i += step)
        check_image_now(i, NULL);
    for (unsigned i = 0; n > 0 && i < 3; i++)
        check_image_now(1 + rng_below(&rng, n), &rng);
}

static void on_flush(void *arg)
{
    shim_join(shim_spawn("crash", crash, arg));
}

static void run(unsigned steps, unsigned max_file_blocks)
{
    memdev_init(&dev, BLOCKS);
    memdev_init(&crashed, BLOCKS);
    memdev_init(&again, BLOCKS);
    m = (struct model){.nbufs = 96, .max_file_blocks = max_file_blocks};
    rng = (struct rng){shim_seed + 1000};
    model_start(&m, &dev, shim_seed);
    memdev_record(&dev);
    dev.on_flush = on_flush;
    for (unsigned i = 1; i <= steps; i++) {
        CHECK(model_step(&m) == 0, "step %u", i);
        if (i % 250 == 0)
            CHECK(model_remount(&m) == 0, "remount");
    }
    dev.on_flush = NULL;
    model_stop(&m);
    memdev_destroy(&dev);
    memdev_destroy(&crashed);
    memdev_destroy(&again);
    fprintf(stderr, "%u images, %u crashes in recovery, %u checkpoints\n", images, recoveries,
            checkpoints);
    CHECK(images > steps && recoveries > 20, "only %u images, %u recoveries", images, recoveries);
    CHECK(checkpoints > 3, "only %u checkpoints", checkpoints);
}

static void test_crash_small_files(void)
{
    run(600, 30);
}

static void test_crash_sparse_files(void)
{
    run(600, 0);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_crash_small_files);
    RUN(test_crash_sparse_files);
    return shim_done();
}
