// SPDX-License-Identifier: BSD-2-Clause
//
// Wired memory at a fork: what the child gets is what one moment left there, though its pages are
// copied one after the other, and though not every page of a wired mapping is wired. And it stays
// where it is, whatever others do who have the same pages.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "pmap/pmap_impl.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

#define N 8u

static uint64_t words;

// ---- the page that a fork copies just now ----

static unsigned forker, watched; // a space, and its page
static bool touched;

// Somebody touches the page, a fork that copies it: nobody can write to it now, who forks or shares
// it for good, for a thread that did could have seen what it has in a page that is copied already,
// or not yet.
static void see_copy(vaddr_t rip UNUSED)
{
    for (unsigned n = 0; n < LAB_SPACES && !touched; n++) {
        const uint64_t *pte = lab_space[n] ? pmap_pte(lab_space[n]->pmap, lab_va(watched)) : NULL;
        KTEST_CHECK(!pte || !(pte_load(pte) & PTE_W),
                    "a fork of space %u copies page %u, which is wired, while space %u, %s, can "
                    "write to it",
                    forker, watched, n,
                    n == forker ? "whose page it is" : "which shares it for good");
    }
    touched = true;
}

static void fork_watched(unsigned n, unsigned child, unsigned page)
{
    forker = n;
    watched = page;
    touched = false;
    watch_words(lab_word(lab_space[n], lab_va(page)), 1, WATCH_ALL, see_copy);
    lab_fork(n, child);
    watch_off();
}

static void start(void)
{
    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
}

// Three share the pages for good, all have them mapped writable, and one of them has them wired.
// The second one forks.
static void fork_sharer(unsigned npages, unsigned wirer)
{
    lab_begin_full(npages, &words);
    lab_inherit(0, 0, npages, true);
    lab_fork(0, 1);
    lab_fork(0, 2);
    lab_inherit(1, 0, npages, false);
    lab_wire(wirer, 0, npages, true);
    for (unsigned page = 0; page < npages; page++) {
        for (unsigned n = 0; n < 3; n++)
            lab_fill(n, 0, npages, &words);
        fork_watched(1, 3, page);
        lab_read_all();
        lab_exit(3);
    }
    lab_end();
}

KTEST(lab_anon_wired_moment)
{
    start();
    lab_wire(0, 0, N, true);
    for (unsigned page = 0; page < N; page++) {
        lab_fill(0, 0, N, &words);
        fork_watched(0, 1, page);
        lab_read_all();
        lab_exit(1);
    }
    lab_end();
    for (unsigned wirer = 0; wirer < 3; wirer++) {
        fork_sharer(N, wirer);
        fork_sharer(2 * N, wirer);
    }
}

// It was made read-only before it was wired, and still needs a copy: a fork copies it all the same.
KTEST(lab_anon_wired_later)
{
    enum { MANY = 64 };

    lab_begin_full(MANY, &words);
    lab_fork(0, 1);
    lab_protect(0, 0, MANY, false);
    lab_wire(0, 0, MANY, true);
    lab_fork(0, 2);
    lab_exit(1);
    lab_protect(0, 0, MANY, true);
    uint64_t asked = kctx_current()->allocs;
    lab_fill(0, 0, MANY, &words);
    asked = kctx_current()->allocs - asked;
    KTEST_CHECK(asked == 0,
                "writes to %u wired pages, after a fork, ask for memory %lu times: a fork copies "
                "what is wired, also of an entry that was read-only and needed a copy itself",
                MANY, asked);
    lab_read_all();
    lab_end();
}

// Of a wired mapping, pages that were thrown away and written again by who shares it for good, and
// has not wired it: the child's are its own all the same.
KTEST(lab_anon_wired_shared)
{
    start();
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_inherit(1, 0, N, false);
    lab_wire(1, 0, N, true);
    lab_discard(0, 2, 6);
    lab_fill(0, 2, 4, &words);
    lab_fork(1, 2);
    lab_fill(0, 2, 6, &words);
    lab_read_all();
    lab_point("written");
    lab_fill(2, 0, N, &words);
    lab_fill(1, 0, N, &words);
    lab_read_all();
    lab_point("written");
    lab_end();
}

static void start_file(unsigned npages)
{
    lab_begin(npages);
    lab_below = anon_object_create(npages);
    KASSERT(lab_below, "no memory for an object");
    lab_new_space(0);
    lab_map(0, 0, npages);
}

static void end_file(void)
{
    vm_object_unref(lab_below);
    lab_below = NULL;
    lab_end();
}

static void wire_to_read(unsigned n, unsigned npages)
{
    lab_protect(n, 0, npages, false);
    int error = vm_mlock(lab_space[n], LAB_VA, npages * PAGE_SIZE, true);
    KTEST_CHECK(!error, "mlock: error %d", error);
}

// ---- what others do ----

// Where space 0 has its pages.
static const uint64_t *places[N];

static void note_places(void)
{
    for (unsigned i = 0; i < N; i++)
        places[i] = lab_word(lab_space[0], lab_va(i));
}

