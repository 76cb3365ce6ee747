// SPDX-License-Identifier: BSD-2-Clause
//
// crash IMAGE LOG [SEED]: what would be on the disk if the power had gone at any time of a run?
// IMAGE is the disk before it, LOG its writes and flushes. Between any two flushes, prefixes of
// the writes and random subsets with torn sectors are made into an image, which is mounted by the
// kernel's own code, compared with what the guest had synced by then, and checked as fsck does.
//
// The guest makes files /crash/f0, f1, ..., fN with the numbers from 1000 N + 1 on, LINES of them.
// When fN is synced, it puts N into /crash/progress, and then removes f(N-20). So whatever number
// is there, the 20 files up to it must be whole.
#include <stdio.h>
#include "check.h"
#include "fs/sfs/sfs.h"
#include "host.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "writelog.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW  20u  // files that are kept
#define LINES   400u // in each
#define SECTOR  512u
#define SAMPLES 6u // images between two flushes, prefixes and subsets each

// One write since the last flush.
struct pending {
    uint64_t offset;
    uint64_t len;
    const uint8_t *data; // NULL: zeros
};

// What a block held before it was changed for one image.
struct undo {
    uint64_t block;
    uint8_t old[SFS_BLOCK];
    struct undo *next;
};

static uint8_t *disk; // stable contents, but for what undo would take back
static uint64_t disk_size;
static struct undo *undo;
static struct pending *pending;
static unsigned npending, max_pending;
static struct rng rng;
static unsigned images, with_progress, failures;
static unsigned long top_progress;

static void *map_file(const char *path, uint64_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        die("%s: cannot be read", path);
    void *p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED)
        die("%s: cannot be mapped", path);
    close(fd);
    *size = st.st_size;
    return p;
}

// ---- The disk as a device, with undo ----

static void remember(uint64_t block)
{
    struct undo *u = malloc(sizeof(*u));

    if (!u)
        die("out of memory");
    u->block = block;
    memcpy(u->old, disk + block * SFS_BLOCK, SFS_BLOCK);
    u->next = undo;
    undo = u;
}

static void take_back(void)
{
    while (undo) {
        struct undo *u = undo;
        memcpy(disk + u->block * SFS_BLOCK, u->old, SFS_BLOCK);
        undo = u->next;
        free(u);
    }
}

static int disk_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    (void)dev;
    for (unsigned i = 0; i < n; i++)
        memcpy(pages[i], disk + (block + i) * SFS_BLOCK, SFS_BLOCK);
    return 0;
}

static int disk_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    (void)dev;
    for (unsigned i = 0; i < n; i++) {
        remember(block + i);
        memcpy(disk + (block + i) * SFS_BLOCK, pages[i], SFS_BLOCK);
    }
    return 0;
}

static int disk_flush(struct bdev *dev)
{
    (void)dev;
    return 0;
}

static const struct bdev_ops disk_ops = {disk_read, disk_write, disk_flush};

// ---- What the guest had synced ----

// Reads a small file of /crash, at most size - 1 bytes, and ends it with 0; false: not there.
static bool read_file(struct vnode *dir, const char *name, char *buf, size_t size)
{
    static uint8_t page[SFS_BLOCK];
    void *pages[] = {page};
    struct vnode *ip;
    struct vnode_map map;
    struct vattr va;

    if (sfs_lookup(dir, name, strlen(name), &ip) != 0 || sfs_getattr(ip, &va) != 0)
        return false;
    size_t len = min(va.size, size - 1);
    for (uint64_t at = 0; at < len; at += SFS_BLOCK) {
        memset(page, 0, SFS_BLOCK);
        if (sfs_bmap(ip, at / SFS_BLOCK, 1, false, &map) != 0)
            break;
        if (map.block && !map.fresh)
            sfs_transfer(ip, map.block, pages, 1, false);
        memcpy(buf + at, page, len - at < SFS_BLOCK ? len - at : SFS_BLOCK);
    }
    buf[len] = 0;
    sfs_iput(ip);
    return true;
}

static bool is_whole(const char *text, unsigned long n)
{
    char line[64];

    for (unsigned i = 1; i <= LINES; i++) {
        int len = snprintf(line, sizeof(line), "%lu\n", n * 1000 + i);
        if (strncmp(text, line, len) != 0)
            return false;
        text += len;
    }
    return *text == 0;
}

