// SPDX-License-Identifier: BSD-2-Clause
//
// What holds at each moment, and not only in the end. Watchpoints say when a reference is taken or
// given up, and when a mapping is narrowed: what another CPU could do just then must be right.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "pmap/pmap_impl.h"
#include "sync/kctx.h"
#include "sync/lock_check.h"
#include "tests/kernel/watch.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/pageout.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

#define MANY 20u
#define FEW  6u

static uint64_t words;

static void start(unsigned npages, bool share)
{
    lab_begin(npages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    lab_fill(0, 0, npages, &words);
    lab_inherit(0, 0, npages, share);
}

static uint64_t *pte_of(unsigned n, unsigned page)
{
    return lab_space[n] ? pmap_pte(lab_space[n]->pmap, lab_va(page)) : NULL;
}

static struct vm_anon *anon_of(unsigned n, unsigned page)
{
    uint64_t *word = lab_word(lab_space[n], lab_va(page));

    KASSERT(word, "page %u of space %u is not mapped", page, n);
    return dmap_to_page(word)->anon;
}

// ---- a fork that copies what others share for good ----

static const struct lock *lock; // of the amap of the two that share
static unsigned nshared;        // pages
static uint64_t *ptes[MANY];    // of who shares, and does not fork
static uint64_t written;        // the word that it wrote last, to all pages
static uint64_t at_first;       // and before anybody did meanwhile
static unsigned nwriters;       // times that it writes yet
static bool discards; // before that it throws pages 3 and 4 away, and does not write to them
static bool swaps;    // before that all goes to swap that may

static bool is_discarded(unsigned page)
{
    return discards && page >= 3 && page < 5;
}

// Who shares the pages for good writes to all of them, as it has them mapped, or by a fault: where
// somebody has a copy it gets a page of its own.
static void write_all(void)
{
    enum { MADV_DONTNEED = 4 };
    int discarded =
        discards ? vm_madvise(lab_space[0], lab_va(3), 2 * PAGE_SIZE, MADV_DONTNEED) : 0;

    KASSERT(!discarded, "madvise: error %d", discarded);
    if (swaps)
        pageout_pass(200);
    for (unsigned i = 0; i < nshared; i++) {
        if (is_discarded(i))
            continue;
        bool writable = pte_load(ptes[i]) & PTE_W;
        int error = writable ? 0 : vm_fault(&lab_space[0]->map, lab_va(i), PROT_WRITE);
        KASSERT(!error && pte_load(ptes[i]) & PTE_W, "page %u: error %d", i, error);
        *(uint64_t *)phys_to_dmap(pte_load(ptes[i]) & PTE_PA) = written;
    }
}

// The same where the fork has the amap locked, or an anon: without a fault.
static void write_writable(void)
{
    for (unsigned i = 0; i < nshared; i++)
        if (pte_load(ptes[i]) & PTE_W && !is_discarded(i))
            *(uint64_t *)phys_to_dmap(pte_load(ptes[i]) & PTE_PA) = written;
}

static bool is_locked(void)
{
    const struct kctx *ctx = kctx_current();

    for (size_t i = 1; i <= ctx->nheld; i++)
        if (ctx->held[i] == lock || ctx->held[i]->rank == LOCK_ANON)
            return true;
    return false;
}

// The fork lets go of the amap: faults of who shares may come. What the child has they must find
// write-protected; the first ones write.
static void see_unlocked(void)
{
    for (unsigned i = 0; i < nshared; i++) {
        uint64_t pte = pte_load(ptes[i]);
        KTEST_CHECK(!(pte & PTE_W) || phys_to_page(pte & PTE_PA)->anon->nrefs == 1,
                    "a fork has unlocked the amap, and page %u, which the child has, is mapped "
                    "writable by who shares it for good",
                    i);
    }
    if (nwriters && !is_locked() && !ktest_failed()) {
        nwriters--;
        written++;
        lab_meanwhile(write_all);
    }
}

// What the child has was there at one moment, whichever that is, and nobody else can write to it.
static void expect_one_moment(const char *what, uint64_t nth)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < nshared; i++) {
        int error = vm_fault(&lab_space[2]->map, lab_va(i), PROT_READ);
        const uint64_t *at = lab_word(lab_space[2], lab_va(i));
        KASSERT(!error && at, "page %u of the child: error %d", i, error);
        first = i ? first : *at;
        KTEST_CHECK(*at == (is_discarded(i) && first > at_first ? 0 : first),
                    "a fork %s %lu, and who shares all pages for good %s: the child has word %lu "
                    "in page 0 and %lu in page %u, which were there at no one moment",
                    what, nth,
                    discards ? "throws pages 3 and 4 away and writes to the others meanwhile"
                    : swaps  ? "writes to them meanwhile, once the copies are in swap"
                             : "writes to them meanwhile",
                    first, *at, i);
        uint64_t pte = pte_load(ptes[i]);
        KTEST_CHECK(!(pte & PTE_W) || phys_to_dmap(pte & PTE_PA) != at,
                    "a fork %s %lu, and page %u, which the child has, is mapped writable by who "
                    "shares it for good",
                    what, nth, i);
    }
}

