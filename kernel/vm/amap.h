// SPDX-License-Identifier: BSD-2-Clause
//
// Amaps: the private pages of a mapping, an array of anons that map entries refer to. Lab 4 owns
// its implementation (amap.c, amap_copy.c, amap_impl.h), with the cases of a fault (fault_case.c,
// where amap_lend is, too). After UVM (Cranor 1998). First form: an amap is referred to by one
// entry, or by several only where memory is inherited shared; fork copies every page. Final form:
// fork shares the amap, the first write copies it, that is, its references, and a fault copies the
// one page that is written.
//
//      entry [0, 40)        entry [40, 64)           the map's entries, each with its first slot
//           |                    |
//           +---- vm_amap -------+                   nrefs 2, nslots 64
//                 chunks:  [0, 32)   [32, 64)        a tree; a chunk without anons is not there
//                           | |          |
//                         anon anon    anon          each a page, in a frame or in swap
//
// Invariants: nused anons in nslots slots; nrefs = map entries that refer to it; a slot that no
// entry covers any more is wiped at once; an anon's nrefs = amap slots that hold it, of all amaps.
// Counts of the entries that cover a slot (ppref, in UVM) exist only where entries overlap; they
// are made before nrefs rises, so that giving up a part never needs memory. Final form: the counts
// go when nothing overlaps any more, so that who is alone can extend its amap. Of the entries that
// cover a slot all are ME_NEEDSCOPY and write to nothing in it, or none is and all see all writes.
//
// A typical sequence is: a fault finds an entry without amap: amap_copy makes one; amap_add puts
// the anon of the new page into its slot; fork: amap_inherit; the first write after it: amap_copy;
// munmap of a part: amap_split, then amap_unref wipes those of the part's slots that no other entry
// covers; exit: amap_unref of the rest.
//
// Locks: the amap's mutex guards all fields; only amap.c and amap_copy.c touch them. An anon's
// mutex comes after it. Offsets and lengths are in pages.
#pragma once

#include "lib/types.h"

struct map_change;
struct strbuf;
struct vm_amap;
struct vm_anon;
struct vm_map;
struct vm_map_entry;
struct vm_page;

void amap_init(void);

// An amap of npages empty slots, one reference, from the reserve if need be; NULL: no memory.
// Never sleeps.
struct vm_amap *amap_alloc(pgno_t npages);
void amap_lock(struct vm_amap *am);
void amap_unlock(struct vm_amap *am);
bool amap_held(const struct vm_amap *am);

// One more entry refers to slots [slot, slot+npages). 0 or ENOMEM (a partial reference needs counts
// per page). Not locked.
int amap_ref(struct vm_amap *am, pgno_t slot, pgno_t npages);
// An entry of these slots goes away; nothing maps them through it any more. Never fails, never
// allocates; may free pages. Not locked; may sleep for locks.
void amap_unref(struct vm_amap *am, pgno_t slot, pgno_t npages);
// An entry that refers to am is split in two at split_slot: one reference becomes two; never fails,
// never allocates. Not locked.
void amap_split(struct vm_amap *am, pgno_t first_slot, pgno_t split_slot, pgno_t end_slot);
// Two entries that refer to [first, split) and [split, end) become one: undoes amap_split, also
// where the amap was split elsewhere, or is shared. Never fails, never allocates. Not locked.
void amap_join(struct vm_amap *am, pgno_t first_slot, pgno_t split_slot, pgno_t end_slot);
// The entry's amap is to serve `more' pages after slot+npages, or before slot: then *slot becomes
// the first of them, and the other pages' slots move along. 0, ENOMEM, or EBUSY (shared). Never
// sleeps for memory. Not locked; the map is locked for writing, so that nobody else knows a slot's
// number.
int amap_extend(struct vm_amap *am, pgno_t slot, pgno_t npages, pgno_t more);
int amap_extend_down(struct vm_amap *am, pgno_t *slot, pgno_t npages, pgno_t more);
unsigned amap_nrefs(struct vm_amap *am);

// ---- slots; am locked ----

