// SPDX-License-Identifier: BSD-2-Clause
//
// See memdev.h. A lock of the host's makes it safe for tests with threads.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/memdev.h"
#include "lib/errno.h"

#define SECTOR 512u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct memdev *memdev_of(struct bdev *dev)
{
    return container_of(dev, struct memdev, dev);
}

static bool fails(struct memdev *m)
{
    m->ios++;
    return m->ios >= m->fail_from && m->ios < m->fail_to;
}

static int memdev_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    struct memdev *m = memdev_of(dev);

    pthread_mutex_lock(&lock);
    int error = fails(m) ? EIO : 0;
    for (unsigned i = 0; !error && i < n; i++)
        memcpy(pages[i], m->data + (block + i) * BDEV_BLOCK, BDEV_BLOCK);
    pthread_mutex_unlock(&lock);
    return error;
}

static void keep(struct memdev *m, uint64_t block, const void *page)
{
    if (m->npending == m->max_pending) {
        m->max_pending = m->max_pending * 2 + 64;
        m->pending = realloc(m->pending, m->max_pending * sizeof(*m->pending));
    }
    struct memdev_write *w = &m->pending[m->npending++];
    w->block = block;
    w->data = malloc(BDEV_BLOCK);
    memcpy(w->data, page, BDEV_BLOCK);
}

static int memdev_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    struct memdev *m = memdev_of(dev);

    pthread_mutex_lock(&lock);
    int error = fails(m) ? EIO : 0;
    for (unsigned i = 0; !error && i < n; i++) {
        memcpy(m->data + (block + i) * BDEV_BLOCK, pages[i], BDEV_BLOCK);
        if (m->stable)
            keep(m, block + i, pages[i]);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static void forget_pending(struct memdev *m, bool apply)
{
    for (unsigned i = 0; i < m->npending; i++) {
        struct memdev_write *w = &m->pending[i];
        if (apply)
            memcpy(m->stable + w->block * BDEV_BLOCK, w->data, BDEV_BLOCK);
        free(w->data);
    }
    m->npending = 0;
}

static int memdev_flush(struct bdev *dev)
{
    struct memdev *m = memdev_of(dev);

    if (m->on_flush)
        m->on_flush(m->arg);
    pthread_mutex_lock(&lock);
    int error = fails(m) ? EIO : 0;
    if (!error)
        forget_pending(m, true);
    pthread_mutex_unlock(&lock);
    return error;
}

static const struct bdev_ops memdev_ops = {memdev_read, memdev_write, memdev_flush};

void memdev_init(struct memdev *m, uint64_t nblocks)
{
    *m = (struct memdev){.dev = {.ops = &memdev_ops, .name = "test", .nblocks = nblocks}};
    m->data = calloc(nblocks, BDEV_BLOCK);
}

void memdev_destroy(struct memdev *m)
{
    forget_pending(m, false);
    free(m->pending);
    free(m->stable);
    free(m->data);
}

void memdev_copy(struct memdev *to, const struct memdev *from)
{
    memcpy(to->data, from->data, from->dev.nblocks * BDEV_BLOCK);
}

void memdev_record(struct memdev *m)
{
    m->stable = malloc(m->dev.nblocks * BDEV_BLOCK);
    memcpy(m->stable, m->data, m->dev.nblocks * BDEV_BLOCK);
}

void memdev_forget(struct memdev *m)
{
    forget_pending(m, false);
    free(m->stable);
    m->stable = NULL;
}

// Writes a page, or with rng perhaps nothing or only some sectors of it.
static void apply(const struct memdev_write *w, struct rng *rng, uint8_t *image)
{
    uint64_t choice = rng ? rng_below(rng, 4) : 0, sectors = ~0ul;

    if (choice == 1)
        return;
    if (choice == 2)
        sectors = rng_next(rng);
    for (unsigned i = 0; i < BDEV_BLOCK / SECTOR; i++)
        if (sectors >> i & 1)
            memcpy(image + w->block * BDEV_BLOCK + i * SECTOR, w->data + i * SECTOR, SECTOR);
}

void memdev_crash(const struct memdev *m, unsigned n, struct rng *rng, uint8_t *image)
{
    memcpy(image, m->stable, m->dev.nblocks * BDEV_BLOCK);
    for (unsigned i = 0; i < n; i++)
        apply(&m->pending[i], rng, image);
}
