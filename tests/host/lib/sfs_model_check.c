// SPDX-License-Identifier: BSD-2-Clause
//
// The comparisons of sfs_model.h: names by a hash over the whole tree, contents block by block.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/sfs_model_impl.h"
#include "lib/errno.h"
#include "lib/shim.h"
#include "mkfs/check.h"

// ---- The hash of the names ----

static uint64_t mix(uint64_t h, uint64_t v)
{
    struct rng r = {h ^ v};
    return rng_next(&r);
}

// One name's part; the sum over all does not depend on their order.
static uint64_t name_hash(uint64_t dir, const char *name, size_t len, uint64_t node, uint32_t mode)
{
    uint64_t h = mix(mix(dir, node), mode >> 12);

    for (size_t i = 0; i < len; i++)
        h = mix(h, (uint8_t)name[i]);
    return h;
}

static uint64_t key(uint32_t ino, uint32_t generation)
{
    return (uint64_t)ino << 32 | generation;
}

static uint64_t node_key(const struct model *m, int node)
{
    return key(m->t.node[node].ino, m->t.node[node].generation);
}

static uint64_t model_hash(const struct model *m)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < MODEL_NAMES; i++) {
        const struct model_name *n = &m->t.name[i];
        if (n->dir >= 0)
            h += name_hash(node_key(m, n->dir), n->name, strlen(n->name), node_key(m, n->node),
                           m->t.node[n->node].mode);
    }
    return h;
}

void model_note_state(struct model *m, bool only)
{
    if (only)
        m->nstates = 0;
    CHECK(m->nstates < MODEL_STATES, "too many states");
    m->state[m->nstates++] = model_hash(m);
}

static void note_node_synced(struct model_node *n)
{
    n->synced_size = n->size;
    n->resized = n->cut = false;
    for (unsigned i = 0; i < n->nblocks; i++) {
        n->block[i].synced = n->block[i].tag;
        n->block[i].touched = false;
        if (n->block[i].tag == 0)
            n->block[i--] = n->block[--n->nblocks];
    }
}

void model_note_synced(struct model *m, int node)
{
    for (int i = 0; i < MODEL_NODES; i++)
        if (m->t.node[i].used && (node < 0 || i == node))
            note_node_synced(&m->t.node[i]);
    model_note_state(m, true);
}

// ---- Contents ----

struct walk {
    struct model *m;
    struct sfs *fs; // what is looked at
    bool crashed;   // what was not synced may be there or not
    uint64_t hash;  // of the names found
};

static const struct model_node *find_node(struct model *m, uint64_t k)
{
    for (int i = 0; i < MODEL_NODES; i++)
        if (m->t.node[i].used && node_key(m, i) == k)
            return &m->t.node[i];
    return NULL;
}

static const struct model_block *find_block(const struct model_node *n, uint64_t fblk)
{
    for (unsigned i = 0; i < n->nblocks; i++)
        if (n->block[i].fblk == fblk)
            return &n->block[i];
    return NULL;
}

// A block that has data: what it must hold, sector by sector.
static void check_data(struct walk *w, const struct model_node *n, uint64_t fblk, uint32_t disk)
{
    static uint64_t page[BDEV_BLOCK / 8];
    const struct model_block *b = find_block(n, fblk);
    void *pages[] = {page};

    CHECK(bdev_read(w->fs->dev, disk, pages, 1) == 0, "read");
    CHECK(b, "inode %u: block %lu holds %#lx, should be a hole", n->ino, fblk, page[0]);
    for (unsigned i = 0; i < array_len(page); i++) {
        uint64_t want = w->crashed && !b->touched ? b->synced : b->tag;
        bool ok = page[i] == want;
        // Not synced: any version of this block, each sector by itself.
        if (w->crashed && b->touched)
            ok = page[i] >> 56 == n->ino && (uint32_t)(page[i] >> 16) == (uint32_t)fblk &&
                 page[i] == page[i & ~63u];
        CHECK(ok, "inode %u block %lu word %u: %#lx, want %#lx%s", n->ino, fblk, i, page[i], want,
              b->touched ? " (touched)" : "");
    }
}

static void check_file(struct walk *w, struct vnode *v, const struct model_node *n)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    uint64_t blocks = (ip->d.size + SFS_BLOCK - 1) / SFS_BLOCK;
    struct vnode_map map;

    if (!w->crashed)
        CHECK(ip->d.size == n->size, "inode %u: size %lu, want %lu", n->ino, ip->d.size, n->size);
    else if (!n->resized)
        CHECK(ip->d.size == n->synced_size, "inode %u: size %lu, want %lu", n->ino, ip->d.size,
              n->synced_size);
    else if (!n->cut)
        CHECK(ip->d.size >= n->synced_size, "inode %u: size %lu < %lu", n->ino, ip->d.size,
              n->synced_size);
    for (uint64_t fblk = 0; fblk < blocks; fblk += map.count) {
        int error = sfs_bmap(v, fblk, 1u << 30, false, &map);
        CHECK(error == 0, "bmap %d", error);
        for (uint32_t i = 0; map.block && !map.fresh && i < map.count && fblk + i < blocks; i++)
            check_data(w, n, fblk + i, map.block + i);
    }
    for (unsigned i = 0; i < n->nblocks; i++) {
        const struct model_block *b = &n->block[i];
        uint64_t want = w->crashed ? b->synced : b->tag;
        if (want == 0 || (w->crashed && b->touched) || b->fblk >= blocks)
            continue;
        CHECK(sfs_bmap(v, b->fblk, 1, false, &map) == 0, "bmap");
        CHECK(map.block && !map.fresh, "inode %u: block %u is lost", n->ino, b->fblk);
    }
}

