// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of reading, writing, truncating and mapping regular files, from open files down to the
// disk: random operations against a model of the bytes, with user memory that faults and that ends
// too early, a small disk that fails now and then, and each allocation failing once.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "fs/sfs/sfs_format.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vfs_machine.h"
#include "vm/pageout.h"
#include "vm/vm_space.h"

#define NFILES   4
#define FILE_MAX (40 * PAGE_SIZE)
#define MAP_BASE 0x40000000ul
#define MAP_STEP 0x1000000ul

// What a file must hold.
struct model {
    char path[8];
    struct file *f; // open, or NULL
    bool exists, mapped;
    uint64_t size;
    uint8_t data[FILE_MAX];
};

static struct model models[NFILES];
static struct rng rng;
static uint8_t buf[USER_PAGES * PAGE_SIZE];
static unsigned refused; // operations that memory, disk or bad addresses made fail

static vaddr_t map_address(const struct model *m)
{
    return MAP_BASE + (vaddr_t)(m - models) * MAP_STEP;
}

static void close_file(struct model *m)
{
    if (m->mapped)
        CHECK(vm_munmap(user_space(), map_address(m), FILE_MAX) == 0, "munmap");
    m->mapped = false;
    if (m->f)
        file_unref(m->f);
    m->f = NULL;
}

static void open_file(struct model *m)
{
    int err = vopen(m->path, O_RDWR | O_CREAT, &m->f);

    if (err) {
        CHECK(err == ENOSPC || err == ENOMEM || err == EIO || err == EROFS, "open: %d", err);
        m->f = NULL;
        refused++;
        return;
    }
    m->exists = true;
}

static void random_write(struct model *m)
{
    uint64_t at = rng_below(&rng, 3) ? rng_below(&rng, (uint32_t)m->size + 1)
                                     : rng_below(&rng, (uint32_t)FILE_MAX);
    size_t n = 1 + rng_below(&rng, rng_below(&rng, 2) ? 100 : 6 * PAGE_SIZE), moved, good = n;
    bool append = rng_below(&rng, 4) == 0;

    at = append ? m->size : at;
    n = good = min(n, FILE_MAX - at);
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        buf[i] = (uint8_t)rng_next(&rng);
    vaddr_t va = USER_BASE + rng_below(&rng, 5000);
    if (rng_below(&rng, 8) == 0) { // the memory ends too early
        good = rng_below(&rng, (uint32_t)n);
        va = USER_BASE + USER_PAGES * PAGE_SIZE - good;
    }
    user_fill(va - USER_BASE, buf, good);
    struct uio_vec vec[2] = {{va, rng_below(&rng, (uint32_t)good + 1)}};
    vec[1] = (struct uio_vec){va + vec[0].len, n - vec[0].len};
    m->f->flags = (m->f->flags & ~(unsigned)O_APPEND) | (append ? O_APPEND : 0);
    int err = file_transfer(m->f, vec, 2, append ? NULL : &(off_t){(off_t)at}, true, &moved);
    CHECK(moved <= good, "%zu bytes of %zu good ones", moved, good);
    CHECK(err == 0 || moved == 0, "error %d with %zu bytes", err, moved);
    refused += moved < n;
    if (moved == 0)
        return;
    if (at > m->size)
        memset(m->data + m->size, 0, at - m->size);
    memcpy(m->data + at, buf, moved);
    m->size = max(m->size, at + moved);
}

static void random_read(struct model *m)
{
    uint64_t at = rng_below(&rng, (uint32_t)FILE_MAX);
    size_t n = 1 + rng_below(&rng, 6 * PAGE_SIZE), got;
    size_t want = at < m->size ? min(n, m->size - at) : 0;

    if (rng_below(&rng, 3) == 0)
        user_evict();
    int err = vread(m->f, buf, n, (off_t)at, &got);
    if (err || got < want) {
        CHECK(err != EFAULT, "user memory was there");
        refused++;
        want = err ? 0 : got;
    }
    CHECK(got == want || err, "read %zu at %lu of %lu: %zu, not %zu", n, at, m->size, got, want);
    CHECK(memcmp(buf, m->data + at, want) == 0, "bytes at %lu differ", at);
}

static void random_truncate(struct model *m)
{
    uint64_t size = rng_below(&rng, 4) ? rng_below(&rng, (uint32_t)FILE_MAX) : 0;
    int err = vnode_truncate(m->f->vnode, size);

    if (err) {
        refused++;
        size = m->f->vnode->size;
        CHECK(size <= m->size, "a failed truncation lengthened the file");
    }
    if (size > m->size)
        memset(m->data + m->size, 0, size - m->size);
    m->size = size;
}

