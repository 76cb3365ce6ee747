// SPDX-License-Identifier: BSD-2-Clause
//
// Swap slots: a page each on the second disk, if there is one. Slot 0 is never handed out. A slot
// under I/O is never released: who frees it waits for the I/O by the owner's BUSY page. Lab 6 owns
// its implementation (swap and pageout together). First form: one page a transfer, synchronous.
//
//      slot:   0   1   2   3 ...      anon.swap_slot names one; page N of the disk is slot N
//      used:   1   1   0   1
//
// A typical sequence is: the page daemon: slot = swap_alloc(1); swap_out(slot, &pg, 1);
// anon_paged_out; a fault: swap_in(slot, pg), and swap_free(slot, 1) since the page is newer from
// then on.
//
// Locks: LOCK_SWAP for the slot map, not held during I/O.
#pragma once

#include "lib/types.h"

struct vm_page;

// What swap writes to; registered by the file-system floor at start-up, pages at page-sized blocks.
struct swap_dev {
    int (*read)(uint64_t block, struct vm_page **pages, unsigned npages);   // sleeps
    int (*write)(uint64_t block, struct vm_page **pages, unsigned npages);  // sleeps
    uint64_t nblocks;
};

void swap_init(const struct swap_dev *dev);     // never called: no swap, swap_alloc fails
// first of nslots in a row, or 0. Never sleeps for memory
MUST_CHECK uint32_t swap_alloc(unsigned nslots);
void swap_free(uint32_t slot, unsigned nslots);
// The pages are busy. 0 or EIO.
MUST_CHECK int swap_out(uint32_t slot, struct vm_page **pages, unsigned npages);
MUST_CHECK int swap_in(uint32_t slot, struct vm_page *page);

struct swap_stats {
    uint64_t nslots, nused, ins, outs, errors;
};
void swap_get_stats(struct swap_stats *st);
