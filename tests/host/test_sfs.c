// SPDX-License-Identifier: BSD-2-Clause
//
// The file system's cases that chance would seldom meet: limits of names and sizes, renames that
// must be refused, orphans, long truncations, a full disk, images that must not be mounted, a
// device that fails.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c kernel/lib/bitmap.c
// link: mkfs/vnodes.c tests/host/lib/sfs_model.c tests/host/lib/sfs_model_names.c
// link: tests/host/lib/sfs_model_check.c tests/host/lib/memdev.c
// link: kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c kernel/fs/sfs/journal.c
// link: kernel/fs/sfs/sfs_*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
#include <stdio.h>
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/errno.h"
#include "lib/shim.h"
#include "mkfs/format.h"

static struct memdev dev;
static struct sfs *fs;
static struct vnode *root;
static const uint32_t file = SFS_IFREG | 0644, folder = SFS_IFDIR | 0755;

#define WANT(call, error)                                                                          \
    do {                                                                                           \
        int got_ = (call);                                                                         \
        CHECK(got_ == (error), "%s: got %d, want %d", #call, got_, (int)(error));                  \
    } while (0)

static void mount(void)
{
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), 0);
    WANT(sfs_iget(fs, SFS_ROOT_INO, &root), 0);
}

static void unmount(int error)
{
    sfs_iput(root);
    WANT(sfs_unmount(fs), error);
    CHECK(model_allocated == 0, "%ld allocations are left", model_allocated);
}

static void start(uint64_t nblocks)
{
    struct format sizes = {0};

    memdev_init(&dev, nblocks);
    WANT(format(&dev.dev, &model_env, &sizes), 0);
    mount();
}

static void finish(void)
{
    unmount(0);
    model_fsck(&dev);
    memdev_destroy(&dev);
}

static struct vnode *make(struct vnode *dir, const char *name, uint32_t mode)
{
    struct vnode *ip;

    WANT(model_create(dir, name, strlen(name), mode, &ip), 0);
    return ip;
}

static int rename_to(struct vnode *from, const char *fname, struct vnode *ip, struct vnode *to,
                     const char *tname, struct vnode *over)
{
    struct vname a = {from, fname, strlen(fname), false, NULL},
                 b = {to, tname, strlen(tname), false, NULL};
    return sfs_rename(&a, ip, &b, over, false);
}

static uint64_t blocks_free(void)
{
    struct fs_usage usage;
    sfs_statfs(fs, &usage);
    return usage.free;
}

static void test_names(void)
{
    char name[300];
    struct vnode *ip, *d;
    uint32_t ino;

    start(1024);
    memset(name, 'x', sizeof(name));
    WANT(model_create(root, "..", 2, file, &ip), EEXIST);
    WANT(model_create(root, name, 255, file, &ip), 0);
    WANT(sfs_dir_lookup(sfs_inode_of(root), name, 255, &ino), 0);
    WANT(sfs_dir_lookup(sfs_inode_of(root), name, 254, &ino), ENOENT);
    WANT(model_remove(root, "y", 1, ip), ENOENT);
    WANT(model_remove(root, ".", 1, ip), ENOENT);
    WANT(model_remove(root, name, 255, ip), 0);
    WANT(model_link(root, "again", 5, ip), ENOENT);
    sfs_iput(ip);

    d = make(root, "d", folder);
    WANT(model_remove(root, "d", 1, d), 0);
    WANT(model_create(d, "late", 4, file, &ip), ENOENT);
    WANT(sfs_dir_lookup(sfs_inode_of(d), "late", 4, &ino), ENOENT);
    sfs_iput(d);
    finish();
}