static void check_link(struct vnode *ip, const struct model_node *n)
{
    char target[200];
    size_t len;

    CHECK(sfs_readlink(ip, target, sizeof(target), &len) == 0, "readlink");
    CHECK(len == strlen(n->target) && memcmp(target, n->target, len) == 0,
          "inode %u: target `%.*s', want `%s'", n->ino, (int)len, target, n->target);
}

// ---- The walk over all directories ----

#define STOPPED 1000 // what ends a listing

struct listing {
    struct walk *w;
    bool stopped;
    unsigned n;
    struct {
        char name[256];
        size_t len;
        uint32_t ino;
    } entry[MODEL_NAMES];
};

static int list_entry_of(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type,
                         off_t next_pos)
{
    struct listing *l = arg;

    (void)type, (void)next_pos;
    if (len <= 2 && memcmp(name, "..", len) == 0)
        return 0;
    // Stop now and then; the same entry must come again.
    l->stopped = l->n % 5 == 4 && !l->stopped;
    if (l->stopped)
        return STOPPED;
    CHECK(l->n < MODEL_NAMES, "too many entries");
    memcpy(l->entry[l->n].name, name, len);
    l->entry[l->n].len = len;
    l->entry[l->n++].ino = ino;
    return 0;
}

static void walk_dir(struct walk *w, struct vnode *dir)
{
    struct listing *l = calloc(1, sizeof(*l));
    off_t pos = 0;
    uint64_t dir_key = key(dir->ino, sfs_inode_of(dir)->d.generation);

    do {
        int error = sfs_readdir(dir, &pos, list_entry_of, l);
        CHECK(error == (l->stopped ? STOPPED : 0), "readdir %d", error);
    } while (l->stopped);
    for (unsigned i = 0; i < l->n; i++) {
        struct vnode *v;
        int error = sfs_iget(w->fs, l->entry[i].ino, &v);
        CHECK(error == 0, "iget %u: %d", l->entry[i].ino, error);
        const struct sfs_inode *ip = sfs_inode_of(v);
        uint64_t k = key(l->entry[i].ino, ip->d.generation);
        const struct model_node *n = find_node(w->m, k);
        CHECK(n, "inode %u generation %u is not known", l->entry[i].ino, ip->d.generation);
        CHECK(n->mode >> 12 == ip->d.mode >> 12, "inode %u: mode 0%o", l->entry[i].ino, ip->d.mode);
        w->hash += name_hash(dir_key, l->entry[i].name, l->entry[i].len, k, ip->d.mode);
        if (!w->crashed)
            CHECK(ip->d.nlink == n->nlink, "inode %u: %u links, want %u", l->entry[i].ino,
                  ip->d.nlink, n->nlink);
        if ((ip->d.mode & SFS_IFMT) == SFS_IFDIR)
            walk_dir(w, v);
        else if ((ip->d.mode & SFS_IFMT) == SFS_IFREG)
            check_file(w, v, n);
        else if ((ip->d.mode & SFS_IFMT) == SFS_IFLNK)
            check_link(v, n);
        sfs_iput(v);
    }
    free(l);
}

static void walk_all(struct walk *w)
{
    struct vnode *root;

    CHECK(sfs_iget(w->fs, SFS_ROOT_INO, &root) == 0, "root");
    walk_dir(w, root);
    sfs_iput(root);
}

void model_check(struct model *m)
{
    struct walk w = {.m = m, .fs = m->fs};

    walk_all(&w);
    CHECK(w.hash == model_hash(m), "the names differ from the model's");
    for (int i = 0; i < MODEL_NODES; i++)
        if (m->held[i] && (m->t.node[i].mode & SFS_IFMT) == SFS_IFREG)
            check_file(&w, m->held[i], &m->t.node[i]);
}

void model_fsck(const struct memdev *dev)
{
    uint64_t size = dev->dev.nblocks * BDEV_BLOCK;
    uint8_t *copy = aligned_alloc(BDEV_BLOCK, size);
    struct check c;

    memcpy(copy, dev->data, size);
    unsigned problems = check_image(&c, copy, size, stderr);
    CHECK(problems == 0, "fsck found %u problems", problems);
    free(copy);
}

void model_check_crash(struct model *m, struct memdev *dev)
{
    struct walk w = {.m = m, .crashed = true};
    bool known = false;

    int error = sfs_mount(&dev->dev, &model_env, m->nbufs, &w.fs);
    CHECK(error == 0, "mount after a crash: %d", error);
    walk_all(&w);
    for (unsigned i = 0; i < m->nstates; i++)
        known |= m->state[i] == w.hash;
    CHECK(known, "the names are as at none of the %u times since the last sync", m->nstates);
    CHECK(sfs_unmount(w.fs) == 0, "unmount");
    model_fsck(dev);
}
