// SPDX-License-Identifier: BSD-2-Clause
//
// Verifies the invariants of all pages from scratch. Locking: takes the queue lock and the pages
// lock for the whole walk, so what it sees is one state.

#include "lib/printf.h"
#include "mem/vm_page.h"
#include "mem/vm_page_impl.h"

// What the walk over the pages and the lists counted.
struct tally {
    struct strbuf *out;
    unsigned faults;
    uint64_t npages, nwired;
    uint64_t by_owner[PAGE_OWNERS];
    uint64_t on_queue[PQ_ACTIVE + 1]; // by the pages' own fields
};

#define FAULT(t, fmt, ...)                                                                         \
    do {                                                                                           \
        (t)->faults++;                                                                             \
        strbuf_printf((t)->out, "page_check: " fmt "\n", ##__VA_ARGS__);                           \
    } while (0)

static void check_free_page(struct tally *t, const struct vm_page *pg)
{
    paddr_t pa = page_to_phys(pg);

    if (pg->on_queue != PQ_FREE)
        FAULT(t, "free page %lx is on queue %u", pa, pg->on_queue);
    if (pg->wire_count || pg->object || pg->anon || (pg->flags & ~(uint32_t)PG_POISONED))
        FAULT(t, "free page %lx: wired %u object %p anon %p flags %x", pa, pg->wire_count,
              (void *)pg->object, (void *)pg->anon, pg->flags);
    if (pg->flags & PG_POISONED) {
        size_t at = page_poison_damage(pg);
        if (at < PAGE_WORDS)
            FAULT(t, "free page %lx was written: word %zu is %lx", pa, at,
                  ((const uint64_t *)page_to_dmap(pg))[at]);
    }
}

static void check_used_page(struct tally *t, const struct vm_page *pg)
{
    paddr_t pa = page_to_phys(pg);

    if (pg->on_queue == PQ_FREE || pg->on_queue > PQ_ACTIVE)
        FAULT(t, "page %lx of %s is on queue %u", pa, page_owner_name[pg->owner], pg->on_queue);
    if ((pg->wire_count || pg->loan_count) && pg->on_queue != PQ_NONE)
        FAULT(t, "page %lx is wired %u times, lent %u times and on queue %u", pa, pg->wire_count,
              pg->loan_count, pg->on_queue);
    if (pg->object && pg->anon)
        FAULT(t, "page %lx has object %p and anon %p", pa, (void *)pg->object, (void *)pg->anon);
    if ((pg->object && pg->owner != PAGE_OBJECT) || (pg->anon && pg->owner != PAGE_ANON))
        FAULT(t, "page %lx of %s has object %p anon %p", pa, page_owner_name[pg->owner],
              (void *)pg->object, (void *)pg->anon);
    if (pg->flags & PG_POISONED)
        FAULT(t, "page %lx of %s is flagged as poisoned", pa, page_owner_name[pg->owner]);
}

static void check_pages(struct tally *t)
{
    for (unsigned s = 0; s < vm_page_nsegs; s++) {
        const struct vm_page_seg *seg = &vm_page_segs[s];
        uint64_t npages = (seg->end_pa - seg->start_pa) >> PAGE_SHIFT;
        for (const struct vm_page *pg = seg->pages; pg < seg->pages + npages; pg++) {
            t->npages++;
            if (pg->seg != s || pg->owner >= PAGE_OWNERS) {
                FAULT(t, "page %p: segment %u owner %u", (const void *)pg, pg->seg, pg->owner);
                continue;
            }
            t->by_owner[pg->owner]++;
            if (pg->on_queue <= PQ_ACTIVE)
                t->on_queue[pg->on_queue]++;
            if (pg->wire_count)
                t->nwired++;
            if (pg->owner == PAGE_FREE)
                check_free_page(t, pg);
            else
                check_used_page(t, pg);
        }
    }
}

// The list must hold just the pages that say so: as many, and each with the right field.
static void check_list(struct tally *t, const struct list *head, enum page_queue q, uint64_t count)
{
    uint64_t n = 0;

    list_for_each (pg, head, struct vm_page, queue) {
        if (pg->on_queue != q)
            FAULT(t, "page %lx is on list %d but says %u", page_to_phys(pg), q, pg->on_queue);
        if (++n > t->npages) {
            FAULT(t, "list %d does not end", q);
            return;
        }
    }
    if (n != count || n != t->on_queue[q])
        FAULT(t, "queue %d: %lu on the list, counted %lu, %lu pages say so", q, n, count,
              t->on_queue[q]);
}

static void check_counts(struct tally *t)
{
    if (t->npages != page_free.npages)
        FAULT(t, "%lu pages, counted %lu", t->npages, page_free.npages);
    if (t->nwired != page_queues.nwired)
        FAULT(t, "%lu wired pages, counted %lu", t->nwired, page_queues.nwired);
    if (page_free.nfree != page_free.by_owner[PAGE_FREE])
        FAULT(t, "nfree %lu, by owner %lu", page_free.nfree, page_free.by_owner[PAGE_FREE]);
    for (unsigned o = 0; o < PAGE_OWNERS; o++)
        if (t->by_owner[o] != page_free.by_owner[o])
            FAULT(t, "%lu pages of %s, counted %lu", t->by_owner[o], page_owner_name[o],
                  page_free.by_owner[o]);
}

unsigned page_check(struct strbuf *out)
{
    struct tally t = {.out = out};

    spin_lock(&vm_page_queue_lock);
    spin_lock(&page_free.lock);
    check_pages(&t);
    check_list(&t, &page_free.list, PQ_FREE, page_free.nfree);
    check_list(&t, &page_queues.inactive, PQ_INACTIVE, page_queues.ninactive);
    check_list(&t, &page_queues.active, PQ_ACTIVE, page_queues.nactive);
    check_counts(&t);
    spin_unlock(&page_free.lock);
    spin_unlock(&vm_page_queue_lock);
    return t.faults;
}