static void look_at(unsigned npages)
{
    lock = lab_amap_lock(0);
    nshared = npages;
    written = at_first = ++words;
    for (unsigned i = 0; i < npages; i++) {
        ptes[i] = pte_of(0, i);
        *lab_word(lab_space[0], lab_va(i)) = written;
    }
}

// The model does not know the child.
static void drop_spaces(void)
{
    if (lab_space[2])
        vm_space_unref(lab_space[2]);
    lab_space[2] = NULL;
    words = written;
    lab_exit(0);
    lab_exit(1);
}

// G shares with P, P forks, and G writes as often as it may.
static void watch_snapshot(unsigned npages, unsigned most)
{
    start(npages, true);
    lab_fork(0, 1);
    lab_inherit(1, 0, npages, false);
    lab_fill(0, 0, npages, &words); // and so all are mapped writable
    look_at(npages);
    nwriters = most;
    lab_when_unlocked(lock, see_unlocked);
    int error = vm_space_fork(lab_space[1], &lab_space[2]);
    watch_off();
    KASSERT(!error, "fork: error %d", error);
    expect_one_moment("lets writers at the amap, at most", most);
    written++;
    write_all(); // the child has its pages for good
    expect_one_moment("is done, after writers, at most", most);
    drop_spaces();
    lab_end();
}

KTEST(lab_anon_moment)
{
    for (unsigned most = 0; most < 4 && !ktest_failed(); most++) {
        watch_snapshot(MANY, most);
        watch_snapshot(FEW, most);
    }
}

// ---- a fork that waits ----

// The fork waits for memory, and who shares the pages for good writes to all of them meanwhile.
static void write_meanwhile(unsigned fn UNUSED, const uint64_t args[WATCH_ARGS] UNUSED)
{
    if (lab_is_meanwhile())
        return;
    written++;
    if (is_locked())
        write_writable();
    else
        lab_meanwhile(write_all);
}

// G shares with P, which forks; one of them has the pages wired, but for some that were thrown away
// and written again. False: the fork asks for memory less often.
static bool fork_waits(unsigned npages, unsigned wirer, uint64_t nth)
{
    const vaddr_t waits[] = {(vaddr_t)vm_page_wait, (vaddr_t)vm_page_wait_starved};

    lab_new_space(0);
    lab_map(0, 0, npages);
    lab_fill(0, 0, npages, &words);
    lab_inherit(0, 0, npages, true);
    lab_fork(0, 1);
    lab_inherit(1, 0, npages, false);
    lab_wire(wirer, 0, npages, true);
    if (lab_discard_shared)
        lab_discard(!wirer, 2, 4);
    lab_fill(!wirer, 2, 4, &words);
    lab_fill(0, 0, npages, &words); // and so all are mapped writable
    look_at(npages);
    watch_calls(waits, array_len(waits), write_meanwhile);
    kctx_current()->fail_nth = nth;
    int error = vm_space_fork(lab_space[1], &lab_space[2]);
    bool failed = !kctx_current()->fail_nth;
    kctx_current()->fail_nth = 0;
    watch_off();
    if (!error)
        expect_one_moment("waits for memory, as its allocation fails, number", nth);
    drop_spaces();
    return failed;
}

KTEST(lab_anon_moment_waits)
{
    lab_start_swap();
    lab_begin(MANY);
    for (unsigned kind = 0; kind < 12 && !ktest_failed(); kind++) {
        uint64_t nth = 1;
        discards = kind & 4;
        swaps = kind & 8;
        if (discards && (!lab_discard_shared || !(kind & 1)))
            continue; // who has it wired may not throw it away
        while (fork_waits(kind & 2 ? MANY : FEW, kind & 1, nth) && !ktest_failed())
            nth++;
    }
    discards = swaps = false;
    lab_end();
}

// ---- a page whose mappings are narrowed ----

