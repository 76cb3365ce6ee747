// SPDX-License-Identifier: BSD-2-Clause
//
// How every change of a map begins and ends. The course's rule, "reserve before you lock, drop
// after you unlock", is this type:
//
//      begin               reserves entries, which may wait for memory;
//        |                 locks the map for writing
//        |  clip, link, unlink, simplify: entries come out of c->spare and go to c->dead;
//        |  nothing waits for memory
//      end                 counts the change (map->generation), unlocks;
//                          drops the references of c->dead, which may do I/O;
//                          gives back what is left
//
// Why? Who waits for memory with a map locked may wait for a page daemon that waits for somebody
// who waits for the map; and the last reference to a file takes its vnode's lock, which comes
// before maps. Amaps need memory in between all the same, and say so (amap_copy.c): fork waits for
// that of amaps, of their counts and of pages that it copies; a fault and MADV_DONTNEED take an
// amap's without sleeping.
//
// A typical sequence is
//      struct map_change c;
//      int error = map_change_begin_clip(&c, map, start_va, end_va, 0);
//      if (error)
//          return error;
//      map_entry_clip_start(&c, e, start_va); ... map_entry_simplify(&c, e);
//      map_change_end(&c);
//
// Locks: begin and end are called with no lock held that comes after the map; they may sleep, but
// for begin with PR_NOWAIT, and for an end with nothing dead but quanta (kernel memory).
#pragma once

#include "vm/map_entry.h"

// With n entries to spare. flags: PR_WAITOK: 0 or ENOMEM. PR_NOWAIT: never sleeps and only tries
// the lock: EAGAIN if it is taken. After an error there is no change to end.
MUST_CHECK int map_change_begin(struct map_change *c, struct vm_map *map, unsigned n,
                                unsigned flags);
// With as many as clipping [start, end) takes, ngone of which do not stay: 0, or ENOMEM (memory, or
// MAP_ENTRIES_MAX).
MUST_CHECK int map_change_begin_clip(struct map_change *c, struct vm_map *map, vaddr_t start_va,
                                     vaddr_t end_va, unsigned ngone);
// With as many as the map has: for a copy of it.
MUST_CHECK int map_change_begin_copy(struct map_change *c, struct vm_map *map);
void map_change_end(struct map_change *c);
