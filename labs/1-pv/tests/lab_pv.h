// SPDX-License-Identifier: BSD-2-Clause
//
// What the lab's in-kernel tests share: address spaces and pages under fixed numbers, which the
// judge on the host finds by these arrays' names, and the report on the reverse map that it
// compares with the page tables. The tests use the frozen interface alone.
#pragma once

#include "lib/rng.h"
#include "pmap/pmap.h"
#include "pmap/pv.h"

#define LAB_VA        0x40000000ul
#define LAB_MAX_PMAPS 64
#define LAB_MAX_PAGES 12288
#define LAB_MAX_LINES 65536
#define LAB_HEADER    (~0ul) // in lab_line.pmap: a page's own line

// The figures of lab.toml that the tests use.
extern const unsigned lab_entries; // of a chunk
extern const unsigned lab_by_use;  // 1: what is stolen first goes by the last use; 0: by age

// One line of the report: a mapping, as pv_first and pv_next gave it; or, before the mappings of a
// page, what pv_count and pv_is_mapped say.
struct lab_line {
    uint64_t page; // address of the struct vm_page
    uint64_t pmap; // address of the struct pmap, or LAB_HEADER
    uint64_t va;   // or pv_count * 2 + pv_is_mapped
};

struct lab_report {
    uint64_t nlines;
    uint64_t cut;     // 1: there were more lines
    uint64_t nfaults; // of page_check, pmap_check and pv_check
    struct pv_stats stats;
    char text[2048]; // what the checks said
    struct lab_line line[LAB_MAX_LINES];
};

extern struct lab_report lab_report;
extern struct pmap *lab_pmap[LAB_MAX_PMAPS];
extern struct vm_page *lab_page[LAB_MAX_PAGES];

// ---- setting up ----

// n new address spaces, and n pages as programs have them: every other one an object's, the others
// anons'. Each begins with lab_word of its number, and the rest is filled by lab_fill.
void lab_make_pmaps(unsigned n);
void lab_make_pages(unsigned n);
void lab_destroy_pmaps(void); // those that are left
void lab_free_pages(void);
uint64_t lab_word(unsigned page); // from the seed of this boot
uint64_t lab_fill(unsigned page, unsigned word);

// The generator of this boot's challenge; `part' tells several apart.
struct rng lab_rng(uint64_t part);

// Maps or panics.
void lab_enter(unsigned pmap, vaddr_t va, unsigned page, vm_prot_t prot, unsigned flags);
extern vaddr_t lab_entering; // at work: the address; else 0

// Maps, where that must work because there is something to steal, or fails the test.
void lab_must_enter(unsigned pmap, vaddr_t va, unsigned page);

// Maps n pages in a row at va, from page `first' on; as lab_enter.
void lab_map_row(unsigned pmap, vaddr_t va, unsigned first, unsigned n);

// The tables for LAB_VA's first 8 MiB, by a wired mapping of `page' at the end of each, so that
// nothing but the reverse map needs memory later.
void lab_make_tables(unsigned pmap, unsigned page);

unsigned lab_page_mappings(unsigned page); // pv_count

// The page number of a struct vm_page, or -1.
int lab_page_number(const struct vm_page *pg);

// ---- speaking to the judge ----

// Writes the report and stops at a point of this name; the checks run too unless `quick'.
void lab_point(const char *name, bool quick);

// ---- shortage ----

void lab_exhaust(void);             // takes every free page
void lab_exhaust_but_reserve(void); // leaves the kernel's reserve
void lab_relent(void);              // gives them back
extern uint64_t lab_hoarded;        // how many it has
uint64_t lab_reclaims(void);        // pv_reclaims

// ---- as a program would, in the loaded pmap, interrupts off ----

bool lab_peek(vaddr_t va, uint64_t *word);
bool lab_poke(vaddr_t va, uint64_t word);
