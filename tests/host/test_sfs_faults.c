// SPDX-License-Identifier: BSD-2-Clause
//
// Faults in the file system's surroundings: each device operation of a workload fails in turn,
// once or from then on, and each allocation. After an I/O error the disk must hold all that was
// synced; after ENOMEM nothing may have changed.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c kernel/lib/bitmap.c
// link: mkfs/vnodes.c tests/host/lib/sfs_model.c tests/host/lib/sfs_model_names.c
// link: tests/host/lib/sfs_model_check.c tests/host/lib/memdev.c
// link: kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c kernel/fs/sfs/journal.c
// link: kernel/fs/sfs/sfs_*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
#include <stdio.h>
#include "lib/sfs_model.h"
#include "lib/errno.h"
#include "lib/shim.h"

#define BLOCKS 512u

static struct model m, base; // base: as it was saved, not mounted
static struct memdev dev, saved;

// Makes a file system with some files, to start from again and again.
static void make_base(void)
{
    memdev_init(&dev, BLOCKS);
    memdev_init(&saved, BLOCKS);
    m = (struct model){.nbufs = 96, .max_file_blocks = 0};
    model_start(&m, &dev, shim_seed);
    for (unsigned i = 0; i < 300; i++)
        CHECK(model_step(&m) == 0, "step %u", i);
    CHECK(model_remount(&m) == 0, "remount");
    model_stop(&m);
    base = m;
    memdev_copy(&saved, &dev);
}

static void drop_base(void)
{
    memdev_destroy(&dev);
    memdev_destroy(&saved);
}

static int restart(void)
{
    m = base;
    memdev_copy(&dev, &saved);
    dev.ios = 0;
    return sfs_mount(&dev.dev, &model_env, m.nbufs, &m.fs);
}

// Runs the workload; the result that ended it early, or 0.
static int work(void)
{
    int error = 0;

    for (unsigned i = 0; i < 150 && !error; i++) {
        error = model_step(&m);
        if (!error && i % 25 == 24)
            error = model_remount(&m);
    }
    return error;
}

// Lets device operation n, or all from it on, fail.
static void run_with_fault(uint64_t n, bool once)
{
    dev.fail_from = n;
    dev.fail_to = once ? n + 1 : ~0ul;
    int error = restart();
    if (!error)
        error = work();
    CHECK(error == 0 || error == EIO || error == EROFS, "operation %lu fails: %d", n, error);
    model_stop(&m);
    dev.fail_from = dev.fail_to = 0;
    CHECK(model_allocated == 0, "operation %lu fails: %ld allocations are left", n,
          model_allocated);
    model_check_crash(&m, &dev);
}

static void test_io_errors(void)
{
    make_base();
    CHECK(restart() == 0, "mount");
    CHECK(work() == 0, "work");
    model_stop(&m);
    uint64_t total = dev.ios;
    fprintf(stderr, "%lu device operations\n", total);
    for (uint64_t n = 1; n <= total; n++)
        run_with_fault(n, n % 2 == shim_seed % 2);
    drop_base();
}

// Lets allocation n fail; true if there were that many.
static bool run_without_memory(long n)
{
    model_alloc_countdown = n;
    int error = restart();
    if (!error)
        error = work();
    bool failed = model_alloc_countdown == 0;
    model_alloc_countdown = 0;
    CHECK(error == 0 || (error == ENOMEM && failed), "allocation %ld fails: %d", n, error);
    if (m.fs)
        model_check(&m);
    model_stop(&m);
    CHECK(model_allocated == 0, "allocation %ld fails: %ld are left", n, model_allocated);
    model_check_crash(&m, &dev);
    return failed;
}

static void test_no_memory(void)
{
    long n = 1;

    make_base();
    while (run_without_memory(n))
        n++;
    fprintf(stderr, "%ld allocations\n", n);
    CHECK(n > 100, "only %ld allocations", n);
    drop_base();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_io_errors);
    RUN(test_no_memory);
    return shim_done();
}
