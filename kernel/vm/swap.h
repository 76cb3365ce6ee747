// SPDX-License-Identifier: BSD-2-Clause
//
// Swap slots: a page each on the second disk, if there is one. Slot 0 is never handed out. A slot
// under I/O is never released: who gives it up meanwhile marks the BUSY page PG_RELEASED, and the
// end of the I/O frees slot, page and anon. Lab 6 owns its implementation (swap and pageout
// together). First form, which is here: the page daemon writes one page a transfer, and waits for
// it.
//
//      slot:   0   1   2   3 ...      anon.swap_slot names one; page N of the disk is slot N
//      used:   1   1   0   1
//
// A typical sequence is: the page daemon: slot = swap_alloc(1); swap_out(slot, &pg, 1);
// anon_paged_out; a fault: swap_in(slot, pg), and swap_free(slot, 1) since the page is newer from
// then on. Who does not wait for the disk: swap_start(&io), whose end calls io.done.
//
// A slot whose write failed is never handed out again: it is not freed, but retired.
//
// Locks: LOCK_SWAP for the slot map, not held during I/O.
#pragma once

#include "lib/list.h"
#include "lib/types.h"

struct vm_page;

#define SWAP_CLUSTER 16u        // the most pages of one transfer

// One transfer of pages, to or from slots that follow each other. Whose it is, until done and from
// then on, fills in all but error and word.
struct swap_io {
    struct vm_page *pages[SWAP_CLUSTER];    // busy; page i belongs to slot + i
    unsigned npages;
    bool write;
    uint32_t slot;
    int error;                  // at done: 0 or EIO
    // Called once, in an interrupt or before swap_start returns, with no lock held: may wake
    // (vm_page_daemon_wake), may not take a sleeping lock.
    void (*done)(struct swap_io *io);
    struct list link;           // the owner's
    uint64_t word[24];          // the device's
};

// What swap writes to; registered at start-up. Slot n is its nth page.
struct swap_dev {
    void (*start)(struct swap_io *io);      // never sleeps; its end calls swap_finish
    uint64_t nblocks;           // pages
};

void swap_init(const struct swap_dev *dev);     // never called: no swap, swap_alloc fails
// first of nslots in a row, or 0. Never sleeps for memory
MUST_CHECK uint32_t swap_alloc(unsigned nslots);
void swap_free(uint32_t slot, unsigned nslots);
// Instead of swap_free for slots that could not be written: they stay in use for good.
void swap_retire(uint32_t slot, unsigned nslots);
// One transfer. The pages are busy, SWAP_CLUSTER at most. 0 or EIO. Sleeps.
MUST_CHECK int swap_out(uint32_t slot, struct vm_page **pages, unsigned npages);
MUST_CHECK int swap_in(uint32_t slot, struct vm_page *page);
// The same without waiting: begins it and never sleeps; any context.
void swap_start(struct swap_io *io);
void swap_finish(struct swap_io *io);           // for the device: io has ended, io->error says how

struct swap_stats {
    uint64_t nslots;
    uint64_t nused;             // handed out and not given back; nbad of them for good
    uint64_t nbad;              // retired
    uint64_t ins, outs;         // pages
    uint64_t errors;            // transfers
};
void swap_get_stats(struct swap_stats *st);
