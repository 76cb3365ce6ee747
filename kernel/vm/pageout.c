// SPDX-License-Identifier: BSD-2-Clause
//
// The page daemon in its first form. Pages wait on two queues: a page that is not referenced moves
// from the active to the inactive one, and from there, if it is still not referenced, out of
// memory: dirty ones are written first, one at a time, while the daemon waits.
//
// Locking: a page is chosen under the page-queue lock. It cannot leave its owner meanwhile, so the
// owner is there to be locked; but that is the wrong order, so only by try-lock. Then the queues
// are released, and the owner's lock holds the page.

#include "vm/pageout.h"

#include "amd64/clock.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "sync/waitq.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/stat.h"
#include "vm/swap.h"
#include "vm/vm_object.h"

// A pass that frees too little goes round again; the last round takes referenced pages as well.
#define ROUNDS 4

// The daemon leaves this part of memory to the pages in use: without swap those of files, the text
// of what runs. To take those pages, too, would let everybody go on by a page at a time, each of
// which is taken from somebody who needs it just as much; whoever cannot have memory otherwise gets
// none.
#define FLOOR_SHARE 64
#define FLOOR_MIN   32ul

// From one try of a pass that only came upon locked or busy pages to the next, and how often.
#define STEP_NS   10000000ul
#define MAX_TRIES 1000

static struct pageout_stats stats;

void pageout_get_stats(struct pageout_stats *st)
{
    *st = stats;
}

// Where the page of an anon must stay, at least for now; the queue lock is held. Without a swap
// device it is of no use to look at it ever again.
static bool keep_anon(struct vm_page *pg)
{
    struct swap_stats ss;

    KASSERT(spin_held(&vm_page_queue_lock), "page %p", pg);
    if (!pg->anon)
        return false;
    swap_get_stats(&ss);
    if (ss.nused < ss.nslots)
        return false;
    vm_page_requeue(pg, ss.nslots ? PQ_ACTIVE : PQ_NONE);
    return true;
}

// Moves pages that were not referenced lately to the inactive queue, until that holds a third of
// all, or what is wanted. Pages that a program goes through all the time are referenced whenever
// they are looked at: so the last round takes such, too.
static void age_active(uint64_t target, bool even_referenced)
{
    struct vm_page_stats ps;

    vm_page_get_stats(&ps);
    uint64_t want = max((ps.nactive + ps.ninactive) / 3, target);
    pmap_age_begin();
    for (uint64_t n = ps.nactive; n > 0 && ps.ninactive < want; n--) {
        spin_lock(&vm_page_queue_lock);
        struct vm_page *pg = vm_page_queue_first(PQ_ACTIVE);
        if (pg && !keep_anon(pg)) {
            bool referenced = pmap_age(pg) && !even_referenced;
            vm_page_requeue(pg, referenced ? PQ_ACTIVE : PQ_INACTIVE);
            stat_add(stats.deactivated, !referenced);
            ps.ninactive += !referenced;
        }
        spin_unlock(&vm_page_queue_lock);
    }
    pmap_age_end();
}

static struct mutex *page_lock(struct vm_page *pg)
{
    KASSERT(spin_held(&vm_page_queue_lock), "page %p", pg);
    KASSERT(pg->object || pg->anon, "page %p on queue %u belongs to nobody", pg, pg->on_queue);
    return pg->object ? &pg->object->lock : &pg->anon->lock;
}

// The oldest inactive page, its owner locked, if it may go; else moves it to where it belongs and
// returns NULL.
static struct vm_page *take_oldest(bool even_referenced)
{
    struct vm_page *victim = NULL;

    spin_lock(&vm_page_queue_lock);
    struct vm_page *pg = vm_page_queue_first(PQ_INACTIVE);
    if (pg && !keep_anon(pg) && pmap_clear_reference(pg) && !even_referenced) {
        vm_page_requeue(pg, PQ_ACTIVE);
        stat_inc(stats.reactivated);
    } else if (pg && pg->on_queue == PQ_INACTIVE) {
        struct mutex *lock = page_lock(pg);
        vm_page_requeue(pg, PQ_INACTIVE);
        if (mutex_trylock(lock)) {
            if (!(pg->flags & PG_BUSY))
                victim = pg;
            else
                mutex_unlock(lock);
        }
        stat_add(stats.skipped, !victim);
    }
    spin_unlock(&vm_page_queue_lock);
    return victim;
}

static void write_begins(void)
{
    stat_inc(stats.clusters);
    stat_inc(stats.in_flight);
}

static void write_ended(int error, uint64_t *written)
{
    stat_inc(*(error ? &stats.write_errors : written));
    stat_dec(stats.in_flight);
}

