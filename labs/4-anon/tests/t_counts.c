// SPDX-License-Identifier: BSD-2-Clause
//
// What counts say: of a mapping that was split while a child had it, or whose slots another mapping
// has as well; of an anon that is in swap, of a page that is lent.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

static uint64_t words;

// A mapping that was split while a child had it, and made whole when the child was gone, grows.
KTEST(lab_anon_grow_split)
{
    lab_begin(64);
    lab_new_space(0);
    lab_map(0, 16, 48);
    lab_fill(0, 16, 48, &words);
    lab_fork(0, 1);
    lab_protect(0, 20, 24, false);
    lab_exit(1);
    lab_protect(0, 20, 24, true);
    lab_write(0, 16, ++words);
    lab_grow(0, 16, 48, 64, &words);
    lab_read_all();
    lab_map_neighbours(2);
    lab_point("grown");
    lab_end();
}

// A child keeps the pages [first, end) alone of what its parent has, and sees nothing of what the
// parent does with all of them, beginning with one that is not shared.
static void keep_run(unsigned npages, unsigned first, unsigned end, bool discards)
{
    lab_fork(0, 1);
    if (first)
        lab_unmap(1, 0, first);
    if (end < npages)
        lab_unmap(1, end, npages);
    if (discards)
        lab_discard(0, 0, npages);
    else
        lab_write(0, first ? 0 : npages - 1, ++words);
    lab_fill(0, 0, npages, &words);
    lab_read_all();
    lab_exit(1);
}

// Each run of the pages in turn.
KTEST(lab_anon_runs)
{
    enum { N = 12 };

    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
    for (unsigned first = 0; first < N; first++) {
        for (unsigned end = first + 1; end <= N; end++) {
            keep_run(N, first, end, false);
            keep_run(N, first, end, true);
        }
    }
    lab_end();
}

// True if somebody else has the first page's slot of space 0, as its amap says.
static bool first_shared(void)
{
    struct vm_map *map = &lab_space[0]->map;
    struct vm_map_entry *e;
    bool shared = false;

    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, LAB_VA, &e) && e->amap) {
        amap_lock(e->amap);
        shared = amap_shared(e->amap, e->amap_slot, 1);
        amap_unlock(e->amap);
    }
    rw_unlock_read(&map->lock);
    return shared;
}

// More spaces have the same pages than a byte counts; each goes, and nothing is lost.
static void many(bool share)
{
    static struct vm_space *children[300];

    lab_begin(16);
    lab_new_space(0);
    lab_map(0, 0, 16);
    lab_fill(0, 0, 16, &words);
    lab_inherit(0, 0, 16, share);
    for (unsigned i = 0; i < array_len(children); i++) {
        int error = vm_space_fork(lab_space[0], &children[i]);
        KASSERT(!error, "fork %u: error %d", i, error);
        KTEST_CHECK(!share || first_shared(),
                    "%u spaces share a page for good, and amap_shared says that one alone has it",
                    i + 2);
    }
    for (unsigned i = 0; i < array_len(children) && !ktest_failed(); i++) {
        vm_space_unref(children[i]);
        lab_read_all();
    }
    if (!ktest_failed())
        lab_end();
}

KTEST(lab_anon_many)
{
    many(true);
    if (!ktest_failed())
        many(false);
}

// Four pages of one mapping move away, and new ones take their place, all at once or one by one:
// they show zeroes, whichever neighbour they are one with, and what moved keeps what it had.
static void fill_gap(unsigned first, unsigned step)
{
    enum { N = 12, GAP = 4, AWAY = 20 };
    unsigned end = first + GAP;

    lab_begin(32);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
    lab_move(0, first, end, AWAY);
    for (unsigned i = end; i > first; i -= step)
        lab_map(0, i - step, i);
    for (unsigned i = first; i < end; i++)
        lab_read_untouched(0, i);
    lab_read_all();
    lab_fill(0, first, end, &words);
    lab_read_all();
    lab_discard(0, first, end);
    lab_read_all();
    lab_unmap(0, AWAY, AWAY + GAP);
    lab_read_all();
    lab_point("gone");
    lab_end();
}

KTEST(lab_anon_gap)
{
    for (unsigned first = 0; first < 12; first += 4) {
        fill_gap(first, 4);
        fill_gap(first, 1);
    }
}

