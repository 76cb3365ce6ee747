// SPDX-License-Identifier: BSD-2-Clause
//
// Page-table pages shared between address spaces (DragonFly 2012): when several processes map the
// same 2 MiB of one object alike, one page of PTEs can serve them all. Lab 3 owns its
// implementation; the first form, which is here, never shares, which is always correct.
//
// A slot is shareable if all of this holds: same object; file offset congruent to va modulo 2 MiB;
// the whole 2 MiB inside one map entry; same protection; shared, not copy-on-write; nothing wired.
//
//      process A: level 2 --+                         first form: a table for each
//                           +--> one page of PTEs
//      process B: level 2 --+                         (the final form)
//
// A typical sequence is: a fault that finds a slot shareable calls ptshare_attach and goes on as
// usual if that says false; whoever narrows or removes mappings of one pmap calls ptshare_detach
// first.
//
// Such a page belongs to a shared pmap (pmap.h), one for each object and protection, whose
// addresses are the object's pages: attach makes it and links its tables (pmap_link), detach takes
// the links off (pmap_unlink). Its mappings are nobody's resident memory. Wider rights come without
// a detach: a slot may be linked to the pmap of a narrower protection than its key's, and is linked
// anew.
//
// Locks: called with the map locked (read) and no pmap locked. Never sleeps.
#pragma once

#include "lib/types.h"

struct pmap;

#define PTSHARE_SPAN (2ul << 20)    // bytes that one page-table page maps

extern bool ptshare_enabled;        // by the boot word ptshare; else nothing is offered

struct ptshare_key {
    const void *object;         // identity of the vm_object
    pgno_t pgno;                // page of the object at the slot's first address
    vm_prot_t prot;
};

// Offers a slot (va a multiple of PTSHARE_SPAN) for sharing. True if pm now uses a shared
// page-table page there, whose mappings may already satisfy the fault; false: go on as usual.
bool ptshare_attach(struct pmap *pm, vaddr_t va, const struct ptshare_key *key);

// Before a change that concerns pm alone in [start, end): gives pm back tables of its own there.
// Mappings are lost, not data: they fault in again. Never fails.
void ptshare_detach(struct pmap *pm, vaddr_t start_va, vaddr_t end_va);

uint64_t ptshare_saved_pages(void);     // page-table pages that sharing saves now
