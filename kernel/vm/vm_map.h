// SPDX-License-Identifier: BSD-2-Clause
//
// Address maps: which range of an address space shows which pages, with which rights. A map is a
// sorted list of entries with a balanced tree beside it. Changes go in two steps: prepare (may
// sleep: reserves entries, finds space, returns with the map locked) and enter (cannot fail).
// Unmap goes in two phases: under the lock clip, remove from the pmap, unlink; after unlock drop
// the references, which may do I/O. After Mach's vm_map and NetBSD's uvm_map (1998-2004).
//
// Locks: (m) the map's rwlock: read for faults and queries, write for changes. (!) constant.
// Entries are opaque to all but kernel/vm.
#pragma once

#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/types.h"
#include "sync/rwlock.h"

struct pmap;
struct strbuf;
struct vm_amap;
struct vm_object;

enum vm_inherit { INHERIT_SHARE, INHERIT_COPY, INHERIT_NONE };
enum vm_advice { ADVICE_NORMAL, ADVICE_RANDOM, ADVICE_SEQUENTIAL };

enum map_entry_flags {
    ME_COW = 1,                 // private: writes go to the amap, never to the object
    ME_NEEDSCOPY = 2,           // the amap is shared and must be copied before the first write
    ME_QUANTUM = 4,             // the owner promises to unmap exactly what it mapped (kernel maps)
    ME_SUBMAP = 8,              // the range belongs to a submap
    ME_STACK = 16,              // grows downward into the gap below, to its limit
    ME_GUARD = 32,              // never accessible: below kernel stacks
};

struct vm_map_entry {
    struct list link;           // (m) in the map, by address; or on a reserve, or a list of the dead
    struct rb_node node;        // (m) in the map's tree
    vaddr_t start_va, end_va;   // (m) page aligned, start < end
    size_t gap;                 // (m) free bytes from end_va to the next entry or the map's end
    size_t max_gap;             // (m) the largest gap in this node's subtree
    struct vm_object *object;   // (m) what lies below, referenced; NULL: zeroes, or kernel memory
    uint64_t offset;            // (m) of start_va in the object, bytes
    struct vm_amap *amap;       // (m) private pages, one reference; NULL: none yet
    pgno_t amap_slot;           // (m) slot of start_va in the amap
    uint32_t wired;             // (m) wiring count
    uint32_t quanta;            // (m) quantum mappings merged in this entry; 0 if not ME_QUANTUM
    uint8_t prot, max_prot;     // (m) vm_prot_t
    uint8_t inherit;            // (m) enum vm_inherit
    uint8_t advice;             // (m) enum vm_advice
    uint32_t flags;             // (m) enum map_entry_flags
};

struct vm_map {
    struct rwlock lock;
    struct list entries;        // (m)
    struct rb_tree tree;        // (m) augmented by max_gap
    struct pmap *pmap;          // (!)
    vaddr_t min_va, max_va;     // (!) [min_va, max_va)
    unsigned nentries;          // (m)
    size_t size;                // (m) bytes mapped
    struct vm_map_entry *hint;  // (a) where the last lookup ended; a hint only: validated under the lock
    bool kernel;                // (!) kernel_map or a submap of it
    uint64_t generation;        // (m) counts changes: who unlocked looks again
    struct list reserve;        // (m) entries that merging freed, kept for unmap's splits (lab 2)
    unsigned nreserve;          // (m)
    unsigned nquanta;           // (m) live quantum mappings
};

void vm_map_init(struct vm_map *map, struct pmap *pmap, vaddr_t min_va, vaddr_t max_va, bool kernel);
void vm_map_destroy(struct vm_map *map);        // unmaps all that is left; nobody else refers to it

// ---- lookup; the map is locked, read or write ----

// The entry that contains va: true. Else false and *entry is the one before va, or NULL if there is none.
bool vm_map_lookup(struct vm_map *map, vaddr_t va, struct vm_map_entry **entry);
struct vm_map_entry *vm_map_first(struct vm_map *map);                              // NULL: empty
struct vm_map_entry *vm_map_next(struct vm_map *map, struct vm_map_entry *entry);   // NULL: last

// ---- mapping ----

enum vm_map_flags {
    MAP_FIXED_ADDR = 1,         // exactly there; what is there is unmapped first
    MAP_NOREPLACE = 2,          // with FIXED_ADDR: EEXIST if anything is there
    MAP_QUANTUM = 4,            // see ME_QUANTUM
    MAP_NOWAIT = 8,             // never sleep: ENOMEM or EAGAIN (lock busy) instead
    MAP_STACK = 16,
    MAP_GUARD = 32,
};

// What to map; all but the address is the caller's. The object comes with a reference, which enter takes over.
struct vm_map_req {
    vaddr_t va;                 // wanted address (page aligned), or 0; prepare stores the one found
    size_t len;                 // bytes, a multiple of the page size, > 0
    size_t align;               // 0 or 1: none; else the address is a multiple of it
    struct vm_object *object;
    uint64_t offset;
    struct vm_amap *amap;
    pgno_t amap_slot;
    uint8_t prot, max_prot, inherit, advice;
    uint32_t wired;
    uint32_t entry_flags;       // enum map_entry_flags
    unsigned flags;             // enum vm_map_flags
    struct list dead;           // what FIXED_ADDR unmapped; internal to prepare/enter
    struct list spare;          // entries reserved; internal
};

// Reserves entries, locks the map for writing, finds the space (and clears it when FIXED). 0, ENOMEM (no space, no
// memory), EEXIST, EINVAL (outside the map), EAGAIN (NOWAIT and locked). On error the map is not locked and nothing is held.
int vm_map_prepare(struct vm_map *map, struct vm_map_req *req);
// Links the mapping, merging it where allowed, and unlocks. Cannot fail, never allocates.
void vm_map_enter(struct vm_map *map, struct vm_map_req *req);
// Both. On error the references remain the caller's.
int vm_map_map(struct vm_map *map, struct vm_map_req *req);

// Unmaps [start, end), holes included. A range of whole quantum mappings never fails, allocates or sleeps for memory; any other
// may return ENOMEM with nothing changed.
int vm_map_unmap(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

// ---- changes to what is mapped ----

int vm_map_protect(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot); // ENOMEM (hole), EACCES
int vm_map_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_inherit inherit);
int vm_map_advise(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_advice advice);

// ---- checks ----

// Order, gaps, tree, counts, entry rules, and the law of lab 2: entries + reserve == live quanta in a kernel map's
// quantum part; locks the map. As page_check.
unsigned vm_map_check(struct vm_map *map, struct strbuf *out);
unsigned map_check(struct strbuf *out);         // all maps

struct vm_map_stats {
    uint64_t maps, lookups, hint_hits, clips, merges, entries_allocated, entries_live;
};
void vm_map_get_stats(struct vm_map_stats *st);