static void random_mapping(struct model *m)
{
    uint64_t at = rng_below(&rng, (uint32_t)(rng_below(&rng, 3) ? m->size + 999 : FILE_MAX)) & ~7ul;
    uint64_t value = rng_next(&rng), found;
    vaddr_t va = map_address(m) + at;
    bool inside = at < page_round(m->size), store = rng_below(&rng, 2);
    int err = 0;

    if (at >= FILE_MAX)
        return;
    if (!m->mapped)
        err = user_map_file(m->f->vnode, map_address(m), FILE_MAX / PAGE_SIZE);
    if (err) {
        refused++;
        return;
    }
    m->mapped = true;
    err = store ? user_store(user_space(), va, value) : user_load(user_space(), va, &found);
    if (err) {
        CHECK(!inside || err != ENXIO, "SIGBUS at %lu of %lu", at, m->size);
        refused++;
        return;
    }
    CHECK(inside, "page at %lu is beyond %lu", at, m->size);
    size_t n = at < m->size ? min(8ul, m->size - at) : 0;
    if (store)
        memcpy(m->data + at, &value, n);
    else
        CHECK(memcmp(&found, m->data + at, n) == 0, "mapped bytes at %lu differ", at);
}

static void remove_file(struct model *m)
{
    if (!m->exists)
        return;
    int err = vfs_unlink(root_vnode, m->path);
    if (err) {
        refused++;
        return;
    }
    close_file(m);
    m->exists = false;
    m->size = 0;
}

static void step(void)
{
    struct model *m = &models[rng_below(&rng, NFILES)];

    if (!m->f)
        open_file(m);
    if (!m->f)
        return;
    switch (rng_below(&rng, 16)) {
    case 0:
        remove_file(m);
        break;
    case 1:
        close_file(m);
        break;
    case 2:
        (void)vnode_fsync(m->f->vnode);
        break;
    case 3:
        (void)pageout_pass(rng_below(&rng, 64));
        break;
    case 4:
    case 5:
        random_truncate(m);
        break;
    case 6:
    case 7:
    case 8:
        random_mapping(m);
        break;
    case 9:
    case 10:
    case 11:
        random_read(m);
        break;
    default:
        random_write(m);
    }
}

// Everything must be as the model says.
static void compare(void)
{
    size_t got;

    for (struct model *m = models; m < models + NFILES; m++) {
        CHECK(m->f || !m->exists || vopen(m->path, O_RDWR, &m->f) == 0, "%s is lost", m->path);
        if (!m->f)
            continue;
        CHECK(m->f->vnode->size == m->size, "%s: %lu bytes, not %lu", m->path, m->f->vnode->size,
              m->size);
        for (uint64_t at = 0; at < m->size; at += got) {
            CHECK(vread(m->f, buf, sizeof(buf), (off_t)at, &got) == 0 && got > 0, "read %lu", at);
            CHECK(memcmp(buf, m->data + at, got) == 0, "%s differs at %lu", m->path, at);
        }
        close_file(m);
    }
    vfs_check();
}

static void remove_all(void)
{
    for (struct model *m = models; m < models + NFILES; m++)
        remove_file(m);
}

static void test_random(void)
{
    refused = 0;
    for (unsigned i = 1; i <= 6000; i++) {
        step();
        if (i % 500 == 0)
            compare();
    }
    CHECK(refused > 50 && refused < 4500, "%u of 6000 operations were refused", refused);
    remove_all();
}

// A file of one byte takes one block; one that is appended to takes what it needs once it is
// closed.
static void test_blocks(void)
{
    struct vattr va;
    struct file *f;

    for (unsigned n = 1; n < 40 * PAGE_SIZE; n += 7000) {
        CHECK(vopen("/b", O_RDWR | O_CREAT | O_TRUNC, &f) == 0, "open");
        for (unsigned at = 0; at < n; at += 1500)
            CHECK(vwrite(f, buf, min(1500u, n - at), at) == 0, "write");
        struct vnode *v = f->vnode;
        vnode_ref(v);
        file_unref(f);
        CHECK(vnode_getattr(v, &va) == 0 && va.size == n, "size %lu", va.size);
        uint64_t pages = (n + PAGE_SIZE - 1) / PAGE_SIZE;
        pages += pages > SFS_NDIRECT; // their pointers
        CHECK(va.blocks / 8 == pages, "%u bytes take %lu blocks", n, va.blocks / 8);
        vnode_unref(v);
    }
    CHECK(vfs_unlink(root_vnode, "/b") == 0, "unlink");
    vfs_check();
}

static void evict(struct vnode *v)
{
    struct vm_object *o = &v->object;

    mutex_lock(&o->lock);
    CHECK(o->ops->put(o, 0, ~0ul, PUT_CLEAN | PUT_FREE) == 0 && o->npages == 0, "put");
    mutex_unlock(&o->lock);
}

static uint64_t load(vaddr_t va)
{
    uint64_t value = 1;
    int err = user_load(user_space(), va, &value);
    CHECK(err == 0, "load at %#lx: %d", va, err);
    return value;
}