static void test_renames(void)
{
    struct vnode *a, *b, *c, *f;
    struct vattr attr;
    uint32_t ino;

    start(1024);
    a = make(root, "a", folder);
    b = make(a, "b", folder);
    c = make(b, "c", folder);
    f = make(root, "f", file);
    WANT(rename_to(root, "a", a, c, "x", NULL), EINVAL);
    WANT(rename_to(root, "a", a, a, "x", NULL), EINVAL);
    WANT(rename_to(b, "c", c, root, "a", a), ENOTEMPTY);
    WANT(rename_to(root, "f", f, root, "a", NULL), EEXIST);
    WANT(rename_to(root, "gone", f, root, "x", NULL), ENOENT);
    // c goes from /a/b to the root, and b over an empty directory.
    WANT(rename_to(b, "c", c, root, "c2", NULL), 0);
    WANT(sfs_dir_lookup(sfs_inode_of(c), "..", 2, &ino), 0);
    CHECK(ino == SFS_ROOT_INO, ".. is %u", ino);
    sfs_getattr(root, &attr);
    CHECK(attr.nlink == 4, "root has %u links", attr.nlink);
    WANT(rename_to(a, "b", b, root, "c2", c), 0);
    sfs_getattr(root, &attr);
    CHECK(attr.nlink == 4, "root has %u links", attr.nlink);
    sfs_getattr(c, &attr);
    CHECK(attr.nlink == 0, "the replaced directory has %u links", attr.nlink);
    sfs_iput(a);
    sfs_iput(b);
    sfs_iput(c);
    sfs_iput(f);
    finish();
}

static void test_size_limits(void)
{
    const uint64_t tib = (1ul << 40) / SFS_BLOCK;
    struct vnode *f;
    struct vattr attr;
    struct vnode_map map;

    start(1024);
    uint64_t before = blocks_free();
    f = make(root, "f", file);
    WANT(sfs_bmap(f, SFS_FILE_BLOCKS, 1, false, &map), EFBIG);
    WANT(sfs_bmap(f, SFS_FILE_BLOCKS, 1, true, &map), EFBIG);
    WANT(sfs_truncate(f, SFS_FILE_MAX + 1), EFBIG);
    WANT(sfs_truncate(f, SFS_FILE_MAX), 0);
    WANT(sfs_bmap(f, tib, 1, true, &map), 0);
    CHECK(map.block && map.fresh, "block %u", map.block);
    WANT(sfs_bmap(f, SFS_FILE_BLOCKS - 1, 9, true, &map), 0);
    CHECK(map.count == 1, "count %u", map.count);
    WANT(sfs_bmap(f, 0, 1u << 30, false, &map), 0);
    CHECK(map.block == 0, "block %u", map.block);
    sfs_getattr(f, &attr);
    CHECK(attr.blocks == 7 * 8, "%lu blocks", attr.blocks);
    WANT(sfs_truncate(f, 0), 0);
    CHECK(blocks_free() == before, "%lu free, %lu before", blocks_free(), before);
    sfs_iput(f);
    finish();
}

// Two files whose blocks alternate over many bitmap blocks: freeing one takes many steps.
static void test_long_truncation(void)
{
    struct vnode *f, *g;
    struct vnode_map map;
    const unsigned n = 3000;

    start(SFS_BITS_PER_BLOCK + 9000);
    uint64_t before = blocks_free();
    f = make(root, "f", file);
    g = make(root, "g", file);
    for (unsigned i = 0; i < n; i++) {
        WANT(sfs_bmap(f, i * 3000ul, 1, true, &map), 0);
        WANT(sfs_bmap(g, i, 1, true, &map), 0);
    }
    sfs_grow(f, n * 3000ul * SFS_BLOCK);
    WANT(model_remove(root, "f", 1, f), 0);
    WANT(sfs_truncate(f, SFS_BLOCK), 0); // of an orphan
    CHECK(sfs_inode_of(f)->d.nblocks == 1, "%u blocks", sfs_inode_of(f)->d.nblocks);
    WANT(sfs_sync(fs), 0);
    model_fsck(&dev);
    sfs_iput(f);
    WANT(sfs_truncate(g, 0), 0);
    WANT(model_remove(root, "g", 1, g), 0);
    sfs_iput(g);
    CHECK(blocks_free() == before, "%lu free, %lu before", blocks_free(), before);
    finish();
}