static void see_protect(unsigned fn UNUSED, const uint64_t args[WATCH_ARGS])
{
    const struct vm_page *pg = (const struct vm_page *)args[0];
    bool locked = pg->flags & PG_BUSY || (pg->anon     ? mutex_held(&pg->anon->lock)
                                          : pg->object ? mutex_held(&pg->object->lock)
                                                       : true);

    KTEST_CHECK(locked, "the mappings of a page are narrowed whose owner is not locked: the page "
                        "daemon may have taken it from its owner just before");
}

// Forks of what is shared for good and what is not, writes to it, and what is thrown away.
KTEST(lab_anon_moment_narrowed)
{
    const vaddr_t narrows[] = {(vaddr_t)pmap_page_protect};

    for (unsigned share = 0; share < 2; share++) {
        start(MANY, share);
        watch_calls(narrows, array_len(narrows), see_protect);
        lab_fork(0, 1);
        lab_inherit(1, 0, MANY, false);
        lab_fill(0, 0, MANY, &words);
        lab_fork(1, 2);
        lab_fill(1, 0, FEW, &words);
        lab_fill(2, 0, FEW, &words);
        if (!share || lab_discard_shared)
            lab_discard(1, 4, 12);
        lab_unmap(0, 8, MANY);
        watch_off();
        lab_read_all();
        lab_end();
    }
}

// ---- an anon that loses a reference ----

static struct vm_anon *given_up;
static paddr_t its_frame;
static unsigned keeper, page_of; // the space that keeps it

// From when it is unlocked the one that has it alone may write to it: nobody else has it mapped.
static void see_release(vaddr_t rip UNUSED)
{
    if (mutex_held(&given_up->lock) || given_up->nrefs != 1)
        return;
    for (unsigned n = 0; n < LAB_SPACES; n++) {
        const uint64_t *pte = n == keeper ? NULL : pte_of(n, page_of);
        uint64_t now = pte ? pte_load(pte) : 0;
        KTEST_CHECK(!(now & PTE_P) || (now & PTE_PA) != its_frame,
                    "page %u is space %u's alone, its anon is unlocked, and space %u maps it still",
                    page_of, keeper, n);
    }
}

// One does something to its page: then the anon that it had is the keeper's.
static void give_up(unsigned n, unsigned page, unsigned keeps,
                    void (*how)(unsigned n, unsigned page))
{
    lab_read_all();
    given_up = anon_of(keeps, page);
    its_frame = page_to_phys(given_up->page);
    keeper = keeps;
    page_of = page;
    if (given_up->nrefs > 1) // else it was copied earlier
        watch_words(&given_up->lock.state, 1, WATCH_WRITES, see_release);
    how(n, page);
    watch_off();
    lab_read_all();
}

static void by_write(unsigned n, unsigned page)
{
    lab_write(n, page, ++words);
}

// The nth allocation fails, and so the mapping may not be entered at once.
static void by_late_write(unsigned n, unsigned page)
{
    lab_fail_nth = 1 + page % 4;
    lab_write(n, page, ++words);
    lab_fail_nth = 0;
}

static void by_unmap(unsigned n, unsigned page)
{
    lab_unmap(n, page, page + 1);
}

static void by_discard(unsigned n, unsigned page)
{
    lab_discard(n, page, page + 1);
}

static void (*const ways[])(unsigned n, unsigned page) = {by_write, by_late_write, by_unmap,
                                                          by_discard};

// Parent and child, each in turn.
static void give_up_copies(unsigned npages)
{
    for (unsigned n = 0; n < 2; n++) {
        start(npages, false);
        lab_fork(0, 1);
        for (unsigned i = 0; i < npages; i++)
            give_up(n, i, !n, ways[i / 2 % array_len(ways)]);
        lab_end();
    }
}

KTEST(lab_anon_given_up)
{
    give_up_copies(MANY);
    give_up_copies(FEW);
}

// Two share for good, and a child of one has a copy, which keeps what the two give up.
static void give_up_shared(unsigned npages)
{
    for (unsigned n = 0; n < 2; n++) {
        start(npages, true);
        lab_fork(0, 1);
        lab_inherit(1, 0, npages, false);
        lab_fork(1, 2);
        for (unsigned i = 0; i < npages; i++) {
            if (i % 3 < 2)
                give_up(n, i, 2, ways[i % 3]);
            else if (lab_discard_shared)
                give_up(n, i, 2, by_discard);
        }
        lab_end();
    }
}

KTEST(lab_anon_given_up_shared)
{
    give_up_shared(MANY);
    give_up_shared(FEW);
}