// Both free the page, whose owner is locked, if they can, and unlock the owner; 1 if it is free.
static uint64_t evict_object_page(struct vm_page *pg)
{
    struct vm_object *o = pg->object;
    pgno_t pgno = pg->pgno;
    int error = 0;

    KASSERT(mutex_held(&o->lock) && !(pg->flags & PG_BUSY), "page %p, flags %#x", pg, pg->flags);
    pmap_page_protect(pg, PROT_NONE); // from here on nobody can modify it unseen
    if (pg->flags & PG_DIRTY || pmap_is_modified(pg)) {
        write_begins();
        error = o->ops->put(o, pgno, pgno + 1, PUT_CLEAN | PUT_FREE | PUT_DAEMON);
        write_ended(error, &stats.written);
    } else {
        vm_object_free_page(o, pg);
        stat_inc(stats.clean_freed);
    }
    struct vm_page *left = vm_object_lookup(o, pgno);
    if (left && error && !(left->flags & PG_BUSY))
        vm_page_activate(left);
    mutex_unlock(&o->lock);
    return !left;
}

static uint64_t evict_anon_page(struct vm_page *pg)
{
    struct vm_anon *an = pg->anon;
    KASSERT(mutex_held(&an->lock) && !(pg->flags & PG_BUSY), "page %p, flags %#x", pg, pg->flags);
    uint32_t slot = swap_alloc(1);

    if (!slot) {
        vm_page_activate(pg);
        mutex_unlock(&an->lock);
        return 0;
    }
    vm_page_busy(pg);
    pg->flags |= PG_PAGEOUT;
    pmap_page_protect(pg, PROT_NONE);
    mutex_unlock(&an->lock);
    write_begins();
    int error = swap_out(slot, &pg, 1);
    write_ended(error, &stats.swapped_out);
    if (error)
        swap_retire(slot, 1);
    anon_paged_out(an, error ? 0 : slot);
    return !error;
}

static uint64_t scan_inactive(uint64_t target, bool even_referenced)
{
    struct vm_page_stats ps;
    uint64_t nfreed = 0;

    vm_page_get_stats(&ps);
    for (uint64_t n = ps.ninactive; n > 0 && nfreed < target; n--) {
        struct vm_page *pg = take_oldest(even_referenced);
        stat_inc(stats.scanned);
        if (pg)
            nfreed += pg->object ? evict_object_page(pg) : evict_anon_page(pg);
    }
    return nfreed;
}

// How many pages may go until no more than `floor' are left that can. Some on the queues cannot:
// pages of anons without swap, which leave the queues when they are looked at.
static uint64_t above_floor(uint64_t floor)
{
    struct vm_page_stats ps;
    struct swap_stats ss;

    vm_page_get_stats(&ps);
    swap_get_stats(&ss);
    uint64_t n = ps.nactive + ps.ninactive;
    if (!ss.nslots)
        n = min(n, ps.by_owner[PAGE_OBJECT]);
    return n > floor ? n - floor : 0;
}

static uint64_t pass(uint64_t target_pages, uint64_t floor)
{
    uint64_t nfreed = 0;

    assert_may_wait_for_memory("pageout_pass");
    stat_inc(stats.passes);
    kmem_drain();
    for (unsigned round = 1; round <= ROUNDS && nfreed < target_pages; round++) {
        uint64_t want = min(target_pages - nfreed, above_floor(floor));
        if (want == 0)
            break;
        age_active(want, round == ROUNDS);
        nfreed += scan_inactive(want, round == ROUNDS);
    }
    stat_add(stats.freed, nfreed);
    if (nfreed < target_pages) {
        uint64_t ndrained = pool_reclaim_all();
        stat_add(stats.pools_drained, ndrained);
        nfreed += ndrained;
    }
    return nfreed;
}

uint64_t pageout_pass(uint64_t target_pages)
{
    assert_may_sleep("pageout_pass");
    return pass(target_pages, 0);
}

// What the daemon gains in a pass. One that gained nothing, but came upon pages that others are at,
// proves nothing: they are not done (their CPU may stand still while its host has other things to
// do), and the pass is made again, later.
static uint64_t pass_for_waiters(void)
{
    struct vm_page_stats ps;
    uint64_t nfreed, skipped;

    for (unsigned tries = 1;; tries++) {
        vm_page_get_stats(&ps);
        skipped = stats.skipped;
        nfreed = pass(max(vm_page_free_target, ps.nfree + 1) - ps.nfree,
                      max(ps.npages / FLOOR_SHARE, FLOOR_MIN));
        if (nfreed || stats.skipped == skipped || tries == MAX_TRIES)
            return nfreed;
        waitq_block(WAIT_NOINTR, clock_ns() + STEP_NS);
    }
}

_Noreturn void pageout_daemon(void *arg UNUSED)
{
    kctx_current()->reserve = RESERVE_ALL;
    for (;;) {
        vm_page_daemon_sleep();
        vm_page_daemon_report(pass_for_waiters());
    }
}
