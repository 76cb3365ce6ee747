// SPDX-License-Identifier: BSD-2-Clause
//
// The driver of sfs_model.h, and its operations on files' contents: each changes the model first,
// which says what must come, and then the real file system.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/sfs_model_impl.h"
#include "lib/errno.h"
#include "lib/shim.h"
#include "mkfs/format.h"

long model_alloc_countdown, model_allocated;

static void *model_alloc(size_t size)
{
    void *p;

    if (model_alloc_countdown > 0 && --model_alloc_countdown == 0)
        return NULL;
    p = aligned_alloc(size % PAGE_SIZE == 0 ? PAGE_SIZE : 16, (size + 15) / 16 * 16);
    memset(p, 0, size);
    __atomic_add_fetch(&model_allocated, 1, __ATOMIC_RELAXED);
    return p;
}

static void model_free(void *p, size_t size)
{
    (void)size;
    free(p);
    __atomic_sub_fetch(&model_allocated, 1, __ATOMIC_RELAXED);
}

static uint64_t model_now(void)
{
    static uint64_t now;
    return __atomic_add_fetch(&now, 1000, __ATOMIC_RELAXED);
}

const struct sfs_env model_env = {.alloc = model_alloc, .free = model_free, .now = model_now};

void model_start(struct model *m, struct memdev *dev, uint64_t seed)
{
    struct format sizes = {.ninodes = 256};
    unsigned max_blocks = m->max_file_blocks, nbufs = m->nbufs;

    *m = (struct model){.dev = dev, .rng = {seed}, .nbufs = nbufs, .max_file_blocks = max_blocks};
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        m->t.name[i].dir = -1;
    m->t.node[0] = (struct model_node){
        .used = true, .ino = SFS_ROOT_INO, .mode = SFS_IFDIR | 0755, .nlink = 2};
    CHECK(format(&dev->dev, &model_env, &sizes) == 0, "format");
    int error = sfs_mount(&dev->dev, &model_env, m->nbufs, &m->fs);
    CHECK(error == 0, "mount: %d", error);
    m->journal_start = ((struct sfs_super *)dev->data)->layout.journal;
    model_note_state(m, true);
}

// ---- Nodes ----

int model_pick(struct model *m, bool dir)
{
    for (unsigned tries = 0; tries < 200; tries++) {
        unsigned i = rng_below(&m->rng, MODEL_NODES);
        struct model_node *n = &m->t.node[i];
        if (n->used && model_is_dir(n) == dir && (n->nlink > 0 || (m->held[i] && !dir)))
            return i;
    }
    return dir ? 0 : -1;
}

// The real inode of a node, with a reference; -1 as *error: the device failed.
struct vnode *model_get(struct model *m, int node, int *error)
{
    struct vnode *ip = m->held[node];

    *error = 0;
    if (ip)
        vnode_ref(ip);
    else
        *error = sfs_iget(m->fs, m->t.node[node].ino, &ip);
    return *error ? NULL : ip;
}

static struct model_block *block_of(struct model_node *n, uint32_t fblk)
{
    for (unsigned i = 0; i < n->nblocks; i++)
        if (n->block[i].fblk == fblk)
            return &n->block[i];
    if (n->nblocks == MODEL_BLOCKS)
        return NULL;
    n->block[n->nblocks] = (struct model_block){.fblk = fblk};
    return &n->block[n->nblocks++];
}

// Writes one block as a page cache would.
static int write_block(struct model *m, struct vnode *ip, uint32_t fblk, uint64_t tag)
{
    static _Thread_local uint64_t page[BDEV_BLOCK / 8];
    void *pages[] = {page};
    struct vnode_map map;
    int error = sfs_bmap(ip, fblk, 1 + rng_below(&m->rng, 4), true, &map);

    if (error)
        return error;
    for (unsigned i = 0; i < array_len(page); i++)
        page[i] = tag;
    sfs_grow(ip, (uint64_t)(fblk + 1) * SFS_BLOCK);
    error = bdev_write(m->fs->dev, map.block, pages, 1);
    return error || !map.fresh ? error : sfs_written(ip, fblk, 1);
}

static uint32_t pick_fblk(struct model *m)
{
    if (m->max_file_blocks)
        return rng_below(&m->rng, m->max_file_blocks);
    switch (rng_below(&m->rng, 6)) {
    case 0:
        return SFS_NDIRECT + SFS_PER_IND + rng_below(&m->rng, 3000);
    case 1:
        return SFS_NDIRECT + SFS_PER_IND + SFS_PER_IND * SFS_PER_IND +
               rng_below(&m->rng, 4) * 1000003;
    case 2:
        return SFS_NDIRECT - 2 + rng_below(&m->rng, 8);
    }
    return rng_below(&m->rng, 40);
}