// The anon there, not locked, or NULL.
struct vm_anon *amap_lookup(struct vm_amap *am, pgno_t slot);
// The first anon in slots [*slot, end), and its slot; NULL: none. Not locked.
struct vm_anon *amap_next(struct vm_amap *am, pgno_t *slot, pgno_t end);
// Fills an empty slot and takes the reference over; 0, or ENOMEM with nothing changed. Never
// sleeps.
int amap_add(struct vm_amap *am, pgno_t slot, struct vm_anon *an);
// Returns the old anon, not locked, with its reference.
struct vm_anon *amap_replace(struct vm_amap *am, pgno_t slot, struct vm_anon *an);
// Drops the anons; never allocates. May sleep for the anons' locks.
void amap_wipe(struct vm_amap *am, pgno_t slot, pgno_t npages);
// True if more than one entry covers one of these slots.
bool amap_shared(struct vm_amap *am, pgno_t slot, pgno_t npages);

// ---- copying ----

// pages: an entry that is longer may be clipped to as many before it is copied
#define AMAP_WINDOW 256ul

// Makes e's amap its own so that it may be written: none -> create; nobody else covers its slots
// -> take over; else copy. Then e is not ME_NEEDSCOPY any more. The map is locked for writing. va:
// the fault's address; entries of more than AMAP_WINDOW pages may be clipped to a window round it,
// if c has the entries to spare (c NULL: no clipping): then its slots are those that matter. 0, or
// ENOMEM: e has the amap that it had, and may be clipped. Never sleeps for memory.
MUST_CHECK int amap_copy(struct map_change *c, struct vm_map *map, struct vm_map_entry *e,
                         vaddr_t va);

// Throws away the private pages of [start, end) in e, which has an amap and none of whose pages
// there is mapped any more. Who shares them for good loses them, too. NEEDSCOPY: whoever else
// refers to the amap keeps them, and e gets an amap of its own, or none, without that range, which
// may be clipped out of e, with c's entries, and is then one with neighbours that are alike.
// 0 or ENOMEM; never sleeps for memory.
MUST_CHECK int amap_discard(struct map_change *c, struct vm_map_entry *e, vaddr_t start_va,
                            vaddr_t end_va);

// fork: gives the child's entry its view of the parent's (both maps locked for writing, parent
// first); the child's entry is a copy of the parent's fields that holds no amap and is in no map
// yet. SHARE: both refer to it, and neither needs a copy any more. COPY: the first form copies
// every anon now; the final form defers, but for wired pages, and where others write to the amap
// for good. What either writes later the other does not see: the parent's pages are
// write-protected. May wait for memory; where pages are read in to be copied, for swap, too.
// 0, or ENOMEM, EINTR or EIO (of swap) with no amap held by the child's entry.
int amap_inherit(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map *child,
                 struct vm_map_entry *ce);

// ---- what a form may do, or leave to others ----

// Lends the pages of slots [slot, slot + *npages) to the kernel: anon_lend of each, into pages[].
// am locked. 0: the first *npages are lent, at least one, and a fault that writes to one of them
// copies it; EAGAIN: the first one is not in memory; EOPNOTSUPP: the first one is not lent, as no
// page is in a form that lends nothing: its bytes are copied. Today's form lends nothing.
MUST_CHECK int amap_lend(struct vm_amap *am, pgno_t slot, unsigned *npages, struct vm_page **pages);

// An amap for npages of shared anonymous memory, inherited shared by all who will see it; or NULL
// and EOPNOTSUPP: an object holds them (anon_object_create); or ENOMEM. Today's form: an object.
MUST_CHECK int amap_create_shared(pgno_t npages, struct vm_amap **am);

struct amap_stats {
    uint64_t amaps, slots_used, anons;
    uint64_t copies;            // amaps that were copied
    uint64_t eager_pages;       // pages that fork copied
    uint64_t ppref_tables;      // tables of counts that there are
};
extern struct amap_stats amap_stats;    // counted with stat_inc by the files of this module
void amap_get_stats(struct amap_stats *st);
unsigned amap_check(struct strbuf *out);        // all amaps; as page_check
