// SPDX-License-Identifier: BSD-2-Clause
//
// The file system with threads: each works in a directory of its own, one syncs all the time. The
// real locks check their order; at the end all is as each thread left it, and fsck is content.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c kernel/lib/bitmap.c
// link: tests/host/lib/sfs_model_check.c tests/host/lib/memdev.c
// link: kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c kernel/fs/sfs/journal.c
// link: kernel/fs/sfs/sfs_*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: mkfs/vnodes.c tests/host/lib/sfs_model.c tests/host/lib/sfs_model_names.c
#include <stdio.h>
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/errno.h"
#include "lib/shim.h"
#include "mkfs/format.h"
#include "sync/jitter.h"

#define WORKERS 4u
#define FILES   8u
#define STEPS   1500u

static struct memdev dev;
static struct sfs *fs;
static struct vnode *root;
static bool stop; // atomic

struct worker {
    struct vnode *dir;
    struct rng rng;
    bool present[FILES];
    uint64_t tag[FILES]; // in block 0, 0 = none
};

static void put_tag(struct worker *w, unsigned i, struct vnode *ip)
{
    uint64_t page[SFS_BLOCK / 8] = {w->tag[i] = rng_next(&w->rng)};
    uint32_t fblk = rng_below(&w->rng, 2) * 20;
    void *pages[] = {page};
    struct vnode_map map;

    CHECK(sfs_bmap(ip, fblk, 4, true, &map) == 0, "bmap");
    CHECK(bdev_write(&dev.dev, map.block, pages, 1) == 0, "write");
    if (map.fresh)
        CHECK(sfs_written(ip, fblk, 1) == 0, "written");
    w->tag[i] = fblk == 0 ? w->tag[i] : 0;
    sfs_grow(ip, (fblk + 1ul) * SFS_BLOCK);
}

static void check_tag(struct worker *w, unsigned i, struct vnode *ip)
{
    uint64_t page[SFS_BLOCK / 8];
    void *pages[] = {page};
    struct vnode_map map;

    if (w->tag[i] == 0)
        return;
    CHECK(sfs_bmap(ip, 0, 1, false, &map) == 0 && map.block && !map.fresh, "bmap");
    CHECK(bdev_read(&dev.dev, map.block, pages, 1) == 0, "read");
    CHECK(page[0] == w->tag[i], "tag %#lx, want %#lx", page[0], w->tag[i]);
}

static void step(struct worker *w)
{
    unsigned i = rng_below(&w->rng, FILES), j = rng_below(&w->rng, FILES);
    char name[] = {'a' + i, 0}, other[] = {'a' + j, 0};
    struct vname from = {w->dir, name, 1, false, NULL}, to = {w->dir, other, 1, false, NULL};
    struct vnode *ip;
    uint32_t ino;

    if (!w->present[i]) {
        CHECK(model_create(w->dir, name, 1, SFS_IFREG | 0600, &ip) == 0, "create");
        w->present[i] = true;
        w->tag[i] = 0;
    } else {
        CHECK(sfs_dir_lookup(sfs_inode_of(w->dir), name, 1, &ino) == 0, "lookup");
        CHECK(sfs_iget(fs, ino, &ip) == 0, "iget");
        check_tag(w, i, ip);
        switch (rng_below(&w->rng, 6)) {
        case 0:
            CHECK(model_remove(w->dir, name, 1, ip) == 0, "unlink");
            w->present[i] = false;
            break;
        case 1:
            CHECK(sfs_truncate(ip, 0) == 0, "truncate");
            w->tag[i] = 0;
            break;
        case 2:
            if (!w->present[j]) {
                CHECK(sfs_rename(&from, ip, &to, NULL, false) == 0, "rename");
                w->present[j] = true;
                w->present[i] = false;
                w->tag[j] = w->tag[i];
            }
            break;
        case 3:
            CHECK(sfs_fsync(ip) == 0, "fsync");
            break;
        default:
            put_tag(w, i, ip);
        }
    }
    sfs_iput(ip);
}

static void work(void *arg)
{
    for (unsigned i = 0; i < STEPS; i++)
        step(arg);
}

static void sync_often(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        CHECK(sfs_sync(fs) == 0, "sync");
        shim_sleep(200000);
    }
}

static void test_threads(void)
{
    static struct worker w[WORKERS];
    struct shim_thread *t[WORKERS], *syncer;
    struct format sizes = {0};

    memdev_init(&dev, 2048);
    jitter_init(shim_seed, 20);
    CHECK(format(&dev.dev, &model_env, &sizes) == 0, "format");
    CHECK(sfs_mount(&dev.dev, &model_env, 96, &fs) == 0, "mount");
    CHECK(sfs_iget(fs, SFS_ROOT_INO, &root) == 0, "root");
    for (unsigned i = 0; i < WORKERS; i++) {
        char name[] = {'0' + i, 0};
        w[i].rng = (struct rng){shim_seed * WORKERS + i};
        CHECK(model_create(root, name, 1, SFS_IFDIR | 0755, &w[i].dir) == 0, "mkdir");
    }
    syncer = shim_spawn("syncer", sync_often, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        t[i] = shim_spawn("worker", work, &w[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        shim_join(t[i]);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    shim_join(syncer);
    for (unsigned i = 0; i < WORKERS; i++) {
        for (unsigned k = 0; k < 100; k++)
            step(&w[i]);
        sfs_iput(w[i].dir);
    }
    sfs_iput(root);
    CHECK(sfs_unmount(fs) == 0, "unmount");
    CHECK(model_allocated == 0, "%ld allocations are left", model_allocated);
    model_fsck(&dev);
    memdev_destroy(&dev);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_threads);
    return shim_done();
}
