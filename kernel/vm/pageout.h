// SPDX-License-Identifier: BSD-2-Clause
//
// The page daemon: keeps free pages above vm_page_free_min by ageing pages with the reference bits
// that the reverse map finds, cleaning dirty ones and freeing clean ones. Lab 6 owns its
// implementation. First form, which is here: synchronous, one page at a time. Final form:
// BUSY|PAGEOUT while the write is under way, clusters, completion by callback.
//
// A small share of memory is left to the pages in use, however short memory is: a pass that could
// only go on by taking those ends, and who waits for it gets ENOMEM. So a system whose memory is
// gone decides, and does not spend its time taking the same pages to and fro; and the few pages
// that one step needs at once (a file's, and the user's that it is copied to) can all be there.
//
// A page under PAGEOUT: success: freed; failure: PAGEOUT withdrawn, the page active again. (In the
// first form only an anon's page is ever under it; the final form counts an object's in npaging.)
//
//      active queue  --- not referenced since --->  inactive queue  --- still not --->  out:
//          ^                                             |                clean: freed
//          +----------------- referenced ----------------+                dirty: written first
//
// First of all it is unmapped, everywhere: from then on nobody can make it dirty unseen.
//
// A typical sequence is: vm_page_daemon_sleep returns, as memory is short; a pass of some rounds
// ages the active queue and takes the oldest inactive pages; if that gave too little, empty pages
// of pools go; vm_page_daemon_report wakes who waited.
//
// Locks: page queues to choose, and while they still keep the page with its owner, that one's lock
// by try-lock: who maps a page holds it until the PTE is written. An anon's page is written with
// nothing locked; an object's pager unlocks the object itself. Never needs the map.
#pragma once

#include "lib/types.h"

struct pageout_stats {          // Linux's names in /proc/vmstat are derived from these
    uint64_t passes, scanned, deactivated, reactivated, freed, written, write_errors, swapped_out;
    uint64_t pools_drained;     // pages
    uint64_t skipped;           // tries of a page whose owner was locked, or that was busy
    uint64_t clusters;          // writes that were begun, of one page or several
    uint64_t clean_freed;       // pages freed without a write: their backing store held the same
    uint64_t in_flight;         // pages that are being written now
};

_Noreturn void pageout_daemon(void *arg);       // the body of its kernel thread
void pageout_get_stats(struct pageout_stats *st);

// One pass on behalf of a test or of /proc: returns the pages freed. May sleep.
uint64_t pageout_pass(uint64_t target_pages);