// What lies beyond the end in the last page is zero: for mappings after a truncation and after a
// page-in, for everybody once the file grows over it.
static void test_tail(void)
{
    struct file *f;

    memset(buf, 'x', PAGE_SIZE);
    CHECK(vopen("/t", O_RDWR | O_CREAT, &f) == 0, "open");
    CHECK(vwrite(f, buf, PAGE_SIZE, 0) == 0, "write");
    CHECK(user_map_file(f->vnode, MAP_BASE, 4) == 0, "mmap");
    CHECK(vnode_truncate(f->vnode, 104) == 0 && load(MAP_BASE + 104) == 0, "truncated");
    for (unsigned way = 0; way < 3; way++) {
        CHECK(user_store(user_space(), MAP_BASE + 200, 77) == 0, "store");
        if (way == 0)
            CHECK(vwrite(f, buf, 10, 5000) == 0, "write");
        else if (way == 1)
            CHECK(vnode_truncate(f->vnode, 5000) == 0, "lengthen");
        else
            evict(f->vnode);
        CHECK(load(MAP_BASE + 200) == 0, "way %u: %lu", way, load(MAP_BASE + 200));
        CHECK(load(MAP_BASE + 96) == 0x7878787878787878ul, "way %u", way);
        CHECK(vnode_truncate(f->vnode, 104) == 0, "truncate");
    }
    CHECK(user_store(user_space(), MAP_BASE + PAGE_SIZE, 1) == ENXIO, "no SIGBUS");
    CHECK(vm_munmap(user_space(), MAP_BASE, 4 * PAGE_SIZE) == 0, "munmap");
    file_unref(f);
    CHECK(vfs_unlink(root_vnode, "/t") == 0, "unlink");
    vfs_check();
}

// A write from bad addresses must not lengthen the file, nor leave a page behind its end.
static void test_bad_memory(void)
{
    struct uio_vec vec = {USER_BASE + USER_PAGES * PAGE_SIZE, 100};
    struct file *f;
    size_t moved;

    CHECK(vopen("/e", O_RDWR | O_CREAT, &f) == 0, "open");
    CHECK(file_transfer(f, &vec, 1, &(off_t){50000}, true, &moved) == EFAULT, "bad memory");
    CHECK(f->vnode->size == 0 && f->vnode->object.npages == 0, "%lu bytes, %lu pages",
          f->vnode->size, f->vnode->object.npages);
    file_unref(f);
    CHECK(vfs_unlink(root_vnode, "/e") == 0, "unlink");
}

// A short history in which each allocation fails once.
static void test_each_allocation(void)
{
    bool more = true;
    unsigned n;

    for (n = 1; more && n < 150; n++) {
        rng = (struct rng){shim_seed + n / 8};
        fail_nth(n);
        for (unsigned i = 0; i < 12; i++)
            step();
        more = fail_nth_done();
        fail_nth(0);
        user_evict();
        compare();
        remove_all();
    }
    CHECK(n > 20, "only %u allocations", n);
}

// A page that could not be read is not kept; one that could not be written stays dirty.
static void test_disk_errors(void)
{
    struct file *f;
    size_t got;

    memset(buf, 'a', 3 * PAGE_SIZE);
    CHECK(vopen("/d", O_RDWR | O_CREAT, &f) == 0, "open");
    CHECK(vwrite(f, buf, 3 * PAGE_SIZE, 0) == 0 && vfs_sync() == 0, "write");
    CHECK(vwrite(f, memset(buf, 'b', PAGE_SIZE), PAGE_SIZE, PAGE_SIZE) == 0, "write");
    disk.fail_from = disk.ios + 1;
    disk.fail_to = disk.fail_from + 1;
    CHECK(vnode_fsync(f->vnode) == EIO, "the device had failed");
    CHECK(vnode_fsync(f->vnode) == 0, "the page was not written again");
    struct vm_object *o = &f->vnode->object;
    evict(f->vnode);
    disk.fail_from = disk.ios + 1;
    disk.fail_to = disk.fail_from + 1;
    CHECK(vread(f, buf, 3 * PAGE_SIZE, 0, &got) == EIO && o->npages == 0, "%lu pages", o->npages);
    CHECK(vread(f, buf, 3 * PAGE_SIZE, 0, &got) == 0 && got == 3 * PAGE_SIZE, "%zu bytes", got);
    CHECK(buf[0] == 'a' && buf[PAGE_SIZE] == 'b' && buf[2 * PAGE_SIZE] == 'a', "lost");
    file_unref(f);
    CHECK(vfs_unlink(root_vnode, "/d") == 0, "unlink");
    vfs_check();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(300);
    vfs_start(2000, 240, 3);
    user_begin();
    rng = (struct rng){shim_seed};
    for (unsigned i = 0; i < NFILES; i++)
        snprintf(models[i].path, sizeof(models[i].path), "/f%u", i);
    RUN(test_bad_memory);
    RUN(test_blocks);
    RUN(test_tail);
    RUN(test_random);
    RUN(test_each_allocation);
    RUN(test_disk_errors);
    user_end();
    return shim_done();
}
