// SPDX-License-Identifier: BSD-2-Clause
//
// The checks of names: every record of every directory, "." and "..", that each directory has one
// name and the root is above it, and link counts against the names found.
#include <stdlib.h>
#include <string.h>
#include "check.h"

// Directories found but not read yet.
struct todo {
    uint32_t *ino;
    uint32_t count;
};

// One record: what it means, and that this fits.
static void check_entry(struct check *c, uint32_t dir, const struct sfs_dirent *e, unsigned index,
                        struct todo *todo)
{
    struct sfs_dinode *d = check_inode(c, e->ino);
    int len = e->namelen;

    if (memchr(e->name, '/', len) || memchr(e->name, 0, len))
        problem(c, "directory %u: `%.*s' is no name", dir, len, e->name);
    if (d->mode == 0) {
        problem(c, "directory %u: `%.*s' means inode %u, which is free", dir, len, e->name, e->ino);
        return;
    }
    if (e->type != check_type(d))
        problem(c, "directory %u: `%.*s' has type %u, inode %u mode 0%o", dir, len, e->name,
                e->type, e->ino, d->mode);
    c->names[e->ino]++;
    if (index == 0 || index == 1) {
        uint32_t want = index == 0 ? dir : c->parent[dir];
        if (len != (int)index + 1 || memcmp(e->name, "..", len) != 0)
            problem(c, "directory %u: `%.*s' in place of `%.*s'", dir, len, e->name, index + 1,
                    "..");
        else if (e->ino != want)
            problem(c, "directory %u: `%.*s' means inode %u, not %u", dir, len, e->name, e->ino,
                    want);
    } else if (check_type(d) == TYPE_DIR) {
        if (c->parent[e->ino]) {
            problem(c, "directory %u: has a second name, `%.*s' in directory %u", e->ino, len,
                    e->name, dir);
            return;
        }
        c->parent[e->ino] = dir;
        todo->ino[todo->count++] = e->ino;
    }
}

// One block; *index counts the entries of the directory.
static void check_dir_block(struct check *c, uint32_t dir, const uint8_t *block, unsigned *index,
                            struct todo *todo)
{
    for (unsigned off = 0; off < SFS_BLOCK;) {
        const struct sfs_dirent *e = (const void *)(block + off);
        if (e->reclen < sizeof(*e) || e->reclen % 4 != 0 || e->reclen > SFS_BLOCK - off ||
            e->ino >= c->l.ninodes ||
            (e->ino && (e->namelen == 0 || SFS_DIRENT_SIZE(e->namelen) > e->reclen))) {
            problem(c, "directory %u: bad record at %u: inode %u, %u bytes, name of %u", dir, off,
                    e->ino, e->reclen, e->namelen);
            return;
        }
        if (e->ino)
            check_entry(c, dir, e, (*index)++, todo);
        off += e->reclen;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct sfs_dirent *x = *(const struct sfs_dirent *const *)a;
    const struct sfs_dirent *y = *(const struct sfs_dirent *const *)b;
    int order = memcmp(x->name, y->name, x->namelen < y->namelen ? x->namelen : y->namelen);

    return order ? order : x->namelen - y->namelen;
}

// That no name is there twice: the records of all blocks, sorted.
static void check_duplicates(struct check *c, uint32_t dir, const struct sfs_dinode *d, unsigned n)
{
    const struct sfs_dirent **list = calloc(n + 1, sizeof(*list));
    unsigned count = 0;

    for (uint64_t i = 0; list && i < d->size / SFS_BLOCK; i++) {
        uint32_t ptr = check_pointer(c, d, i);
        for (unsigned off = 0; ptr && off < SFS_BLOCK;) {
            const struct sfs_dirent *e = (void *)((char *)check_block(c, ptr) + off);
            if (e->ino && count < n)
                list[count++] = e;
            off += e->reclen;
        }
    }
    if (list)
        qsort(list, count, sizeof(*list), by_name);
    for (unsigned i = 1; list && i < count; i++)
        if (by_name(&list[i - 1], &list[i]) == 0)
            problem(c, "directory %u: two entries `%.*s'", dir, list[i]->namelen, list[i]->name);
    free(list);
}

static void check_dir(struct check *c, uint32_t dir, struct todo *todo)
{
    const struct sfs_dinode *d = check_inode(c, dir);
    unsigned index = 0, before = c->problems;

    for (uint64_t i = 0; i < d->size / SFS_BLOCK; i++) {
        uint32_t ptr = check_pointer(c, d, i);
        if (ptr == 0 || ptr & SFS_PTR_FRESH) {
            problem(c, "directory %u: block %lu of %lu is missing", dir, i, d->size / SFS_BLOCK);
            return;
        }
        check_dir_block(c, dir, check_block(c, ptr), &index, todo);
    }
    if (index < 2)
        problem(c, "directory %u: %u entries, not even `.' and `..'", dir, index);
    if (c->problems == before)
        check_duplicates(c, dir, d, index);
}

static void check_links(struct check *c)
{
    for (uint32_t ino = SFS_ROOT_INO; ino < c->l.ninodes; ino++) {
        const struct sfs_dinode *d = check_inode(c, ino);
        if (d->mode == 0)
            continue;
        if (d->nlink != c->names[ino])
            problem(c, "inode %u: link count %u, found %u%s", ino, d->nlink, c->names[ino],
                    check_type(d) == TYPE_DIR && !c->parent[ino] ? " (not reached from the root)"
                                                                 : "");
    }
}

void check_dirs(struct check *c)
{
    struct todo todo = {.ino = calloc(c->l.ninodes, sizeof(uint32_t))};

    if (!todo.ino) {
        problem(c, "not enough memory for a check");
        return;
    }
    if (check_type(check_inode(c, SFS_ROOT_INO)) != TYPE_DIR) {
        problem(c, "inode %u: the root is no directory", SFS_ROOT_INO);
    } else {
        c->parent[SFS_ROOT_INO] = SFS_ROOT_INO;
        todo.ino[todo.count++] = SFS_ROOT_INO;
        while (todo.count > 0)
            check_dir(c, todo.ino[--todo.count], &todo);
        check_links(c);
    }
    free(todo.ino);
}
