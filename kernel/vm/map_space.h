// SPDX-License-Identifier: BSD-2-Clause
//
// Finding free space in a map. Lab 3 owns its implementation. First form, which is here: a walk
// from entry to entry, first fit, that serves an alignment by looking for length + alignment. Final
// form: the lowest aligned fit, found in the tree by the largest gap (DragonFly 2003; augmented
// tree as NetBSD 2007).
//
//      [ entry ]........[ entry ]..[ entry ]................max_va
//              gap of 8          2          gap of 16
//
// A typical sequence is: map_entry.c tells map_space_update of each end that moves; vm_map.c asks
// map_space_find (kernel maps: the lowest) or map_space_find_down (mmap: the highest) with the map
// locked, and links an entry at what it was told before it unlocks.
//
// Locks: the map is locked. Never sleeps, never allocates.
#pragma once

#include "vm/vm_map.h"

// The map is new: sets how its tree is kept (map->tree.update).
void map_space_init(struct vm_map *map);

// The lowest address >= start with [addr, addr+len) free and inside the map, a multiple of align (0
// or 1: any page; a power of two: by mask; else by division). 0 and *va, or ENOMEM. Checks for wrap
// after rounding and after adding the length. The first form may pass over a fit that is tighter
// than len + align - page.
MUST_CHECK int map_space_find(struct vm_map *map, vaddr_t start_va, size_t len, size_t align,
                              vaddr_t *va);

// The highest such address that ends at or below `end': how mmap without a hint places user
// mappings.
MUST_CHECK int map_space_find_down(struct vm_map *map, vaddr_t end_va, size_t len, size_t align,
                                   vaddr_t *va);

// True if nothing is mapped in [start, end).
bool map_space_is_free(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

// Keeps gap and max_gap right after e's end or its successor's start changed; e NULL: before the
// first entry. Called by map_entry.c, also for a gap that shrinks: the first form keeps none of it.
void map_space_update(struct vm_map *map, struct vm_map_entry *e);

// What the module keeps against the entries; as page_check.
unsigned map_space_check(struct vm_map *map, struct strbuf *out);
