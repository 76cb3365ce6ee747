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

static unsigned watched; // the page of space 0
static const uint64_t *pte;
static bool touched;

// Somebody touches the page, a fork that copies it: the parent cannot write to it now, for a thread
// that did could have seen what it has in a page that is copied already, or not yet.
static void see_copy(vaddr_t rip UNUSED)
{
    KTEST_CHECK(touched || !(pte_load(pte) & PTE_W),
                "a fork copies wired page %u while its owner can write to it", watched);
    touched = true;
}

static void fork_watched(unsigned page)
{
    watched = page;
    touched = false;
    pte = pmap_pte(lab_space[0]->pmap, lab_va(page));
    watch_words(lab_word(lab_space[0], lab_va(page)), 1, WATCH_ALL, see_copy);
    lab_fork(0, 1);
    watch_off();
}

static void start(void)
{
    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
}

KTEST(lab_anon_wired_moment)
{
    start();
    lab_wire(0, 0, N, true);
    for (unsigned page = 0; page < N; page++) {
        lab_fill(0, 0, N, &words);
        fork_watched(page);
        lab_read_all();
        lab_exit(1);
    }
    lab_end();
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

// Space 1 shares for good what space 0 writes to, and has wired what was there, which space 2 has a
// copy of, or all see in a file. Once the two see another page, nobody has the old one wired.
static void expect_unwired(bool file)
{
    file ? start_file(N) : start();
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_inherit(0, 0, N, false);
    lab_fork(0, 2);
    wire_to_read(1, N);
    lab_fill(0, 0, N, &words);
    for (unsigned i = 0; i < N; i++) {
        int error = vm_fault(&lab_space[2]->map, lab_va(i), PROT_READ);
        const uint64_t *at = lab_word(lab_space[2], lab_va(i));
        unsigned nwired = at ? dmap_to_page(at)->wire_count : 0;
        KTEST_CHECK(!error && at && !nwired,
                    "page %u of space 2: error %d, is wired %u times and "
                    "by nobody",
                    i, error, nwired);
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
    expect_unwired(true);
    expect_unwired(false);
    for (unsigned nth = 1; nth <= 12; nth++)
        fail_write(nth);
}
