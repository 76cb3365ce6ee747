// SPDX-License-Identifier: BSD-2-Clause
//
// Swap in its first form: a bitmap of slots, one page a transfer, the caller waits.
//
// Locking: swap.h.

#include "vm/swap.h"

#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/mutex.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/stat.h"

static struct mutex swap_lock; // guards the next three
static uint64_t *used;         // a bit per slot; slot 0 is always set
static size_t next_slot;       // where the next search begins
static struct swap_stats stats;
static const struct swap_dev *device; // NULL: no swap; constant once set

void swap_init(const struct swap_dev *dev)
{
    size_t nslots = min(dev->nblocks, (uint64_t)UINT32_MAX);
    uint64_t *map = slab_alloc(BITMAP_WORDS(nslots) * sizeof(*map), KM_ZERO);

    if (!map) {
        kprintf("swap: no memory to keep track of %zu pages; not used\n", nslots);
        return;
    }
    bitmap_set(map, 0);
    mutex_init(&swap_lock, "swap", LOCK_SWAP, 0);
    used = map;
    stats.nslots = nslots;
    device = dev;
}

// The first of nslots clear bits in a row in [from, to), or 0.
static size_t find_run(size_t from, size_t to, unsigned nslots)
{
    while (from + nslots <= to) {
        size_t start = bitmap_find_clear(used, to, from);
        size_t end = bitmap_find_set(used, to, start);
        if (end - start >= nslots && start < to)
            return start;
        from = end;
    }
    return 0;
}

uint32_t swap_alloc(unsigned nslots)
{
    if (!device)
        return 0;
    mutex_lock(&swap_lock);
    size_t slot = find_run(next_slot, stats.nslots, nslots);
    if (!slot)
        slot = find_run(0, stats.nslots, nslots);
    if (slot) {
        for (unsigned i = 0; i < nslots; i++)
            bitmap_set(used, slot + i);
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
        KASSERT(slot && bitmap_test(used, slot + i), "swap slot %u is free", slot + i);
        bitmap_clear(used, slot + i);
    }
    stats.nused -= nslots;
    mutex_unlock(&swap_lock);
}

int swap_out(uint32_t slot, struct vm_page **pages, unsigned npages)
{
    for (unsigned i = 0; i < npages; i++) {
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
    int error = device->read(slot, &page, 1);

    stat_inc(*(error ? &stats.errors : &stats.ins));
    return error;
}

void swap_get_stats(struct swap_stats *st)
{
    *st = stats;
}
