// SPDX-License-Identifier: BSD-2-Clause
//
// mkfs IMAGE SIZE [ROOT ...]: makes an image of a file system and copies the contents of the ROOT
// folders into it. It runs the kernel's own file system code. Names are copied in order and all
// times are fixed, so the same input gives the same image; blocks of zeros become holes.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "format.h"
#include "fs/sfs/sfs.h"
#include "host.h"

#define COPY_PAGES 64u // moved at once

static struct sfs *fs;
static uint8_t *pages; // COPY_PAGES of them

// A hard link on the host becomes one here: the first inode made for each with several names.
struct twin {
    dev_t dev;
    ino_t host_ino;
    uint32_t ino;
    struct twin *next;
};
static struct twin *twins;

static void check(int error, const char *path)
{
    if (error)
        die("%s: %s", path, strerror(error));
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, SFS_BLOCK - 1) == 0;
}

// Writes n pages from `pages' to file block fblk on; all are data.
static void write_run(struct vnode *ip, uint64_t fblk, uint32_t first, uint32_t n, const char *path)
{
    while (n > 0) {
        void *list[COPY_PAGES];
        struct vnode_map map;
        check(sfs_bmap(ip, fblk, n, true, &map), path);
        for (uint32_t i = 0; i < map.count; i++)
            list[i] = pages + (first + i) * SFS_BLOCK;
        check(sfs_transfer(ip, map.block, list, map.count, true), path);
        check(sfs_written(ip, fblk, map.count), path);
        fblk += map.count;
        first += map.count;
        n -= map.count;
    }
}

static void copy_file(struct vnode *ip, const char *path)
{
    FILE *f = fopen(path, "rb");
    uint64_t size = 0;
    size_t got;

    if (!f)
        die("%s: cannot be read", path);
    while ((got = fread(pages, 1, COPY_PAGES * SFS_BLOCK, f)) > 0) {
        uint32_t n = (got + SFS_BLOCK - 1) / SFS_BLOCK, start = 0;
        memset(pages + got, 0, n * SFS_BLOCK - got);
        for (uint32_t i = 0; i <= n; i++) {
            if (i < n && !is_zero(pages + i * SFS_BLOCK))
                continue;
            if (i > start)
                write_run(ip, size / SFS_BLOCK + start, start, i - start, path);
            start = i + 1;
        }
        size += got;
    }
    if (ferror(f))
        die("%s: cannot be read", path);
    fclose(f);
    sfs_grow(ip, size);
}

static struct vnode *find_twin(const struct stat *st)
{
    struct vnode *ip;

    for (struct twin *t = twins; t; t = t->next) {
        if (t->dev == st->st_dev && t->host_ino == st->st_ino) {
            check(sfs_iget(fs, t->ino, &ip), "a hard link");
            return ip;
        }
    }
    return NULL;
}

static void remember_twin(const struct stat *st, uint32_t ino)
{
    struct twin *t = malloc(sizeof(*t));

    if (!t)
        die("out of memory");
    *t = (struct twin){st->st_dev, st->st_ino, ino, twins};
    twins = t;
}

static void copy_folder(struct vnode *dir, const char *path);

// The directory of this name, made if it is not there yet.
static struct vnode *make_folder(const struct vname *n, uint32_t mode, const char *path)
{
    struct vnode *ip;

    if (sfs_lookup(n->dir, n->str, n->len, &ip) != 0)
        check(sfs_create(n, VDIR << VTYPE_SHIFT | mode, NULL, &ip), path);
    return ip;
}

static struct vnode *copy_link(const struct vname *n, const char *path)
{
    char target[SFS_SYMLINK_MAX + 1];
    struct vnode *ip;
    ssize_t len = readlink(path, target, sizeof(target) - 1);

    if (len < 0)
        die("%s: cannot be read", path);
    target[len] = '\0';
    check(sfs_create(n, VLNK << VTYPE_SHIFT | 0777, target, &ip), path);
    return ip;
}

static void copy(struct vnode *dir, const char *name, const char *path)
{
    const struct vname n = {.dir = dir, .str = name, .len = strlen(name)};
    struct vnode *ip;
    struct stat st;

    if (lstat(path, &st) != 0)
        die("%s: cannot be read", path);
    uint32_t mode = st.st_mode & 07777;
    if (S_ISDIR(st.st_mode)) {
        ip = make_folder(&n, mode, path);
        copy_folder(ip, path);
    } else if (st.st_nlink > 1 && (ip = find_twin(&st))) {
        check(sfs_link(&n, ip), path);
    } else if (S_ISLNK(st.st_mode)) {
        ip = copy_link(&n, path);
    } else if (S_ISREG(st.st_mode)) {
        check(sfs_create(&n, VREG << VTYPE_SHIFT | mode, NULL, &ip), path);
        copy_file(ip, path);
        if (st.st_nlink > 1)
            remember_twin(&st, ip->ino);
    } else {
        die("%s: neither a file, a folder nor a symlink", path);
    }
    sfs_iput(ip);
}

static int not_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void copy_folder(struct vnode *dir, const char *path)
{
    struct dirent **list;
    int n = scandir(path, &list, not_dots, by_name);

    if (n < 0)
        die("%s: cannot be read", path);
    for (int i = 0; i < n; i++) {
        char *child = malloc(strlen(path) + strlen(list[i]->d_name) + 2);
        if (!child)
            die("out of memory");
        sprintf(child, "%s/%s", path, list[i]->d_name);
        copy(dir, list[i]->d_name, child);
        free(child);
        free(list[i]);
    }
    free(list);
}

// A number with an optional K, M or G; 0 if it is none.
static uint64_t parse(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    for (const char *units = "KMG"; *end && *units; units++) {
        value *= 1024;
        if (*end == *units)
            return end[1] ? 0 : value;
    }
    return *end ? 0 : value;
}

int main(int argc, char **argv)
{
    struct format sizes = {0};
    struct vnode *root;
    struct image img;

    program_name = "mkfs";
    if (argc < 3 || parse(argv[2]) == 0) {
        fprintf(stderr, "usage: mkfs IMAGE SIZE[K|M|G] [ROOT ...]\n");
        return 2;
    }
    image_create(&img, argv[1], parse(argv[2]));
    pages = host_env.alloc(COPY_PAGES * SFS_BLOCK);
    if (!pages)
        die("out of memory");
    if (format(&img.dev, &host_env, &sizes) != 0)
        die("%s: %s is too small or too large for a file system", argv[1], argv[2]);
    check(sfs_mount(&img.dev, &host_env, 1024, &fs), argv[1]);
    check(sfs_iget(fs, SFS_ROOT_INO, &root), argv[1]);
    for (int i = 3; i < argc; i++)
        copy_folder(root, argv[i]);
    sfs_iput(root);
    check(sfs_unmount(fs), argv[1]);
    image_close(&img);
    return 0;
}
