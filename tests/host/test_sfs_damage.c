// SPDX-License-Identifier: BSD-2-Clause
//
// Damaged images: random bytes of the metadata are changed, then the file system is mounted and
// used, and fsck run. Errors are expected, but no panic, no hang, no report of a sanitizer. And
// known damages, each of which fsck must name.
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
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/errno.h"
#include "lib/shim.h"
#include "mkfs/check.h"

#define BLOCKS 700u
#define ROUNDS 1500u

static struct model m;
static struct memdev saved, dev;
static struct sfs_layout layout;
static struct rng rng;

static void make_base(void)
{
    memdev_init(&saved, BLOCKS);
    memdev_init(&dev, BLOCKS);
    m = (struct model){.nbufs = 96, .max_file_blocks = 0};
    model_start(&m, &saved, shim_seed);
    for (unsigned i = 0; i < 500; i++)
        CHECK(model_step(&m) == 0, "step %u", i);
    model_stop(&m);
    layout = ((struct sfs_super *)saved.data)->layout;
    rng = (struct rng){shim_seed};
}

// ---- Use without expectations ----

#define TOUCHED 64

struct use {
    struct sfs *fs;
    uint32_t ino[TOUCHED]; // found by listing
    char name[TOUCHED][256];
    size_t len[TOUCHED];
    unsigned n;
};

static int note(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type, off_t pos)
{
    struct use *u = arg;

    (void)type, (void)pos;
    if (u->n == TOUCHED)
        return EEXIST;
    if (name_is_dot(name, len) || name_is_dotdot(name, len))
        return 0; // the calls on names do not get them
    u->ino[u->n] = ino;
    memcpy(u->name[u->n], name, len);
    u->len[u->n++] = len;
    return 0;
}

static void use_file(struct vnode *ip)
{
    static uint8_t page[SFS_BLOCK];
    void *pages[] = {page};
    struct vnode_map map;
    char target[300];
    size_t len;
    uint64_t fblk = rng_below(&rng, 3) ? rng_below(&rng, 30) : rng_below(&rng, 1100000);

    switch (rng_below(&rng, 4)) {
    case 0:
        sfs_truncate(ip, rng_below(&rng, 2) ? 0 : fblk * SFS_BLOCK);
        break;
    case 1:
        sfs_readlink(ip, target, sizeof(target), &len);
        break;
    default:
        if (sfs_bmap(ip, fblk, 8, rng_below(&rng, 2), &map) == 0 && map.block) {
            bdev_read(sfs_inode_of(ip)->fs->dev, map.block, pages, 1);
            sfs_written(ip, fblk, map.count);
        }
    }
}

static void use_name(struct use *u, struct vnode *dir, unsigned i, struct vnode *ip)
{
    struct vname from = {dir, u->name[i], u->len[i], false, NULL},
                 to = {dir, "moved", 5, false, NULL};
    uint32_t mode = (rng_below(&rng, 2) ? SFS_IFREG : SFS_IFDIR) | 0644;
    struct vnode *new;

    switch (rng_below(&rng, 6)) {
    case 0:
    case 1:
        model_remove(dir, u->name[i], u->len[i], ip);
        break;
    case 2:
        sfs_rename(&from, ip, &to, NULL, false);
        break;
    case 3:
        if (ip->type != VDIR) // those above see to it
            model_link(dir, "linked", 6, ip);
        break;
    default:
        if (model_create(dir, "new", 3, mode, &new) == 0)
            sfs_iput(new);
    }
}

static void use_dir(struct use *u, uint32_t ino, unsigned depth)
{
    struct vnode *dir, *ip;
    off_t pos = 0;
    unsigned first = u->n;

    if (depth > 6 || sfs_iget(u->fs, ino, &dir) != 0)
        return;
    sfs_readdir(dir, &pos, note, u);
    for (unsigned i = first; i < u->n && i < TOUCHED; i++) {
        if (sfs_iget(u->fs, u->ino[i], &ip) != 0)
            continue;
        use_file(ip);
        use_name(u, dir, i, ip);
        bool sub = (sfs_inode_of(ip)->d.mode & SFS_IFMT) == SFS_IFDIR && ip != dir;
        sfs_iput(ip);
        if (sub)
            use_dir(u, u->ino[i], depth + 1);
    }
    sfs_iput(dir);
}

// ---- Random damage ----

static void damage(void)
{
    unsigned n = 1 + rng_below(&rng, 8);

    for (unsigned i = 0; i < n; i++) {
        uint64_t block, off = rng_below(&rng, SFS_BLOCK);
        switch (rng_below(&rng, 4)) {
        case 0:
            block = layout.inode_table + rng_below(&rng, 3);
            break;
        case 1:
            block = rng_below(&rng, layout.journal + 3);
            break;
        default:
            block = layout.data + rng_below(&rng, BLOCKS - layout.data);
        }
        uint8_t *p = dev.data + block * SFS_BLOCK + off;
        // Small numbers and single bits do more harm than noise.
        *p = rng_below(&rng, 2) ? rng_next(&rng) : *p ^ 1u << rng_below(&rng, 8);
    }
}

