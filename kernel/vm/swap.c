// SPDX-License-Identifier: BSD-2-Clause
//
// Swap in its first form: a bitmap of slots, one page a transfer, the caller waits. The bitmap
// comes in parts of nearly a page; a run of slots lies in one of them.
//
// Locking: swap.h.

#include "vm/swap.h"

#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "sync/mutex.h"
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

int swap_out(uint32_t slot, struct vm_page **pages, unsigned npages)
{
    assert_may_sleep("swap_out");
    for (unsigned i = 0; i < npages; i++) {
        KASSERT(pages[i]->flags & PG_BUSY, "page %p, flags %#x", pages[i], pages[i]->flags);
        int error = device->write(slot + i, &pages[i], 1);
        if (error) {
            stat_inc(stats.errors);
            return error;
        }
        stat_inc(stats.outs);
    }
    return 0;
}

int swap_in(uint32_t slot, struct vm_page *page)
{
    assert_may_sleep("swap_in");
    KASSERT(page->flags & PG_BUSY, "page %p, flags %#x", page, page->flags);
    int error = device->read(slot, &page, 1);

    stat_inc(*(error ? &stats.errors : &stats.ins));
    return error;
}

void swap_get_stats(struct swap_stats *st)
{
    *st = stats;
}
