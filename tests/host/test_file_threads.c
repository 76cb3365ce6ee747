// SPDX-License-Identifier: BSD-2-Clause
//
// Several threads on the same few files: whole pages written and read, loads and stores through
// mappings, truncation, unlinking and making again, while pages are taken away, vnodes retired and
// the disk synced. A page that one write filled must never be seen half.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c
// link: kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "fs/vnode_pager.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vfs_machine.h"
#include "vm/pageout.h"
#include "vm/vm_space.h"

#define NTHREADS 4
#define NPAGES   24ul
#define STEPS    1500
#define MAP_VA   0x40000000ul

static const char *const paths[] = {"/a", "/b", "/c"};

static void write_page(struct file *f, struct rng *rng, unsigned thread)
{
    uint64_t words[PAGE_SIZE / 8], stamp = (uint64_t)thread << 56 | rng_next(rng) >> 8;

    for (unsigned i = 0; i < array_len(words); i++)
        words[i] = stamp;
    int err = vwrite(f, words, sizeof(words), (off_t)(rng_below(rng, NPAGES) * PAGE_SIZE));
    CHECK(err == 0 || err == ENOSPC || err == ENOMEM, "write: %d", err);
}

static void read_page(struct file *f, struct rng *rng)
{
    uint64_t words[PAGE_SIZE / 8];
    size_t got;

    if (rng_below(rng, 4) == 0)
        user_evict();
    int err = vread(f, words, sizeof(words), (off_t)(rng_below(rng, NPAGES) * PAGE_SIZE), &got);
    CHECK(err == 0 && got % PAGE_SIZE == 0, "read: %d, %zu", err, got);
    for (unsigned i = 1; i < got / 8; i++)
        CHECK(words[i] == words[0], "word %u is %lx, the first %lx", i, words[i], words[0]);
}

// Word 0 of a page is never stored to through a mapping: that would tear it.
static void touch_mapping(struct file *f, struct rng *rng)
{
    vaddr_t va = MAP_VA;
    uint64_t value;

    if (user_map_file(f->vnode, va, NPAGES) != 0)
        return;
    for (unsigned i = 0; i < 6; i++) {
        int err = user_load(user_space(), va + rng_below(rng, NPAGES) * PAGE_SIZE, &value);
        CHECK(err == 0 || err == ENXIO || err == ENOMEM, "load: %d", err);
    }
    CHECK(vm_munmap(user_space(), va, NPAGES * PAGE_SIZE) == 0, "munmap");
}

static void change(const char *path, struct file *f, struct rng *rng)
{
    int err = 0;

    switch (rng_below(rng, 5)) {
    case 0:
        err = vfs_unlink(root_vnode, path);
        CHECK(err == 0 || err == ENOENT, "unlink: %d", err);
        break;
    case 1:
        (void)pageout_pass(32);
        break;
    case 2:
        CHECK(vnode_fsync(f->vnode) == 0, "fsync");
        break;
    case 3:
        CHECK(vfs_sync() == 0, "sync");
        break;
    default:
        err = vnode_truncate(f->vnode, rng_below(rng, NPAGES) * PAGE_SIZE);
        CHECK(err == 0 || err == ENOSPC || err == ENOMEM, "truncate: %d", err);
    }
}

static void body(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;
    struct rng rng = {shim_seed * 1000 + thread};

    user_begin();
    for (unsigned i = 0; i < STEPS; i++) {
        const char *path = paths[rng_below(&rng, array_len(paths))];
        struct file *f;
        int err = vopen(path, O_RDWR | O_CREAT, &f);
        CHECK(err == 0 || err == ENOSPC || err == ENOMEM, "open: %d", err);
        if (err)
            continue;
        switch (rng_below(&rng, 8)) {
        case 0:
            change(path, f, &rng);
            break;
        case 1:
            touch_mapping(f, &rng);
            break;
        case 2:
        case 3:
        case 4:
            read_page(f, &rng);
            break;
        default:
            write_page(f, &rng, thread);
        }
        file_unref(f);
    }
    user_end();
}

static void test_threads(void)
{
    shim_run_threads(NTHREADS, body);
    for (unsigned i = 0; i < array_len(paths); i++)
        (void)vfs_unlink(root_vnode, paths[i]);
    vfs_check();
}

// While a page's block is looked up the file is cut behind it and made longer again: the blocks
// that followed are not the file's any more.
static const struct vnode_ops *true_ops;

static void cut_and_grow(void *v)
{
    CHECK(vnode_truncate(v, PAGE_SIZE) == 0, "truncate");
    CHECK(vnode_truncate(v, 4 * PAGE_SIZE) == 0, "lengthen");
}

static int racing_map(struct vnode *v, pgno_t pgno, uint32_t want, bool allocate,
                      struct vnode_map *map)
{
    int err = true_ops->backing->map(v, pgno, want, allocate, map);

    v->ops = true_ops;
    shim_join(shim_spawn("truncate", cut_and_grow, v));
    return err;
}

static void test_read_ahead_race(void)
{
    static uint64_t words[4 * PAGE_SIZE / 8];
    uint64_t value;
    struct file *f;

    user_begin();
    CHECK(vopen("/r", O_RDWR | O_CREAT, &f) == 0, "open");
    memset(words, 'o', sizeof(words));
    CHECK(vwrite(f, words, sizeof(words), 0) == 0, "write");
    struct vnode *v = f->vnode;
    mutex_lock(&v->object.lock);
    CHECK(v->ops->backing && v->object.ops->put(&v->object, 0, ~0ul, PUT_CLEAN | PUT_FREE) == 0,
          "put");
    mutex_unlock(&v->object.lock);
    true_ops = v->ops;
    struct vnode_backing backing = *v->ops->backing;
    struct vnode_ops ops = *v->ops;
    backing.map = racing_map;
    ops.backing = &backing;
    v->ops = &ops;
    CHECK(user_map_file(v, MAP_VA, 4) == 0, "mmap");
    CHECK(user_load(user_space(), MAP_VA, &value) == 0 && value == words[0], "page 0");
    CHECK(user_load(user_space(), MAP_VA + PAGE_SIZE, &value) == 0, "page 1");
    CHECK(value == 0, "page 1 has what was there before");
    CHECK(vm_munmap(user_space(), MAP_VA, 4 * PAGE_SIZE) == 0, "munmap");
    file_unref(f);
    CHECK(vfs_unlink(root_vnode, "/r") == 0, "unlink");
    user_end();
    vfs_check();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(300);
    vfs_start(3000, 200, 0);
    RUN(test_threads);
    RUN(test_read_ahead_race);
    return shim_done();
}
