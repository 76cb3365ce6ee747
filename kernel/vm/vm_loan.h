// SPDX-License-Identifier: BSD-2-Clause
//
// Loans: the kernel borrows pages of a process's private memory instead of copying what is in them.
// What it has borrowed stays as it is, whatever the process does with its memory: writes to it
// (which copies the page), unmaps it, exits. After UVM's loan-out of pages to the kernel. Whether
// a page is lent is the amaps' affair (amap_lend); who may not have it copies the bytes.
//
//      entry -- amap -- anon -- page [loan_count 1, mapped read-only]
//                                 ^
//      a pipe's ring of pages ----+                  the kernel reads it through the direct map
//
// A typical sequence is: n = 16; vm_loan(map, va, pages, &n); read page_to_dmap(pages[0]) ...;
// vm_loan_end(pages, n).
//
// Locks: as vm_fault.h.
#pragma once

#include "lib/types.h"

struct vm_map;
struct vm_page;

// Borrows the pages of [va, va + *npages pages) of the running thread's memory, va page aligned, or
// the first few of them: *npages says how many, at least one. May sleep, as it faults them in.
// 0; or the caller copies the bytes, as nothing is borrowed: EOPNOTSUPP: that memory is not lent;
// or an error of vm_fault.
MUST_CHECK int vm_loan(vaddr_t va, struct vm_page **pages, unsigned *npages);

// Gives back what was borrowed. Never sleeps.
void vm_loan_end(struct vm_page **pages, unsigned npages);

// The map of the running thread's memory, or NULL; set by who knows processes.
extern struct vm_map *(*vm_loan_map)(void);

struct vm_loan_stats {
    uint64_t asked, refused;    // calls of vm_loan
    uint64_t lent, ended;       // pages
};
void vm_loan_get_stats(struct vm_loan_stats *st);