static void expect_in_place(const char *what)
{
    for (unsigned i = 0; i < N; i++) {
        const uint64_t *at = lab_word(lab_space[0], lab_va(i));
        unsigned nwired = at ? dmap_to_page(at)->wire_count : 0;
        bool wired = at && pte_load(pmap_pte(lab_space[0]->pmap, lab_va(i))) & PTE_WIRED;
        KTEST_CHECK(at == places[i] && nwired && wired,
                    "wired page %u of space 0 is %s, and wired %u times: %s", i,
                    !at               ? "not mapped"
                    : at != places[i] ? "in another frame"
                    : wired           ? "mapped"
                                      : "mapped as if it were not wired",
                    nwired, what);
    }
}

// What may only be read is wired, and others have the same pages: they write, throw away, unmap and
// go, and the pages stay.
static void wire_what_others_have(bool file)
{
    file ? start_file(N) : start();
    lab_fork(0, 1);
    wire_to_read(0, N);
    note_places();
    lab_read_all();
    lab_fill(1, 0, 3, &words);
    expect_in_place("its child has written");
    lab_protect(1, N - 1, N, false); // the child's array has two entries, which share nothing
    lab_fill(1, 3, N - 1, &words);
    expect_in_place("its child has written where two entries have one array");
    lab_protect(1, N - 1, N, true);
    lab_discard(1, 2, 5);
    expect_in_place("its child has thrown pages away");
    lab_fork(1, 2);
    lab_fill(2, 0, N, &words);
    lab_unmap(1, 4, 6);
    lab_exit(1);
    expect_in_place("its child's child has written, and its child is gone");
    lab_fork(0, 1);
    lab_protect(1, 0, N, true);
    lab_fill(1, 0, N, &words);
    lab_exit(1);
    expect_in_place("its second child has written, and is gone");
    lab_read_all();
    file ? end_file() : lab_end();
}

KTEST(lab_anon_wired_read)
{
    wire_what_others_have(false);
    wire_what_others_have(true);
}

// G shares for good with P, and has the memory wired; P, which has not, forks a child that gets a
// copy.
KTEST(lab_anon_wired_sharer)
{
    start();
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_wire(0, 0, N, true);
    lab_inherit(1, 0, N, false);
    note_places();
    lab_fork(1, 2);
    expect_in_place("who shares it has forked");
    noalloc_enter();
    lab_fill(0, 0, N, &words);
    noalloc_exit();
    expect_in_place("it was written");
    lab_read_all();
    lab_point("written");
    lab_fill(2, 0, N, &words);
    lab_fill(1, 0, N, &words);
    expect_in_place("all have written");
    lab_read_all();
    lab_end();
}

// ---- what is wired no more ----

static void write_all(void)
{
    lab_fill(0, 0, N, &words);
}

static void discard_all(void)
{
    lab_discard(0, 0, N);
}

// Spaces 1 and 3 share for good what space 0 writes to, or throws away, and have wired what was
// there, which space 2 has a copy of, or all see in a file. Once they see another page, or none,
// nobody has the old one wired.
static void expect_unwired(bool file, void (*act)(void), const char *what)
{
    file ? start_file(N) : start();
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_fork(0, 3);
    lab_inherit(0, 0, N, false);
    lab_fork(0, 2);
    wire_to_read(1, N);
    wire_to_read(3, N);
    act();
    for (unsigned i = 0; i < N; i++) {
        int error = vm_fault(&lab_space[2]->map, lab_va(i), PROT_READ);
        const uint64_t *at = lab_word(lab_space[2], lab_va(i));
        unsigned nwired = at ? dmap_to_page(at)->wire_count : 0;
        KTEST_CHECK(!error && at && !nwired,
                    "page %u of space 2, which others had wired until one of them %s: error %d, is "
                    "wired %u times and by nobody",
                    i, what, error, nwired);
    }
    lab_read_all();
    file ? end_file() : lab_end();
}

// The nth allocation fails of a write to the only page that is mapped, which is a file's and wired.
static void fail_write(unsigned nth)
{
    start_file(1);
    wire_to_read(0, 1);
    lab_protect(0, 0, 1, true);
    kctx_current()->fail_nth = nth;
    (void)vm_fault(&lab_space[0]->map, LAB_VA, PROT_WRITE);
    kctx_current()->fail_nth = 0;
    lab_write(0, 0, ++words);
    mutex_lock(&lab_below->lock);
    const struct vm_page *pg = vm_object_lookup(lab_below, 0);
    unsigned nwired = pg ? pg->wire_count : 0;
    mutex_unlock(&lab_below->lock);
    KTEST_CHECK(!nwired,
                "a write whose allocation %u fails: the file's page is wired %u times and "
                "by nobody",
                nth, nwired);
    end_file();
}

KTEST(lab_anon_unwired)
{
    expect_unwired(true, write_all, "wrote to it");
    expect_unwired(false, write_all, "wrote to it");
    if (lab_discard_shared)
        expect_unwired(false, discard_all, "threw it away");
    for (unsigned nth = 1; nth <= 12; nth++)
        fail_write(nth);
}