static void check_progress(struct vnode *dir)
{
    static char text[1 << 16];
    char name[32];

    if (!read_file(dir, "progress", text, sizeof(text)))
        return;
    unsigned long progress = strtoul(text, NULL, 10);
    with_progress++;
    if (progress > top_progress)
        top_progress = progress;
    for (unsigned long n = progress < WINDOW ? 0 : progress - WINDOW + 1; n <= progress; n++) {
        sprintf(name, "f%lu", n);
        if (!read_file(dir, name, text, sizeof(text))) {
            printf("image %u: progress is %lu, but %s is not there\n", images, progress, name);
            failures++;
        } else if (!is_whole(text, n)) {
            printf("image %u: progress is %lu, but %s is not whole\n", images, progress, name);
            failures++;
        }
    }
}

static void check_synced(struct sfs *fs)
{
    struct vnode *root, *dir;

    if (sfs_iget(fs, SFS_ROOT_INO, &root) != 0)
        die("the root cannot be read");
    if (sfs_lookup(root, "crash", 5, &dir) == 0) {
        check_progress(dir);
        sfs_iput(dir);
    }
    sfs_iput(root);
}

// Checks the disk as it is now, and leaves it so.
static void check_disk(void)
{
    struct bdev dev = {.ops = &disk_ops, .name = "image", .nblocks = disk_size / SFS_BLOCK};
    struct check c;
    struct sfs *fs;

    images++;
    int error = sfs_mount(&dev, &host_env, 256, &fs);
    if (!error) {
        check_synced(fs);
        error = sfs_unmount(fs);
    }
    if (error) {
        printf("image %u: mount or unmount: error %d\n", images, error);
        failures++;
    } else if (check_image(&c, disk, disk_size, stdout) > 0) {
        printf("image %u: %u problems\n", images, c.problems);
        failures++;
    }
    take_back();
}

// ---- Crashes ----

// Puts a write on the disk; with sectors not all ones only some of each eight.
static void apply(const struct pending *p, uint64_t sectors, bool undoable)
{
    for (uint64_t at = 0; at < p->len; at += SECTOR) {
        uint64_t offset = p->offset + at;
        if (undoable && (at == 0 || offset % SFS_BLOCK == 0))
            remember(offset / SFS_BLOCK);
        if (!(sectors >> (at / SECTOR % 64) & 1))
            continue;
        if (p->data)
            memcpy(disk + offset, p->data + at, SECTOR);
        else
            memset(disk + offset, 0, SECTOR);
    }
}

static void crash_prefix(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        apply(&pending[i], ~0ul, true);
    check_disk();
}

static void crash_subset(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t choice = rng_below(&rng, 4);
        if (choice > 0)
            apply(&pending[i], choice == 1 ? rng_next(&rng) : ~0ul, true);
    }
    check_disk();
}

// At a flush: the crashes before it, then the writes are stable.
static void flush(void)
{
    unsigned step = npending / SAMPLES + 1;

    for (unsigned n = rng_below(&rng, step) + 1; n <= npending; n += step)
        crash_prefix(n);
    for (unsigned i = 0; i < SAMPLES && npending > 1; i++)
        crash_subset(1 + rng_below(&rng, npending));
    for (unsigned i = 0; i < npending; i++)
        apply(&pending[i], ~0ul, false);
    npending = 0;
}

static void add(const struct writelog_entry *e)
{
    if (e->len == 0)
        return;
    if (e->offset + e->len > disk_size)
        die("the log writes beyond the image's end");
    if (npending == max_pending) {
        max_pending = 2 * max_pending + 64;
        pending = realloc(pending, max_pending * sizeof(*pending));
        if (!pending)
            die("out of memory");
    }
    pending[npending++] = (struct pending){e->offset, e->len, e->data};
}

int main(int argc, char **argv)
{
    struct writelog_entry e;
    struct writelog log;
    uint64_t log_size;
    unsigned writes = 0, flushes = 0;

    program_name = "crash";
    if (argc < 3) {
        fprintf(stderr, "usage: crash IMAGE LOG [SEED]\n");
        return 2;
    }
    host_quiet = true;
    disk = map_file(argv[1], &disk_size);
    const uint8_t *data = map_file(argv[2], &log_size);
    const char *wrong = writelog_open(&log, data, log_size);
    if (wrong)
        die("%s: %s", argv[2], wrong);
    rng.state = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    while (writelog_next(&log, &e)) {
        writes += e.len > 0;
        flushes += e.flush;
        add(&e);
        if (e.flush)
            flush();
    }
    crash_prefix(npending);
    printf("%u writes, %u flushes: %u images, %u with progress up to %lu, %u failures\n", writes,
           flushes, images, with_progress, top_progress, failures);
    return failures > 0;
}
