// SPDX-License-Identifier: BSD-2-Clause
//
// The free list: set-up from the ranges of RAM, allocation and release of single pages, figures.
// Locking: page_free.lock (rank LOCK_PAGES) guards the free list and all counters; page contents
// are filled and checked outside it, while the page belongs to the caller alone.

#include "lib/atomic.h"
#include "lib/panic.h"
#include "lib/poison.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/vm_page.h"
#include "mem/vm_page_impl.h"
#include "sync/kctx.h"

uint64_t vm_page_reserve_kernel = 5;
uint64_t vm_page_reserve_daemon = 1;
uint64_t vm_page_free_min;
uint64_t vm_page_free_target;
enum page_poison vm_page_poison = POISON_ENDS;

static bool (*page_mapped)(const struct vm_page *pg);

struct page_free_state page_free = {
    .lock = SPINLOCK_INIT("pages", LOCK_PAGES, 0),
    .list = LIST_INIT(page_free.list),
    .free_waitq = WAITQ_INIT("page wait", page_free.free_waitq),
    .daemon_waitq = WAITQ_INIT("page daemon", page_free.daemon_waitq),
};

// ---- start-up ----

// Makes a segment of [start, end), whose pages' array takes its first pages.
static void add_segment(paddr_t start_pa, paddr_t end_pa)
{
    KASSERT(vm_page_nsegs < VM_PAGE_MAX_SEGS, "%u segments", vm_page_nsegs);
    struct vm_page_seg *seg = &vm_page_segs[vm_page_nsegs];
    uint64_t npages = (end_pa - start_pa) >> PAGE_SHIFT;
    uint64_t narray = page_round(npages * sizeof(struct vm_page)) >> PAGE_SHIFT;

    *seg = (struct vm_page_seg){start_pa, end_pa, phys_to_dmap(start_pa)};
    memset(seg->pages, 0, npages * sizeof(struct vm_page));
    for (uint64_t i = 0; i < npages; i++) {
        struct vm_page *pg = &seg->pages[i];
        pg->seg = (uint16_t)vm_page_nsegs;
        if (i < narray) {
            pg->owner = PAGE_KERNEL;
            list_init(&pg->queue);
        } else {
            pg->on_queue = PQ_FREE;
            list_push_back(&page_free.list, &pg->queue);
        }
    }
    vm_page_nsegs++;
    page_free.npages += npages;
    page_free.nfree += npages - narray;
    page_free.by_owner[PAGE_KERNEL] += narray;
}

static void set_limits(uint64_t npages)
{
    vm_page_reserve_kernel = min(5 + npages / 2048, 64ul);
    vm_page_free_min = vm_page_reserve_kernel + max(8ul, min(npages / 128, 1024ul));
    vm_page_free_target = vm_page_free_min + vm_page_free_min / 3;
}

void vm_page_init(const struct phys_range *ranges, unsigned nranges)
{
    for (unsigned i = 0; i < nranges; i++) {
        paddr_t start_pa = ranges[i].start_pa, end_pa = min(ranges[i].end_pa, DMAP_SIZE);
        KASSERT(page_aligned(start_pa) && page_aligned(end_pa), "range %lx-%lx", start_pa, end_pa);
        // Below two pages the array leaves nothing over.
        if (vm_page_nsegs == VM_PAGE_MAX_SEGS || end_pa < start_pa + 2 * PAGE_SIZE)
            kprintf("vm_page: memory %lx-%lx is left out\n", start_pa, ranges[i].end_pa);
        else
            add_segment(start_pa, end_pa);
    }
    page_free.by_owner[PAGE_FREE] = page_free.nfree;
    page_waitqs_init();
    set_limits(page_free.npages);
}

void vm_page_set_mapped_check(bool (*mapped)(const struct vm_page *pg))
{
    page_mapped = mapped;
}

// ---- poison ----

size_t page_poison_damage(const struct vm_page *pg)
{
    const uint64_t *words = page_to_dmap(pg);
    size_t step = vm_page_poison == POISON_ALL ? 1 : PAGE_WORDS - 1;

    for (size_t i = 0; i < PAGE_WORDS; i += step)
        if (words[i] != PAGE_POISON)
            return i;
    return PAGE_WORDS;
}

static void poison(struct vm_page *pg)
{
    uint64_t *words = page_to_dmap(pg);

    if (vm_page_poison == POISON_ALL)
        fill_words(words, PAGE_POISON, PAGE_WORDS);
    else
        words[0] = words[PAGE_WORDS - 1] = PAGE_POISON;
}

static void check_poison(const struct vm_page *pg)
{
    const uint64_t *words = page_to_dmap(pg);
    // The usual case by hand: this is on the path of every allocation.
    if (vm_page_poison == POISON_ENDS && words[0] == PAGE_POISON &&
        words[PAGE_WORDS - 1] == PAGE_POISON)
        return;
    size_t at = page_poison_damage(pg);

    KASSERT(at == PAGE_WORDS, "page %p (pa %lx) was written after it was freed: word %zu is %lx",
            (const void *)pg, page_to_phys(pg), at, words[at]);
}

// ---- allocation ----