static void test_orphans_after_crash(void)
{
    struct vnode *f[3];
    struct memdev copy;
    struct vnode_map map;

    start(1024);
    uint64_t before = blocks_free();
    for (int i = 0; i < 3; i++) {
        char name[] = {'a' + i, 0};
        f[i] = make(root, name, file);
        WANT(sfs_bmap(f[i], 5, 20, true, &map), 0);
        WANT(model_remove(root, name, 1, f[i]), 0);
    }
    sfs_iput(f[1]); // from the middle of the list
    WANT(sfs_sync(fs), 0);
    memdev_init(&copy, 1024);
    memdev_copy(&copy, &dev);
    sfs_iput(f[0]);
    sfs_iput(f[2]);
    unmount(0);
    memdev_copy(&dev, &copy); // as if the power had gone at the sync
    model_fsck(&dev);
    mount();
    CHECK(blocks_free() == before, "%lu free, %lu before", blocks_free(), before);
    memdev_destroy(&copy);
    finish();
}

static void test_full_disk(void)
{
    struct vnode *f, *g;
    struct vnode_map map;
    uint64_t fblk = 0;
    int error;

    start(600);
    uint64_t before = blocks_free();
    f = make(root, "f", file);
    while ((error = sfs_bmap(f, fblk, 64, true, &map)) == 0)
        fblk += map.count;
    CHECK(error == ENOSPC, "error %d", error);
    CHECK(blocks_free() < SFS_NLEVELS + 1, "%lu blocks are still free", blocks_free());
    WANT(model_create(root, "g", 1, file, &g), ENOSPC);
    WANT(model_remove(root, "f", 1, f), 0);
    sfs_iput(f);
    // The freed blocks are there at once.
    g = make(root, "g", file);
    WANT(sfs_bmap(g, 0, 64, true, &map), 0);
    WANT(model_remove(root, "g", 1, g), 0);
    sfs_iput(g);
    CHECK(blocks_free() == before, "%lu free, %lu before", blocks_free(), before);
    finish();
}

static void test_no_inodes(void)
{
    struct format sizes = {.ninodes = 32};
    struct vnode *ip;
    char name[8];
    int n = 0, error;

    memdev_init(&dev, 1024);
    WANT(format(&dev.dev, &model_env, &sizes), 0);
    mount();
    for (;; n++) {
        sprintf(name, "f%d", n);
        error = model_create(root, name, strlen(name), file, &ip);
        if (error)
            break;
        sfs_iput(ip);
    }
    CHECK(error == ENOSPC && n == 30, "%d after %d files", error, n);
    finish();
}

// Images that a mount must refuse.
static void test_foreign_images(void)
{
    struct sfs_super *super;

    start(1024);
    unmount(0);
    super = (struct sfs_super *)dev.data;
    super->checksum ^= 1;
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), EIO);
    super->checksum ^= 1;
    super->version++;
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), EINVAL);
    super->version--;
    super->magic++;
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), EINVAL);
    super->magic--;
    dev.dev.nblocks = 1000;
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), EIO);
    dev.dev.nblocks = 0;
    WANT(sfs_mount(&dev.dev, &model_env, 96, &fs), EIO);
    dev.dev.nblocks = 1024;
    mount();
    finish();
}

// When the log cannot be written, reading goes on and nothing can be changed.
static void test_device_fails(void)
{
    struct vnode *a, *b;
    uint32_t ino;

    start(1024);
    a = make(root, "a", file);
    WANT(sfs_sync(fs), 0);
    b = make(root, "b", file);
    dev.fail_from = 1;
    dev.fail_to = ~0ul;
    WANT(sfs_sync(fs), EIO);
    WANT(sfs_sync(fs), EROFS);
    CHECK(sfs_readonly(fs), "still writable");
    WANT(sfs_dir_lookup(sfs_inode_of(root), "a", 1, &ino), 0);
    WANT(model_remove(root, "a", 1, a), EROFS);
    sfs_iput(a);
    sfs_iput(b);
    unmount(EROFS);
    dev.fail_from = dev.fail_to = 0;
    mount();
    WANT(sfs_dir_lookup(sfs_inode_of(root), "a", 1, &ino), 0);
    WANT(sfs_dir_lookup(sfs_inode_of(root), "b", 1, &ino), ENOENT);
    finish();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_names);
    RUN(test_renames);
    RUN(test_size_limits);
    RUN(test_long_truncation);
    RUN(test_orphans_after_crash);
    RUN(test_full_disk);
    RUN(test_no_inodes);
    RUN(test_foreign_images);
    RUN(test_device_fails);
    return shim_done();
}