static void test_random_damage(void)
{
    unsigned mounted = 0, found = 0;

    make_base();
    for (unsigned round = 0; round < ROUNDS; round++) {
        static struct use u;
        struct check c;
        memdev_copy(&dev, &saved);
        damage();
        if (sfs_mount(&dev.dev, &model_env, 96, &u.fs) == 0) {
            mounted++;
            u.n = 0;
            use_dir(&u, SFS_ROOT_INO, 0);
            sfs_unmount(u.fs);
        }
        CHECK(model_allocated == 0, "%ld allocations are left", model_allocated);
        found += check_image(&c, dev.data, BLOCKS * SFS_BLOCK, NULL) > 0;
    }
    fprintf(stderr, "%u mounted, %u found bad by fsck\n", mounted, found);
    CHECK(mounted > ROUNDS / 4 && found > ROUNDS / 4, "%u mounted, %u found", mounted, found);
}

// ---- Damages that fsck must name ----

static struct sfs_dinode *inode(uint32_t ino)
{
    return (struct sfs_dinode *)(dev.data + (uint64_t)layout.inode_table * SFS_BLOCK) + ino;
}

static uint8_t *block(uint32_t b)
{
    return dev.data + (uint64_t)b * SFS_BLOCK;
}

// Makes a plain image: /d/f with two blocks, /g a link to it.
static void make_plain(void)
{
    struct vnode *root, *d, *f;
    struct vnode_map map;

    memdev_init(&saved, BLOCKS);
    memdev_init(&dev, BLOCKS);
    m = (struct model){.nbufs = 96};
    model_start(&m, &saved, shim_seed);
    layout = ((struct sfs_super *)saved.data)->layout;
    CHECK(sfs_iget(m.fs, SFS_ROOT_INO, &root) == 0, "root");
    CHECK(model_create(root, "d", 1, SFS_IFDIR | 0755, &d) == 0, "d");
    CHECK(model_create(d, "f", 1, SFS_IFREG | 0644, &f) == 0, "f");
    CHECK(model_link(root, "g", 1, f) == 0, "g");
    CHECK(sfs_bmap(f, 0, 2, true, &map) == 0 && map.count == 2, "bmap");
    CHECK(sfs_written(f, 0, 2) == 0, "written");
    sfs_grow(f, 5000);
    CHECK(d->ino == 2 && f->ino == 3, "inodes %lu %lu", d->ino, f->ino);
    sfs_iput(f);
    sfs_iput(d);
    sfs_iput(root);
    model_stop(&m);
}

static void expect(const char *text)
{
    char *said = NULL;
    size_t len;
    FILE *f = open_memstream(&said, &len);
    struct check c;

    unsigned n = check_image(&c, dev.data, BLOCKS * SFS_BLOCK, f);
    fclose(f);
    CHECK(n > 0 && strstr(said, text), "fsck said `%s', not `%s'", said, text);
    free(said);
    memdev_copy(&dev, &saved);
}

static void test_fsck_names_damage(void)
{
    make_plain();
    memdev_copy(&dev, &saved);
    model_fsck(&dev);
    block(0)[100] ^= 1;
    expect("superblock: wrong checksum");
    block(0)[0] ^= 1;
    expect("not an sfs");
    block(layout.journal)[8] ^= 1;
    expect("journal: the header is damaged");
    block(layout.state)[0] ^= 1;
    expect("state block: magic");
    ((struct sfs_state *)block(layout.state))->orphan_head = 9;
    expect("orphans: inode 9 is free");
    inode(3)->nlink = 3;
    expect("inode 3: link count 3, found 2");
    inode(3)->nlink = 0;
    expect("inode 3: no links, and not among the orphans");
    inode(3)->mode = 0;
    expect("`f' means inode 3, which is free");
    inode(3)->ptr[1] = inode(3)->ptr[0];
    expect("owned by inode 3 and inode 3");
    inode(3)->ptr[1] = BLOCKS;
    expect("inode 3: block 700 is outside of");
    inode(3)->nblocks = 7;
    expect("inode 3: block count 7, found 2");
    inode(2)->size = 100;
    expect("with size 100");
    inode(2)->ptr[0] = 0;
    expect("directory 2: block 0 of 1 is missing");
    block(layout.block_map)[inode(3)->ptr[0] / 8] ^= 1 << inode(3)->ptr[0] % 8;
    expect("in use, but free in the bitmap");
    block(layout.block_map)[80] ^= 1;
    expect("used by nothing, but taken in the bitmap");
    block(layout.inode_map)[2] ^= 1;
    expect("inode 16: not in use, but taken in the bitmap");
    ((struct sfs_dirent *)block(inode(2)->ptr[0]))->reclen = 7;
    expect("directory 2: bad record at 0");
    ((struct sfs_dirent *)block(inode(2)->ptr[0]))->ino = 3;
    expect("`.' means inode 3, not 2");
    ((struct sfs_dirent *)(block(inode(2)->ptr[0]) + 12))->ino = 2;
    expect("`..' means inode 2, not 1");
    memcpy(block(inode(2)->ptr[0]) + 24 + sizeof(struct sfs_dirent), "/", 1);
    expect("is no name");
    ((struct sfs_dirent *)(block(inode(1)->ptr[0]) + 24))->ino = 3;
    expect("not reached from the root");
}