static int op_write(struct model *m, int *want)
{
    int node = model_pick(m, false), error;
    struct model_node *n = &m->t.node[max(node, 0)];
    struct model_block *b;
    struct vnode *ip;
    uint32_t fblk = pick_fblk(m);

    if (node < 0 || (n->mode & SFS_IFMT) != SFS_IFREG || !(b = block_of(n, fblk)))
        return -1;
    *want = 0;
    b->tag = (uint64_t)n->ino << 56 ^ (uint64_t)(n->generation & 0xff) << 48 ^
             (uint64_t)fblk << 16 ^ (++m->version & 0xffff);
    b->touched = n->resized = true;
    n->size = max(n->size, (uint64_t)(fblk + 1) * SFS_BLOCK);
    ip = model_get(m, node, &error);
    if (error)
        return error;
    error = write_block(m, ip, fblk, b->tag);
    sfs_iput(ip);
    return error;
}

static int op_truncate(struct model *m, int *want)
{
    int node = model_pick(m, false), error;
    struct model_node *n = &m->t.node[max(node, 0)];
    struct vnode *ip;
    uint64_t size = rng_below(&m->rng, 3) ? (uint64_t)pick_fblk(m) * SFS_BLOCK : 0;

    if (node < 0 || (n->mode & SFS_IFMT) != SFS_IFREG)
        return -1;
    *want = 0;
    for (unsigned i = 0; i < n->nblocks; i++) {
        if ((uint64_t)n->block[i].fblk * SFS_BLOCK >= size) {
            n->block[i].tag = 0;
            n->block[i].touched = true;
        }
    }
    n->resized = true;
    n->cut |= size < n->size;
    n->size = size;
    ip = model_get(m, node, &error);
    if (error)
        return error;
    error = sfs_truncate(ip, size);
    sfs_iput(ip);
    return error;
}

static int op_hold(struct model *m, int *want)
{
    int node = model_pick(m, rng_below(&m->rng, 4) == 0), error = 0;

    *want = 0;
    if (node < 0)
        return -1;
    if (m->held[node]) {
        sfs_iput(m->held[node]);
        m->held[node] = NULL;
    } else if (m->t.node[node].nlink > 0) {
        m->held[node] = model_get(m, node, &error);
    }
    return error;
}

static int op_fsync(struct model *m, int *want)
{
    int node = model_pick(m, rng_below(&m->rng, 4) == 0), error;
    struct vnode *ip;

    *want = 0;
    if (node < 0 || (m->t.node[node].nlink == 0 && !m->held[node]))
        return -1;
    ip = model_get(m, node, &error);
    if (error)
        return error;
    error = sfs_fsync(ip);
    sfs_iput(ip);
    if (!error)
        model_note_synced(m, node);
    return error;
}

static int op_sync(struct model *m, int *want)
{
    int error = sfs_sync(m->fs);

    *want = 0;
    if (!error)
        model_note_synced(m, -1);
    return error;
}

// ---- The driver ----

// Nodes without name and holder are gone.
static void collect(struct model *m)
{
    for (unsigned i = 1; i < MODEL_NODES; i++) {
        struct model_node *n = &m->t.node[i];
        if (n->used && n->nlink == 0 && !m->held[i] && m->nstates == 1)
            n->used = false;
    }
}

int model_step(struct model *m)
{
    static int (*const ops[])(struct model *, int *) = {
        model_op_create, model_op_create, model_op_create, model_op_remove, model_op_remove,
        model_op_link,   model_op_rename, model_op_rename, op_write,        op_write,
        op_write,        op_write,        op_write,        op_write,        op_truncate,
        op_hold,         op_hold,         op_fsync,        op_sync};
    static struct model_tree before;
    unsigned which = rng_below(&m->rng, array_len(ops)), nstates = m->nstates;
    int want = 0, got;

    if (m->nstates > MODEL_STATES - 4)
        which = array_len(ops) - 1;
    before = m->t;
    got = ops[which](m, &want);
    if (got == EIO || got == EROFS)
        return got;
    if (got != want) {
        CHECK(got == -1 || got == ENOSPC || got == ENOMEM, "operation %u: got %d, want %d", which,
              got, want);
        m->t = before;
        if (got == -1)
            m->nstates = nstates;
    }
    m->done += got == 0;
    m->refused += got > 0;
    collect(m);
    return 0;
}

int model_sync(struct model *m)
{
    int want;

    return op_sync(m, &want);
}

static void close_all(struct model *m)
{
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        if (m->held[i])
            sfs_iput(m->held[i]);
        m->held[i] = NULL;
    }
}

int model_remount(struct model *m)
{
    close_all(m);
    int error = sfs_unmount(m->fs);

    m->fs = NULL;
    if (!error) {
        model_note_synced(m, -1);
        collect(m);
        error = sfs_mount(&m->dev->dev, &model_env, m->nbufs, &m->fs);
    }
    return error;
}

void model_stop(struct model *m)
{
    close_all(m);
    if (m->fs)
        sfs_unmount(m->fs);
    m->fs = NULL;
}