bool page_pass_due(void)
{
    KASSERT(spin_held(&page_free.lock), "%lu pages free", page_free.nfree);
    return page_free.pass_wanted || page_free.daemon_woken ||
           (page_free.nfree < vm_page_free_min && !page_free.fruitless);
}

void page_daemon_kick(void)
{
    KASSERT(spin_held(&page_free.lock), "%lu pages free", page_free.nfree);
    if (page_pass_due())
        waitq_wake_one(&page_free.daemon_waitq);
}

static inline void zero(struct vm_page *pg)
{
    fill_words(page_to_dmap(pg), 0, PAGE_WORDS);
    add_relaxed(&page_free.zeroed[pg->owner], 1);
}

void vm_page_zero(struct vm_page *pg)
{
    zero(pg);
}

// Free pages that a request must leave alone.
static uint64_t pages_to_leave(unsigned flags)
{
    uint8_t reserve = kctx_current()->reserve;

    if (reserve == RESERVE_ALL)
        return 0;
    return reserve || flags & PA_RESERVE ? vm_page_reserve_daemon : vm_page_reserve_kernel;
}

struct vm_page *page_take(enum page_owner owner, unsigned flags)
{
    struct vm_page *pg = NULL;
    bool poisoned = false;
    uint64_t leave = pages_to_leave(flags);

    KASSERT(owner > PAGE_KERNEL && owner < PAGE_OWNERS, "owner %d", owner);
    spin_lock(&page_free.lock);
    if (page_free.nfree > leave) {
        pg = list_pop(&page_free.list, struct vm_page, queue);
        KASSERT(pg && pg->owner == PAGE_FREE, "page %p on the list of %lu free ones", (void *)pg,
                page_free.nfree);
        pg->on_queue = PQ_NONE;
        pg->owner = (uint8_t)owner;
        poisoned = pg->flags & PG_POISONED;
        pg->flags = 0;
        page_free.nfree--;
        page_free.by_owner[PAGE_FREE]--;
        page_free.by_owner[owner]++;
        page_free.allocs++;
    } else {
        page_free.alloc_failures++;
    }
    if (page_free.nfree < vm_page_free_min)
        page_daemon_kick();
    spin_unlock(&page_free.lock);
    if (!pg)
        return NULL;
    if (poisoned)
        check_poison(pg);
    pg->attrs = 0;
    pg->pgno = 0;
    if (flags & PA_ZERO)
        zero(pg);
    else
        poison_fill(page_to_dmap(pg), PAGE_SIZE);
    return pg;
}

struct vm_page *vm_page_alloc(enum page_owner owner, unsigned flags)
{
    if (fail_injected())
        return NULL;
    return page_take(owner, flags);
}

static void assert_freeable(const struct vm_page *pg)
{
    KASSERT(pg->owner > PAGE_KERNEL && pg->owner < PAGE_OWNERS, "page %p owner %u freed",
            (const void *)pg, pg->owner);
    KASSERT(pg->on_queue == PQ_NONE && (pg->wire_count | pg->loan_count) == 0,
            "page %p queue %u wired %u lent %u", (const void *)pg, pg->on_queue, pg->wire_count,
            pg->loan_count);
    KASSERT(!(pg->flags & (PG_BUSY | PG_WANTED)), "page %p flags %x", (const void *)pg, pg->flags);
    KASSERT(!pg->object && !pg->anon, "page %p object %p anon %p", (const void *)pg,
            (void *)pg->object, (void *)pg->anon);
    KASSERT(!page_mapped || !page_mapped(pg), "page %p (owner %s) is still mapped",
            (const void *)pg, page_owner_name[pg->owner]);
}

void vm_page_free(struct vm_page *pg)
{
    assert_freeable(pg);
    if (vm_page_poison != POISON_OFF)
        poison(pg);
    spin_lock(&page_free.lock);
    pg->flags = vm_page_poison != POISON_OFF ? PG_POISONED : 0;
    page_free.by_owner[pg->owner]--;
    page_free.by_owner[PAGE_FREE]++;
    page_free.nfree++;
    page_free.frees++;
    pg->owner = PAGE_FREE;
    pg->on_queue = PQ_FREE;
    list_push_front(&page_free.list, &pg->queue);
    if (page_free.nfree >= vm_page_free_min)
        page_free.fruitless = false;
    if (page_free.nwaiting && page_free.nfree > vm_page_reserve_kernel)
        waitq_wake_all(&page_free.free_waitq);
    spin_unlock(&page_free.lock);
}

// ---- figures ----

void vm_page_get_stats(struct vm_page_stats *st)
{
    spin_lock(&vm_page_queue_lock);
    spin_lock(&page_free.lock);
    *st = (struct vm_page_stats){
        .npages = page_free.npages,
        .nfree = page_free.nfree,
        .nactive = page_queues.nactive,
        .ninactive = page_queues.ninactive,
        .nwired = page_queues.nwired,
        .allocs = page_free.allocs,
        .frees = page_free.frees,
        .alloc_failures = page_free.alloc_failures,
        .waits = page_free.waits,
        .wait_failures = page_free.wait_failures,
    };
    memcpy(st->by_owner, page_free.by_owner, sizeof(st->by_owner));
    memcpy(st->zeroed, page_free.zeroed, sizeof(st->zeroed));
    spin_unlock(&page_free.lock);
    spin_unlock(&vm_page_queue_lock);
}