// ---- Walks over the disk that would never end ----

static struct sfs_dirent *dotdot(uint32_t ino)
{
    return (struct sfs_dirent *)(block(inode(ino)->ptr[0]) + 12);
}

// Mounts the damaged image, does what `use' does, and takes a fresh one.
static void mount_and(int want, void (*use)(struct sfs *fs))
{
    struct sfs *fs;
    int error = sfs_mount(&dev.dev, &model_env, 96, &fs);

    CHECK(error == want, "mount: %d, not %d", error, want);
    if (!error) {
        if (use)
            use(fs);
        sfs_unmount(fs);
    }
    CHECK(model_allocated == 0, "%ld allocations are left", model_allocated);
    memdev_copy(&dev, &saved);
}

static void no_way_up(struct sfs *fs)
{
    struct vnode *root, *d, *f;
    struct vname from, to;
    uint32_t ino;

    CHECK(sfs_iget(fs, SFS_ROOT_INO, &root) == 0 && sfs_iget(fs, 2, &d) == 0, "inodes");
    CHECK(model_create(root, "e", 1, SFS_IFDIR | 0755, &f) == 0, "e");
    from = (struct vname){root, "e", 1, false, NULL};
    to = (struct vname){d, "e", 1, false, NULL};
    CHECK(sfs_dir_lookup(sfs_inode_of(d), "..", 2, &ino) == EIO, "the parent of 2 is %u", ino);
    CHECK(sfs_rename(&from, f, &to, NULL, false) == EIO, "moved below a circle");
    sfs_iput(f);
    sfs_iput(d);
    sfs_iput(root);
}

static void no_such_directory(struct sfs *fs)
{
    struct vnode *d;

    CHECK(sfs_iget(fs, 2, &d) == EIO, "a directory with more blocks than it has");
}

// A transaction, whole and the next one, that names a block.
static void forge_txn(uint32_t count, uint32_t home)
{
    struct sfs_journal_header *header = (void *)block(layout.journal);
    struct sfs_txn *txn = (void *)block(layout.journal + 1);
    uint64_t sum;

    memset(txn, 0, sizeof(*txn));
    *txn = (struct sfs_txn){.magic = SFS_TXN_MAGIC, .seq = header->seq, .count = count};
    txn->block[0] = home;
    sum = sfs_checksum(0, txn, SFS_BLOCK);
    txn->checksum = sfs_checksum(sum, block(layout.journal + 2), SFS_BLOCK);
}

static void test_circles(void)
{
    make_plain();
    memdev_copy(&dev, &saved);
    struct sfs_state *state = (void *)block(layout.state);
    state->orphan_head = inode(3)->next_orphan = 3; // to be truncated: each but once
    mount_and(0, NULL);
    state->orphan_head = inode(2)->next_orphan = 3;
    inode(3)->next_orphan = 2;
    mount_and(0, NULL);
    state->orphan_head = inode(3)->next_orphan = 3; // to be freed: it is free the second time
    inode(3)->nlink = 0;
    mount_and(EIO, NULL);
    dotdot(2)->ino = 2;
    mount_and(0, no_way_up);
    inode(2)->size = 1ul << 40;
    mount_and(0, no_such_directory);
    inode(2)->size = 1ul << 40;
    inode(2)->nblocks = ~0u;
    mount_and(0, no_such_directory);
    forge_txn(1, layout.journal); // the journal, into itself
    mount_and(EINVAL, NULL);
    forge_txn(1, layout.journal + 1);
    mount_and(EINVAL, NULL);
    forge_txn(1, 0);
    mount_and(EINVAL, NULL);
    forge_txn(layout.data - layout.journal, layout.state); // beyond the log's end: none at all
    mount_and(0, NULL);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_random_damage);
    memdev_destroy(&saved);
    memdev_destroy(&dev);
    RUN(test_fsck_names_damage);
    memdev_destroy(&saved);
    memdev_destroy(&dev);
    RUN(test_circles);
    memdev_destroy(&saved);
    memdev_destroy(&dev);
    return shim_done();
}
