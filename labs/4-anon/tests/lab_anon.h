// SPDX-License-Identifier: BSD-2-Clause
//
// What the lab's in-kernel tests share: address spaces under fixed numbers, and a model of what
// their pages must show, which the judge on the host compares with the page tables, the frames and
// the anons. The tests use the frozen interfaces alone.
#pragma once

#include "lib/rng.h"
#include "vm/vm_space.h"

#define LAB_SPACES 8
#define LAB_PAGES  1100
#define LAB_CELLS  (4 * LAB_PAGES)
#define LAB_VA     0x40000000ul

// Page i of a space is at LAB_VA + i pages. What spaces inherited shared is one cell; cells that
// hold the same copy of a page share a version.
struct lab_cell {
    uint32_t version; // 0: nobody has touched it
    uint32_t nusers;  // pages of spaces
};

struct lab_version {
    uint64_t word;   // the page's first one
    uint64_t nusers; // cells
};

// SEEN: it was read before it was written, and shows zeroes.
enum lab_page_flags { LAB_WRITABLE = 1, LAB_WIRED = 2, LAB_SHARE = 4, LAB_SEEN = 8 };

struct lab_page {
    uint32_t cell;  // 0: not mapped
    uint32_t flags; // enum lab_page_flags
};

struct lab_report {
    uint64_t nfaults; // of the kernel's checks
    uint64_t nheld;   // locks that the running thread holds
    uint64_t nanons;  // anon_count
    uint64_t npages;  // of each region
    uint64_t nbefore; // items of all pools before the first space, once what may go is gone
    uint64_t nitems;  // and now
    uint64_t nmost;   // anons that there may be, where each page is copied as late as can be
    char text[2048];  // what the checks said
    char left[256];   // of which pools there are more or fewer items than before, and how many
    char stats[128];  // which of amap_stats is not what it was before
};

extern const unsigned lab_window;         // pages of an entry whose amap was copied, at most
extern const unsigned lab_shares_on;      // 1: who inherited shared memory hands it on shared
extern const unsigned lab_discard_shared; // 1: a discard throws away what others share for good
extern const unsigned lab_granule;        // pages that are copied when one is written: 1, or 2

extern struct lab_report lab_report;
extern struct vm_space *lab_space[LAB_SPACES];
extern struct lab_page lab_page[LAB_SPACES][LAB_PAGES];
extern struct lab_cell lab_cell[LAB_CELLS];
extern struct lab_version lab_version[LAB_CELLS];

struct rng lab_rng(uint64_t part);
static inline vaddr_t lab_va(unsigned page)
{
    return LAB_VA + page * PAGE_SIZE;
}

// ---- operations: on the space and on the model; they fail the test if the kernel says no ----

// Space number n, new; its region of npages pages is not mapped yet.
void lab_begin(unsigned npages);
void lab_new_space(unsigned n);
// Both, and all pages of space 0 are mapped and written.
void lab_begin_full(unsigned npages, uint64_t *word);
// What lies below what lab_map maps: page i shows page i of it, all zeroes. NULL: nothing.
extern struct vm_object *lab_below;
void lab_map(unsigned n, unsigned first, unsigned end);
// A new space with two mappings side by side: one entry, if the map merges any.
void lab_map_neighbours(unsigned n);
void lab_unmap(unsigned n, unsigned first, unsigned end);
void lab_protect(unsigned n, unsigned first, unsigned end, bool writable);
void lab_inherit(unsigned n, unsigned first, unsigned end, bool share);
void lab_wire(unsigned n, unsigned first, unsigned end, bool wire);
void lab_discard(unsigned n, unsigned first, unsigned end);
void lab_move(unsigned n, unsigned first, unsigned end, unsigned to);
void lab_write(unsigned n, unsigned page, uint64_t word);
// Writes word after word, each new, *word being the last one; lab_grow maps more pages for them,
// one after the other: from `end' up to `top', and from `first' down to 0.
void lab_fill(unsigned n, unsigned first, unsigned end, uint64_t *word);
void lab_grow(unsigned n, unsigned first, unsigned end, unsigned top, uint64_t *word);
void lab_read(unsigned n, unsigned page); // compares
void lab_read_untouched(unsigned n, unsigned page);
void lab_read_all(void); // of every space, what was touched
void lab_fork(unsigned n, unsigned child);
void lab_fork_any(unsigned n, unsigned most); // to a space below most, if there is one to be had
unsigned lab_any_space(struct rng *rng);      // one that is there
unsigned lab_count_spaces(void);
// Each space is one mapping: then it is known what is copied with a page. Else a cell may be apart:
// it may have a copy of what the other cells of its version have.
extern bool lab_whole, lab_apart[LAB_CELLS];
unsigned lab_most_anons(void);  // that the model allows, if all is copied as late as can be
extern uint64_t lab_fork_ticks; // that the last one took
void lab_exit(unsigned n);
void lab_end(void); // all spaces, and all memory is back

// Items of all pools, once what may go is gone.
uint64_t lab_items(void);
// What there is now is nbefore of the report; nitems and left are what there is, and beyond it.
void lab_know_items(void);
void lab_report_items(void);
// One space is left, whose entries overlap nowhere: all counts of who covers what are gone.
void lab_expect_no_counts(void);
// Notes how many anons and items there are; then fails the test if the nth try of something, which
// `what' names, has left others.
void lab_mark(void);
void lab_expect_marked(const char *what, uint64_t n);
// What a wrong word says, as the words of writes rise: somebody else wrote it; or who shares the
// page for good wrote what is not seen.
const char *lab_why(uint64_t found, uint64_t word, bool shared);
// The page's first word, if the hardware shows it; else NULL.
uint64_t *lab_word(struct vm_space *vs, vaddr_t va);
// Takes all memory but n pages that anybody may have; gives it back.
void lab_leave(uint64_t n);
void lab_give_back(void);
// The lock of the amap that a space has at LAB_VA; NULL: there is none.
struct lock;
const struct lock *lab_amap_lock(unsigned n);
// What another thread does just now, from a trap: with locks of its own. It may not have to wait.
void lab_meanwhile(void (*what)(void));
bool lab_is_meanwhile(void); // it is that thread that runs
// Does it whenever nobody has the lock, and that thread does not run; until watch_off.
void lab_when_unlocked(const struct lock *l, void (*what)(void));

// Swap, from the first call in a boot on. The next read fails; or others do something before it.
void lab_start_swap(void);
extern bool lab_swap_fails;
extern void (*lab_swap_meanwhile)(void);

// ---- memory that the model does not know ----

// Space 0, without a region, and an object of so many pages, if any.
struct vm_object *lab_start_object(pgno_t npages);
// Private memory at LAB_VA, NULL or an object below.
void lab_map_private(unsigned n, size_t len, struct vm_object *o);
void lab_write_at(unsigned n, vaddr_t va, uint64_t word);
// The page shows the word, to who reads it now and to who read it before.
void lab_expect_at(unsigned n, vaddr_t va, uint64_t word);

bool lab_mapped(unsigned n, unsigned first, unsigned end);
// The pages that have a version each, as the model counts them.
unsigned lab_versions(void);

// While it is not 0, operations may fail with ENOMEM, and then change nothing: the nth allocation
// of each fails. lab_refused counts them.
extern unsigned lab_fail_nth, lab_refused;

// All checks, and a point of this name.
void lab_point(const char *name);
