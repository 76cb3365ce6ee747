// SPDX-License-Identifier: BSD-2-Clause
//
// What the lab's in-kernel tests share: backends of their own ("arenas"), pools under fixed numbers
// and the items that were taken of each, which the judge on the host compares with each other. The
// tests use the frozen interface alone.
#pragma once

#include "lib/rng.h"
#include "mem/pool.h"

#define LAB_ARENAS   3u
#define LAB_PAGES    64u // of an arena
#define LAB_POOLS    24u
#define LAB_ITEMS    2048u // of a pool
#define LAB_NEW_BYTE 0xa5  // fills an arena's pages until somebody writes to them
#define LAB_NOBODY   255u  // has a page that was asked for in the name of no pool
#define LAB_OWNER    64u   // page_owner of pool 0, no enum page_owner; pool n's is so many more

// The figures of lab.toml that the tests use.
extern const unsigned lab_half;  // 1: a shortage takes half of what the one who has most may lose
extern const unsigned lab_empty; // 1: of min_pages only the empty ones count

// A backend. Which pool got a page is known by the owner that the get was for: each pool of a test
// has one of its own.
struct lab_arena {
    struct pool_allocator pa;
    struct spinlock lock;     // guards the rest
    char *base;               // LAB_PAGES pages
    uint64_t limit;           // so many may be out
    uint64_t reserve;         // the last of them, for who may use the reserve
    uint64_t nout;            // now
    uint64_t allocs;          // calls that gave a page
    uint64_t refusals;        // and that did not
    uint64_t frees;           // pages given back
    bool takes_away;          // what is given back is somebody else's at once: the limit falls
    bool only_drains;         // no page is given back but for another pool
    bool is_measured;         // what a call costs counts: pools' counts are not looked at in it
    bool says_flags;          // each call must be of just the flags `flags'
    unsigned flags;           // enum pool_flags
    unsigned getter;          // 1 + the number of the pool that the last get began at; 0: none,
    const struct kctx *ctx;   // and the thread that it is of
    void (*asked)(void);      // runs first in each call for a page: what others do meanwhile
    void (*given)(void);      // and in each that gives one back
    uint8_t owner[LAB_PAGES]; // 1 + the number of the pool that has it; 0: free; LAB_NOBODY
};

struct lab_item {
    uint64_t address; // 0: none
    uint64_t stamp;   // what its first and its last word hold
};

struct lab_report {
    uint64_t nfaults; // of pool_check
    uint64_t nheld;   // locks that the running thread holds
    uint64_t nwrong;  // things that an arena was asked in the wrong way
    char text[2048];  // what the checks said
    char wrong[256];  // and the first wrong thing
};

extern struct lab_report lab_report;
extern struct lab_arena lab_arena[LAB_ARENAS];
extern struct pool lab_pool[LAB_POOLS];
extern uint64_t lab_made[LAB_POOLS];                       // 1: it is there
extern uint64_t lab_align[LAB_POOLS], lab_size[LAB_POOLS]; // as asked for
extern struct lab_item lab_item[LAB_POOLS][LAB_ITEMS];

struct rng lab_rng(uint64_t part);

// Arena n of so many pages; they are NPAGES << PAGE_SHIFT bytes each. And the end of all of them.
void lab_make_arena(unsigned n, size_t page_size, unsigned limit);
void lab_end(void); // all items are put, all pools destroyed, and all memory is back

void lab_make_pool(unsigned n, unsigned arena, size_t size, size_t align);
void lab_destroy_pool(unsigned n);

// Takes an item and stamps it; false if the pool says no. `flags' is what the arena must see too.
bool lab_get(unsigned n, unsigned flags);
void lab_put(unsigned n, unsigned i); // compares; its item number i
void lab_put_all(unsigned n);
unsigned lab_count(unsigned n);        // items of pool n
unsigned lab_pages_in_use(unsigned n); // pages of pool n that have items which are taken
// Items until `npages' more pages are in use: all of them full.
void lab_fill(unsigned n, unsigned npages);
// A pool with so many pages, of which so many are empty, and the others partial or full.
void lab_pages(unsigned n, unsigned npages, unsigned nempty, bool full);

// So many pools with so many empty pages each, and one more that is full: its number is returned.
// The arena has no page beside theirs, and has had other pools, which are gone. Comes to point
// "full". Nothing is reclaimed in the test, so that who loses a page was drained.
unsigned lab_rich(unsigned npools, unsigned each);
// The same, but of three pools the first has `more' empty pages, the second 3 * `more' full ones.
unsigned lab_richer(unsigned npools, unsigned each, unsigned more);
// Pool n wants so many pages more, which other pools have empty; point "granted" after each.
void lab_want_pages(unsigned n, unsigned npages);
// What another pool than n has to lose, by what the test has taken and put; "nothing" if none has.
const char *lab_to_lose(unsigned n);

// Items without number, of any pool: up to `most' more of them, linked through their first words;
// how many came. And back with all of them.
struct chain {
    struct chain *next;
};
unsigned chain_take(struct pool *p, unsigned flags, unsigned most, struct chain **items);
void chain_put(struct pool *p, struct chain **items);

// All checks, and a point of this name.
void lab_point(const char *name);
