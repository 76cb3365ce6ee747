// SPDX-License-Identifier: BSD-2-Clause
//
// Random test of the file system: operations of all kinds against a model, with few buffers and
// a disk that is full now and then; everything is compared, and fsck run, again and again.
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
#include "lib/shim.h"

static void run(uint64_t nblocks, unsigned nbufs, unsigned max_file_blocks, unsigned steps)
{
    static struct model m;
    struct memdev dev;

    memdev_init(&dev, nblocks);
    m = (struct model){.nbufs = nbufs, .max_file_blocks = max_file_blocks};
    model_start(&m, &dev, shim_seed);
    for (unsigned i = 1; i <= steps; i++) {
        CHECK(model_step(&m) == 0, "step %u", i);
        if (i % 100 == 0)
            model_check(&m);
        if (i % 500 == 0) {
            CHECK(model_sync(&m) == 0, "sync");
            model_fsck(&dev);
        }
        if (i % 700 == 0)
            CHECK(model_remount(&m) == 0, "remount");
    }
    model_check(&m);
    model_stop(&m);
    model_fsck(&dev);
    memdev_destroy(&dev);
    CHECK(model_allocated == 0, "%ld allocations are left", model_allocated);
    CHECK(m.done > steps / 4, "only %u of %u operations were done", m.done, steps);
}

static void test_small_files(void)
{
    run(1024, 96, 30, 8000);
}

static void test_sparse_files(void)
{
    run(4096, 128, 0, 8000);
}

static void test_full_disk(void)
{
    run(240, 96, 60, 8000);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_small_files);
    RUN(test_sparse_files);
    RUN(test_full_disk);
    return shim_done();
}