// One entry more has all slots but the first of an amap, of which another has a part already, or
// nobody. If the nth allocation fails, all is as it was: then false.
static bool try_ref(struct vm_amap *am, pgno_t npages, uint64_t nth, unsigned nrefs)
{
    static char text[512];
    struct strbuf out;
    struct kctx *ctx = kctx_current();

    ctx->fail_nth = nth;
    int error = amap_ref(am, 1, npages - 1);
    bool failed = !ctx->fail_nth;
    ctx->fail_nth = 0;
    KTEST_CHECK(!error || (failed && error == ENOMEM), "amap_ref %lu: error %d", nth, error);
    if (!error)
        return true;
    lab_expect_marked("an amap_ref whose allocation fails, number", nth);
    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(!amap_check(&out), "after an amap_ref whose allocation %lu fails: %s", nth, text);
    KTEST_CHECK(amap_nrefs(am) == nrefs, "an amap_ref that fails makes %u of %u references",
                amap_nrefs(am), nrefs);
    amap_lock(am);
    KTEST_CHECK(amap_shared(am, 0, 3) == (nrefs > 1) && !amap_shared(am, 3, npages - 3),
                "an amap_ref that fails changes who covers what");
    amap_unlock(am);
    return false;
}

// An amap that is too long for one table of counts.
static void ref_short(bool counted)
{
    enum { N = 3 << 12 };
    uint64_t nth = 1;

    lab_begin(0);
    struct vm_amap *am = amap_alloc(N);
    KASSERT(am && !(counted && amap_ref(am, 1, 2)), "no memory for an amap");
    lab_mark();
    while (!try_ref(am, N, nth, 1 + counted) && nth < 1000)
        nth++;
    if (nth < 1000)
        amap_unref(am, 1, N - 1);
    if (counted)
        amap_unref(am, 1, 2);
    int error = amap_extend(am, 0, N, 1);
    KTEST_CHECK(!error, "amap_extend by the only entry that is left: error %d", error);
    amap_unref(am, 0, N);
    lab_point("end");
}

KTEST(lab_anon_ref_short)
{
    ref_short(true);
    ref_short(false);
}

// ---- who covers what, in an array of several tables ----

#define UNIT  100u // slots
#define UNITS 60u

// Two mappings that have all of one array, each cut into entries.
struct half {
    bool covers[UNITS];
    bool begins[UNITS + 1]; // an entry begins there, or nothing does
};

static bool cut(struct vm_amap *am, struct half *h, unsigned unit)
{
    unsigned first = unit, end = unit;

    if (h->begins[unit])
        return false;
    while (!h->begins[first])
        first--;
    while (!h->begins[end])
        end++;
    amap_split(am, first * UNIT, unit * UNIT, end * UNIT);
    return h->begins[unit] = true;
}

// An anon in the midst of each unit is there as long as one of the two covers it.
static void expect_covered(struct vm_amap *am, const struct half *half)
{
    amap_lock(am);
    for (unsigned unit = 0; unit < UNITS; unit++) {
        bool there = amap_lookup(am, unit * UNIT + UNIT / 2);
        bool wanted = half[0].covers[unit] || half[1].covers[unit];
        KTEST_CHECK(there == wanted, "the anon of slot %u is%s there, and %s covers it",
                    unit * UNIT + UNIT / 2, there ? "" : " not",
                    !wanted                                        ? "nobody"
                    : half[0].covers[unit] && half[1].covers[unit] ? "each of two"
                                                                   : "one");
    }
    amap_unlock(am);
}

// An entry of so many units, or less, goes.
static void give_up(struct vm_amap *am, struct half *h, unsigned first, unsigned nunits)
{
    unsigned end = first + 1;

    if (!h->covers[first])
        return;
    while (end < UNITS && end < first + nunits && h->covers[end])
        end++;
    cut(am, h, first);
    cut(am, h, end);
    for (unsigned unit = first; unit < end;) {
        unsigned next = unit + 1;
        while (!h->begins[next])
            next++;
        amap_unref(am, unit * UNIT, (next - unit) * UNIT);
        while (unit < next) {
            h->covers[unit] = false;
            h->begins[unit++] = true;
        }
    }
}

KTEST(lab_anon_tables)
{
    static struct half half[2];
    struct rng r = lab_rng(9);

    lab_begin(0);
    struct vm_amap *am = amap_alloc(UNITS * UNIT);
    KASSERT(am && !amap_ref(am, 0, UNITS * UNIT), "no memory for an amap");
    for (unsigned unit = 0; unit < UNITS; unit++) {
        amap_lock(am);
        struct vm_anon *an = anon_alloc_page(NULL);
        KASSERT(an && !amap_add(am, unit * UNIT + UNIT / 2, an), "no memory for an anon");
        vm_page_activate(an->page);
        mutex_unlock(&an->lock);
        amap_unlock(am);
        for (unsigned h = 0; h < 2; h++)
            half[h].covers[unit] = half[h].begins[0] = half[h].begins[UNITS] = true;
    }
    for (unsigned n = 0; n < 200 && !ktest_failed(); n++) {
        // The last unit stays, or the array would be gone.
        unsigned h = (unsigned)rng_below(&r, 2), first = (unsigned)rng_below(&r, UNITS - 1);
        give_up(am, &half[h], first, 1 + (unsigned)rng_below(&r, UNITS - 1 - first));
        expect_covered(am, half);
    }
    for (unsigned h = 0; h < 2 && !ktest_failed(); h++)
        for (unsigned first = 0; first < UNITS; first++)
            give_up(am, &half[h], first, UNITS);
    lab_point("end");
}

