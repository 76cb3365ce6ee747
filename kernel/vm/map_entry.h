// SPDX-License-Identifier: BSD-2-Clause
//
// Map entries: where they come from, how they are split and merged, and the reserve that lets an
// unmap split without allocating. Lab 2 owns its implementation. First form: nothing merges, so
// unmapping a quantum never splits (NetBSD's uvm_map.c 1.153). Final form: neighbours that agree
// are one entry, quanta too, and unmapping a quantum still never allocates (NetBSD 5).
//
//      three quanta side by side:   [      one entry      ]
//      the middle one is unmapped:  [ entry ]      [ entry ]     and nobody was asked for memory
//
// A quantum is mapped, changed and unmapped whole, by one call each: that its owner promises. In
// return the unmap neither sleeps nor fails. An entry does not say how many quanta it holds, nor
// where they meet: only the owners know. So a broken promise shows when what goes is not one entry
// of just that range, which vm_map_clear asserts, or when there is no entry to split it with.
//
// What the module keeps for that is the map's reserve. It follows from what is mapped, and from
// nothing that was mapped before: map_entry_check knows how many entries there must be.
//
// A typical sequence is: map_change_begin_clip; map_entry_clip_start and _clip_end where a range
// cuts an entry; change the entry; map_entry_simplify; map_change_end. Mapping: map_entry_link.
// Unmapping: map_entry_unlink_range.
//
// Locks: reserve is called with the map unlocked and may sleep; unreserve at any time; all else
// between the begin and the end of a change (need and check: with the map locked, if only for
// reading). It never fails, nor asks for memory but for what amap_extend may take without waiting.
#pragma once

#include "vm/vm_map.h"

// One change of one map, from begin to end (map_change.h). In between the map is locked for
// writing.
struct map_change {
    struct vm_map *map;
    struct list spare;          // entries that were reserved; what is left is given back at the end
    struct list dead;           // entries that are in the map no more, in order; the end drops
                                // their references
};

void map_entry_init(void);

// The most entries that clipping one range out of a map takes.
#define MAP_ENTRY_SPLITS 2

// Adds n entries to c->spare. flags: PR_WAITOK or PR_NOWAIT. 0 or ENOMEM (nothing added). Entries
// come from pages of the direct map, so that this never enters the locked kernel map.
MUST_CHECK int map_entry_reserve(struct map_change *c, unsigned n, unsigned flags);
// Frees what is left in c->spare, and the entries in c->dead, whose references are dropped already.
// Never sleeps.
void map_entry_unreserve(struct map_change *c);

// Entries that clipping [start, end) out of the map takes from a change's spare ones: 0 to
// MAP_ENTRY_SPLITS. An end that falls inside a quantum entry takes none.
unsigned map_entry_need(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

// Links what req describes at req->va, with a spare entry. It and a neighbour are one entry if they
// agree in all that an entry says of its pages, amaps included (amap.h); submaps never merge.
// Returns the entry that now covers it. An entry that this makes superfluous is kept for the map,
// or goes to c->dead, with its reference to the object. Quanta have neither object nor amap.
struct vm_map_entry *map_entry_link(struct map_change *c, const struct vm_map_req *req);

// Splits e at va (start < va < end): the first one makes e begin at va (a new entry is before it),
// the second makes it end there. The new entry is a spare one where map_entry_need counts it.
// References are duplicated.
void map_entry_clip_start(struct map_change *c, struct vm_map_entry *e, vaddr_t va);
void map_entry_clip_end(struct map_change *c, struct vm_map_entry *e, vaddr_t va);

// Clips [start, end) out of the map and moves the entries, in order, to the end of c->dead, with
// their flags, by which quanta are counted down, and references still held. If there are quanta in
// the range, it is just one of them; or it is the whole map, which is being destroyed.
void map_entry_unlink_range(struct map_change *c, vaddr_t start_va, vaddr_t end_va);

// After a change of attributes: makes e and its neighbours one, as map_entry_link does. Returns the
// entry that now contains e's range.
struct vm_map_entry *map_entry_simplify(struct map_change *c, struct vm_map_entry *e);

// The counts and the reserve, and what the form keeps beyond them; as page_check.
unsigned map_entry_check(struct vm_map *map, struct strbuf *out);

struct map_entry_stats {
    uint64_t clips, merges, allocated, live; // allocated: ever; live: and not given back
};
void map_entry_get_stats(struct map_entry_stats *st);
