// SPDX-License-Identifier: BSD-2-Clause
//
// See buf.h. A buffer goes through: reusable (on the lru list) - pinned - changed by the running
// transaction - committed and dirty (reusable again, once written home) - clean.
#include "fs/sfs/buf.h"
#include "fs/sfs/sfs_env.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "sync/scoped.h"

#define BUF_CLUSTER 32u // most blocks in one write to the device

static struct list *chain(struct buf_cache *c, uint64_t block)
{
    return &c->hash[block & (c->nhash - 1)];
}

static struct buf *find(struct buf_cache *c, uint64_t block)
{
    list_for_each (b, chain(c, block), struct buf, hash)
        if (b->block == block)
            return b;
    return NULL;
}

int buf_cache_init(struct buf_cache *c, struct bdev *dev, const struct sfs_env *env, unsigned nbufs)
{
    *c = (struct buf_cache){.dev = dev, .env = env, .nbufs = nbufs, .nhash = 64};
    while (c->nhash < nbufs)
        c->nhash *= 2;
    mutex_init(&c->lock, "buf cache", LOCK_BUF, 0);
    waitq_init(&c->wait, "buf");
    list_init(&c->lru);
    c->bufs = env->alloc(nbufs * sizeof(*c->bufs));
    c->hash = env->alloc(c->nhash * sizeof(*c->hash));
    if (!c->bufs || !c->hash)
        return ENOMEM;
    for (unsigned i = 0; i < c->nhash; i++)
        list_init(&c->hash[i]);
    for (unsigned i = 0; i < nbufs; i++) {
        struct buf *b = &c->bufs[i];
        b->cache = c;
        b->data = env->alloc(BDEV_BLOCK);
        if (!b->data)
            return ENOMEM;
        list_init(&b->hash);
        list_init(&b->txn);
        list_push_back(&c->lru, &b->lru);
    }
    return 0;
}

void buf_cache_destroy(struct buf_cache *c)
{
    for (unsigned i = 0; c->bufs && i < c->nbufs; i++) {
        KASSERT(c->bufs[i].pins == 0, "block %lu has %u pins", c->bufs[i].block, c->bufs[i].pins);
        if (c->bufs[i].data)
            c->env->free(c->bufs[i].data, BDEV_BLOCK);
    }
    if (c->bufs)
        c->env->free(c->bufs, c->nbufs * sizeof(*c->bufs));
    if (c->hash)
        c->env->free(c->hash, c->nhash * sizeof(*c->hash));
}

static void wake(struct buf_cache *c)
{
    if (c->waiting > 0)
        waitq_wake_all(&c->wait);
}

static void wait(struct buf_cache *c)
{
    c->waiting++;
    waitq_await_mutex(&c->wait, &c->lock);
    c->waiting--;
}

static void pin(struct buf *b)
{
    if (b->pins++ == 0 && !b->in_txn)
        list_remove(&b->lru);
}

static void make_reusable(struct buf *b)
{
    if (b->pins == 0 && !b->in_txn) {
        list_push_back(&b->cache->lru, &b->lru);
        wake(b->cache);
    }
}

// Writes b and the dirty blocks right behind it home, in one piece. The cache's lock is held, and
// released meanwhile.
static int write_cluster(struct buf_cache *c, struct buf *b)
{
    struct buf *run[BUF_CLUSTER];
    void *pages[BUF_CLUSTER];
    unsigned n = 0;
    int error;

    for (struct buf *next = b; next && n < BUF_CLUSTER; next = find(c, b->block + n)) {
        if (!next->dirty || next->busy || next->in_txn)
            break;
        next->busy = true;
        run[n] = next;
        pages[n++] = next->data;
    }
    KASSERT(n > 0, "block %lu is not to be written", b->block);
    mutex_unlock(&c->lock);
    error = bdev_write(c->dev, b->block, pages, n);
    mutex_lock(&c->lock);
    for (unsigned i = 0; i < n; i++) {
        run[i]->busy = false;
        run[i]->dirty = error != 0;
    }
    wake(c);
    return error;
}

// Finds a buffer to reuse: clean, and off all lists but lru. NULL with *error 0: look again, the
// lock was released; EIO: all are dirty and cannot be written.
static struct buf *victim(struct buf_cache *c, int *error)
{
    struct buf *dirty = NULL;

    *error = 0;
    list_for_each (b, &c->lru, struct buf, lru) {
        if (b->busy)
            continue;
        if (!b->dirty) {
            list_remove(&b->hash);
            return b;
        }
        if (!dirty)
            dirty = b;
    }
    if (dirty)
        *error = write_cluster(c, dirty);
    else
        wait(c);
    return NULL;
}

// Turns b, which is free to reuse, into the pinned buffer of a block.
static int fill(struct buf_cache *c, struct buf *b, uint64_t block, bool read)
{
    void *page = b->data;
    int error = 0;

    b->block = block;
    list_push_front(chain(c, block), &b->hash);
    pin(b);
    if (!read) {
        memset(b->data, 0, BDEV_BLOCK);
        return 0;
    }
    b->busy = true;
    mutex_unlock(&c->lock);
    error = bdev_read(c->dev, block, &page, 1);
    mutex_lock(&c->lock);
    b->busy = false;
    wake(c);
    if (error) {
        list_remove(&b->hash);
        b->pins--;
        make_reusable(b);
    }
    return error;
}

static int get(struct buf_cache *c, uint64_t block, bool read, struct buf **out)
{
    int error;

    SCOPED_MUTEX(&c->lock);
    do {
        struct buf *b = find(c, block);
        if (b && b->busy) {
            wait(c);
            error = 0;
            continue;
        }
        *out = b;
        if (b) {
            pin(b);
            if (!read)
                memset(b->data, 0, BDEV_BLOCK);
            return 0;
        }
        *out = b = victim(c, &error);
        if (b)
            return fill(c, b, block, read);
    } while (!error);
    return error;
}

int buf_get(struct buf_cache *c, uint64_t block, struct buf **out)
{
    return get(c, block, true, out);
}

int buf_get_new(struct buf_cache *c, uint64_t block, struct buf **out)
{
    return get(c, block, false, out);
}

void buf_put(struct buf *b)
{
    SCOPED_MUTEX(&b->cache->lock);
    KASSERT(b->pins > 0, "block %lu is not pinned", b->block);
    b->pins--;
    make_reusable(b);
}

void buf_committed(struct buf *b)
{
    SCOPED_MUTEX(&b->cache->lock);
    KASSERT(b->in_txn, "block %lu is in no transaction", b->block);
    b->in_txn = false;
    b->dirty = true;
    make_reusable(b);
}

int buf_write_dirty(struct buf_cache *c)
{
    int error = 0;

    SCOPED_MUTEX(&c->lock);
    for (unsigned i = 0; i < c->nbufs && !error;) {
        struct buf *b = &c->bufs[i], *before;
        if (b->busy) {
            wait(c);
        } else if (!b->dirty) {
            i++;
        } else {
            // Begin where the run of dirty blocks begins, so that it goes out in few pieces.
            while ((before = find(c, b->block - 1)) && before->dirty && !before->busy)
                b = before;
            error = write_cluster(c, b);
        }
    }
    return error;
}