// References too many and too few are found, and right ones are not.
static void miscount(struct vm_anon *an, const char *where)
{
    static char text[512];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(!amap_check(&out), "an anon %s is taken for wrong: %s", where, text);
    an->nrefs++;
    KTEST_CHECK(amap_check(&out), "a reference too many of an anon %s is not found", where);
    an->nrefs -= 2;
    KTEST_CHECK(amap_check(&out), "a reference too few of an anon %s is not found", where);
    an->nrefs++;
}

KTEST(lab_anon_check_swapped)
{
    lab_begin(20);
    lab_new_space(0);
    lab_map(0, 0, 20);
    lab_fill(0, 0, 20, &words);
    lab_fork(0, 1);
    lab_write(1, 0, ++words);
    lab_fork(1, 2);                         // whose array is the child's as well
    for (unsigned i = 0; i < 20; i += 10) { // of the child alone, and of both
        struct vm_page *pg = dmap_to_page(lab_word(lab_space[i == 0], lab_va(i)));
        struct vm_anon *an = pg->anon;
        miscount(an, "in memory");
        an->page = NULL;
        an->swap_slot = 1;
        miscount(an, "in swap");
        an->page = pg;
        an->swap_slot = 0;
    }
    lab_end();
}

// ---- an amap that is locked while the check looks ----

static struct vm_amap *locked; // by somebody else
static unsigned nlooks;        // that it is locked for still

static void see_look(vaddr_t rip UNUSED)
{
    if (nlooks && --nlooks)
        return;
    watch_off();
    if (locked)
        amap_unlock(locked);
    locked = NULL;
}

// Nothing is wrong. The amap of a space is locked until the check has touched its lock so often.
static void check_locked(unsigned n, unsigned until)
{
    static char text[512];
    struct strbuf out;
    struct vm_map *map = &lab_space[n]->map;
    struct vm_map_entry *e;

    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(!amap_check(&out), "amap_check, with no amap locked, says: %s", text);
    const struct mutex *m = (const struct mutex *)lab_amap_lock(n); // its head
    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, LAB_VA, &e) && e->amap)
        amap_lock(locked = e->amap);
    nlooks = until;
    watch_words((const void *)((uintptr_t)&m->state & ~7ul), 1, WATCH_ALL, see_look);
    unsigned nfaults = amap_check(&out);
    nlooks = 0;
    see_look(0);
    rw_unlock_read(&map->lock);
    KTEST_CHECK(!nfaults && !out.len,
                "nothing is wrong, an amap was locked when amap_check came to it, until it has "
                "touched the lock %u times, and it finds %u faults: %s",
                until, nfaults, text);
}

KTEST(lab_anon_check_locked)
{
    lab_begin(20);
    for (unsigned n = 0; n < 3; n += 2) {
        lab_new_space(n);
        lab_map(n, 0, 20);
        lab_fill(n, 0, 20, &words);
    }
    lab_fork(0, 1);
    lab_write(1, 0, ++words); // an array of its own, of the same anons
    for (unsigned n = 0; n < 3; n++)
        for (unsigned until = 1; until <= 8; until++)
            check_locked(n, until);
    lab_end();
}

// A form may lend nothing. What it lends nobody writes to.
KTEST(lab_anon_lend)
{
    struct vm_page *pages[4];
    struct vm_map_entry *e;
    unsigned n = array_len(pages);
    int error = EOPNOTSUPP;

    lab_begin(4);
    lab_new_space(0);
    lab_map(0, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        lab_write(0, i, i + 1);
    struct vm_map *map = &lab_space[0]->map;
    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, LAB_VA, &e) && e->amap) {
        amap_lock(e->amap);
        error = amap_lend(e->amap, e->amap_slot, &n, pages);
        amap_unlock(e->amap);
    }
    rw_unlock_read(&map->lock);
    KTEST_CHECK(!error || error == EOPNOTSUPP, "amap_lend of what is in memory: error %d", error);
    for (unsigned i = 0; i < n && !error; i++) {
        lab_write(0, i, ++words + 100);
        uint64_t word = *(uint64_t *)page_to_dmap(pages[i]);
        KTEST_CHECK(word == i + 1, "page %u, which is lent, holds %#lx, not %#x%s", i, word, i + 1,
                    lab_why(word, i + 1, false));
        vm_page_lend_end(pages[i]);
    }
    lab_read_all();
    lab_end();
}
