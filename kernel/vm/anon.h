// SPDX-License-Identifier: BSD-2-Clause
//
// Anons: one page of private memory, in a frame or in a swap slot or both, shared by the amap slots
// that hold it: each is a reference. While there are several, it may not be written: who writes
// gets an anon of its own instead. Lab 6 owns its implementation, with swap and pageout. After UVM
// (Cranor 1998). First form, which is here: reading an anon back gives its slot up.
//
//      amap slot --> anon --> page       in memory; the page names the anon (page.anon)
//      amap slot -----^                  after a fork: nrefs 2
//      amap slot --> anon --> slot 17    in swap: page NULL
//      amap slot --> anon --> page and slot 17         final form: both
//
// A page that has a slot as well is clean: the slot holds the same, and the page may go without
// being written. Unless PG_DIRTY is set or pmap_is_modified says that somebody has written to it:
// then the slot is out of date.
//
// A typical sequence is: an = anon_alloc_page(NULL); amap_add(am, slot, an);
// mutex_unlock(&an->lock). A fault later: mutex_lock(&an->lock); anon_resident? map it; else
// anon_fetch_unlock and start over. The end: mutex_lock, anon_unref_unlock.
//
// Locks: (n) the anon's mutex, after the amap's. Its page's owner lock is the anon's.
// A new anon is born locked; on an error: drop the reference, unlock, then it is freed.
#pragma once

#include "lib/types.h"
#include "mem/vm_page.h"
#include "sync/mutex.h"

struct vm_anon {
    struct mutex lock;
    uint32_t nrefs;             // (n) amap slots that hold it
    struct vm_page *page;       // (n) its frame, or NULL: then it is in swap
    uint32_t swap_slot;         // (n) 0: none, and there is a page
    uint32_t seen;              // slots in which amap_check has found it; its own, one at a time
};

void anon_init(void);
// A new locked anon with one reference and no page, from the reserve if need be; NULL: no memory.
// Never sleeps.
struct vm_anon *anon_alloc(void);
// The same with a page, not busy and on no queue: a copy of `from' (its owner locked, or it is
// busy), or zeroes if from is NULL.
struct vm_anon *anon_alloc_page(const struct vm_page *from);
void anon_ref(struct vm_anon *an);              // locked
// Takes away all mappings of its page, and the wiring that came with them. Locked, the page not
// busy.
void anon_unmap(struct vm_anon *an);
// Lends its page to the kernel (vm_page.h): nobody has it mapped writable any more, until
// vm_page_lend_end. Locked, resident. NULL: it may not be lent.
struct vm_page *anon_lend(struct vm_anon *an);
// Drops one reference and unlocks; the last frees page and slot. Never allocates. A page that is
// busy, and the anon with it, are released when its I/O ends.
void anon_unref_unlock(struct vm_anon *an);

// True if the page is in memory and not busy. Locked.
static inline bool anon_resident(const struct vm_anon *an)
{
    return an->page && !(an->page->flags & PG_BUSY);
}

// Brings in the page of an anon that is not resident, or waits while it is busy. an is locked, and
// nothing else that others need meanwhile. Unlocks it: the caller looks the amap up again, for the
// anon may be gone. 0; EIO; ENOMEM (the caller waits for memory).
int anon_fetch_unlock(struct vm_anon *an);

// The page daemon has written the busy page of an (not locked) to swap slot `slot', or failed to
// (slot 0). Written: the page goes, and the slot that the anon had before. Failed: the page is
// active again, and the anon as it was. Either way an anon that was released meanwhile is freed.
void anon_paged_out(struct vm_anon *an, uint32_t slot);

uint64_t anon_count(void);
extern uint64_t anon_ref_changes;   // times that an anon came to be in more slots, or in fewer
