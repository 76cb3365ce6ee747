// SPDX-License-Identifier: BSD-2-Clause
//
// Swap in its first form: a bitmap of slots. The bitmap comes in parts of nearly a page; a run of
// slots lies in one of them.
//
// Locking: swap.h.

#include "vm/swap.h"

#include "lib/atomic.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "sync/scoped.h"
#include "sync/waitq.h"
#include "vm/stat.h"

#define PART_WORDS 500
#define PART_SLOTS (PART_WORDS * 64ul)
#define MAX_PARTS  512 // 62 GiB

struct swap_part {
    uint64_t used[PART_WORDS]; // a bit per slot
};

static struct mutex swap_lock;             // guards the next three
static struct swap_part *parts[MAX_PARTS]; // slot 0 is always used
static size_t next_slot;                   // where the next search begins
static struct swap_stats stats;
static const struct swap_dev *device; // NULL: no swap; constant once set

// Who waits for a transfer's end, which is not where the transfer is: that may be gone by then.
static struct waitq transfers = WAITQ_INIT("swap transfer", transfers);

void swap_init(const struct swap_dev *dev)
{
    static struct pool part_pool;
    size_t nslots = min(dev->nblocks, MAX_PARTS * PART_SLOTS);

    pool_init(&part_pool, "swap_part", sizeof(struct swap_part), 0, NULL);
    for (size_t i = 0; i * PART_SLOTS < nslots; i++) {
        parts[i] = pool_get(&part_pool, PR_WAITOK | PR_ZERO);
        if (!parts[i])
            nslots = i * PART_SLOTS;
    }
    if (nslots < dev->nblocks)
        kprintf("swap: %zu pages of %lu are used\n", nslots, dev->nblocks);
    if (!nslots)
        return;
    bitmap_set(parts[0]->used, 0);
    mutex_init(&swap_lock, "swap", LOCK_SWAP, 0);
    stats.nslots = nslots;
    device = dev;
}

// The first of nslots clear bits in a row in [from, to), or 0.
static size_t find_run(size_t from, size_t to, unsigned nslots)
{
    KASSERT(mutex_held(&swap_lock), "[%zu, %zu)", from, to);
    while (from + nslots <= to) {
        size_t first = from - from % PART_SLOTS, nbits = min(to - first, PART_SLOTS);
        const uint64_t *used = parts[first / PART_SLOTS]->used;
        size_t start = bitmap_find_clear(used, nbits, from - first);
        size_t end = bitmap_find_set(used, nbits, start);
        if (end - start >= nslots)
            return first + start;
        from = first + end;
    }
    return 0;
}

// The word and bit of a slot.
#define USED(slot) parts[(slot) / PART_SLOTS]->used, (slot) % PART_SLOTS

uint32_t swap_alloc(unsigned nslots)
{
    KASSERT(nslots > 0 && nslots <= PART_SLOTS, "%u slots", nslots);
    if (!device)
        return 0;
    mutex_lock(&swap_lock);
    size_t slot = find_run(next_slot, stats.nslots, nslots);
    if (!slot)
        slot = find_run(0, stats.nslots, nslots);
    if (slot) {
        for (unsigned i = 0; i < nslots; i++)
            bitmap_set(USED(slot + i));
        next_slot = slot + nslots;
        stats.nused += nslots;
    }
    mutex_unlock(&swap_lock);
    return slot;
}

void swap_free(uint32_t slot, unsigned nslots)
{
    mutex_lock(&swap_lock);
    for (unsigned i = 0; i < nslots; i++) {
        KASSERT(slot && bitmap_test(USED(slot + i)), "swap slot %u is free", slot + i);
        bitmap_clear(USED(slot + i));
    }
    KASSERT(stats.nused >= nslots, "%lu slots are in use, %u are freed", stats.nused, nslots);
    stats.nused -= nslots;
    mutex_unlock(&swap_lock);
}

void swap_retire(uint32_t slot, unsigned nslots)
{
    SCOPED_MUTEX(&swap_lock);
    for (unsigned i = 0; i < nslots; i++)
        KASSERT(slot && bitmap_test(USED(slot + i)), "swap slot %u is free", slot + i);
    stats.nbad += nslots;
}

// ---- transfers ----

void swap_start(struct swap_io *io)
{
    KASSERT(io->npages > 0 && io->npages <= SWAP_CLUSTER && io->slot, "%u pages, slot %u",
            io->npages, io->slot);
    for (unsigned i = 0; i < io->npages; i++)
        KASSERT(io->pages[i]->flags & PG_BUSY, "page %p, flags %#x", io->pages[i],
                io->pages[i]->flags);
    device->start(io);
}

void swap_finish(struct swap_io *io)
{
    if (io->error)
        stat_inc(stats.errors);
    else
        stat_add(*(io->write ? &stats.outs : &stats.ins), io->npages);
    io->done(io);
}

struct sleeper {
    struct swap_io io;
    bool finished; // atomic
};

static void wake_sleeper(struct swap_io *io)
{
    store_seq(&container_of(io, struct sleeper, io)->finished, true);
    waitq_wake_all(&transfers);
}

static int transfer(uint32_t slot, struct vm_page **pages, unsigned npages, bool write)
{
    struct sleeper s = {
        .io = {.npages = npages, .write = write, .slot = slot, .done = wake_sleeper}};
    struct waiter w;

    KASSERT(npages <= SWAP_CLUSTER, "%u pages", npages);
    for (unsigned i = 0; i < npages; i++)
        s.io.pages[i] = pages[i];
    swap_start(&s.io);
    while (!load_seq(&s.finished)) {
        waitq_add(&transfers, &w);
        if (!load_seq(&s.finished))
            waitq_block(WAIT_NOINTR, WAIT_FOREVER);
        waitq_remove(&w);
    }
    return s.io.error;
}

int swap_out(uint32_t slot, struct vm_page **pages, unsigned npages)
{
    assert_may_sleep("swap_out");
    return transfer(slot, pages, npages, true);
}

int swap_in(uint32_t slot, struct vm_page *page)
{
    assert_may_sleep("swap_in");
    return transfer(slot, &page, 1, false);
}

void swap_get_stats(struct swap_stats *st)
{
    *st = stats;
}
