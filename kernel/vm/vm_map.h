// SPDX-License-Identifier: BSD-2-Clause
//
// Address maps: which range of an address space shows which pages, with which rights. A map is a
// sorted list of entries with a balanced tree beside it. All that changes one is a struct
// map_change (map_change.h): what it needs is reserved before the map is locked, and references,
// whose end may do I/O, are dropped after it is unlocked. After Mach's vm_map and NetBSD's uvm_map
// (1998-2004).
//
//      struct vm_map { lock, tree, entries }
//         |
//         +--> [0x400000, 0x402000) r-x  object: the program's file, offset 0
//         +--> [0x406000, 0x416000) rw-  amap: private pages; no object: zeroes
//         +--> [0x7ff..., 0x7ff...) rw-  stack: grows down
//
// A typical sequence is: vm_map_init; struct vm_map_req req = {.len = ..., .attr = {...}};
// vm_map_map(map, &req); lookups with the map locked: rw_lock_read(&map->lock), vm_map_lookup(map,
// va, &e); vm_map_unmap(map, start_va, end_va); vm_map_destroy.
//
// Locks: (m) the map's rwlock: read for faults and queries, write for changes. (!) constant.
// (a) atomic: those who hold it for reading write it, too. Entries are opaque to all but kernel/vm.
#pragma once

#include "lib/list.h"
#include "lib/panic.h"
#include "lib/rbtree.h"
#include "lib/types.h"
#include "sync/rwlock.h"

struct map_change;
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
    ME_STACK = 16,              // anonymous; grows into the gap below, down to address `offset'
    ME_GUARD = 32,              // the first page of each quantum is never mapped: kernel stacks
    // made through a file open for writing: each page is a claim (vm_object.h)
    ME_WRITER = 64,
    // a dead entry: its pages are no longer mapped, as another one's may be
    ME_GONE = 128,
};

// no mapping shows an object beyond it, however it grows
#define VM_OFFSET_MAX ((uint64_t)INT64_MAX)

// How a range is mapped: what an entry has in common with what was asked for.
struct vm_map_attr {
    struct vm_object *object;   // what lies below, referenced; NULL: zeroes, or kernel memory
    uint64_t offset;            // of start_va in the object, bytes; without object: as it was given
    uint8_t prot, max_prot;     // vm_prot_t
    uint8_t inherit;            // enum vm_inherit
    uint8_t advice;             // enum vm_advice
};

struct vm_map_entry {
    struct list link;           // (m) in the map, by address; or in its reserve, or in a map_change
    struct rb_node node;        // (m) in the map's tree
    vaddr_t start_va, end_va;   // (m) page aligned, start < end
    // for lab 3's final form (map_space.h); the first one leaves them alone
    size_t gap;                 // (m) free bytes from end_va to the next entry or the map's end
    size_t max_gap;             // (m) the largest gap in this node's subtree
    struct vm_map_attr attr;    // (m)
    struct vm_amap *amap;       // (m) private pages, one reference; NULL: none yet
    pgno_t amap_slot;           // (m) slot of start_va in the amap
    uint32_t wired;             // (m) 1: its pages stay in memory (mlock does not nest)
    uint32_t flags;             // (m) enum map_entry_flags
};

struct vm_map {
    struct rwlock lock;
    struct list entries;        // (m)
    struct rb_tree tree;        // (m) by address
    struct pmap *pmap;          // (!)
    vaddr_t min_va, max_va;     // (!) [min_va, max_va)
    unsigned nentries;          // (m)
    size_t size;                // (m) bytes mapped
    struct vm_map_entry *hint;  // (a) where the last lookup ended; a hint only: validated under the
                                // lock
    vaddr_t full_from, full_to; // (m) no gap in [from, to): where the last search from `to' down
                                // began
    bool kernel;                // (!) kernel_map or a submap of it
    uint64_t generation;        // (m) counts changes: who unlocked looks again
    struct list reserve;        // (m) entries that map_entry.c keeps for unmaps (lab 2)
    unsigned nreserve;          // (m)
    unsigned nquanta;           // (m) live quantum mappings, as vm_map.c counts them
    struct list all_link;       // on the list of all maps, for the checks
};

void vm_map_init(struct vm_map *map, struct pmap *pmap, vaddr_t min_va, vaddr_t max_va,
                 bool kernel);
void vm_map_destroy(struct vm_map *map);        // unmaps all that is left; nobody else refers to it

// ---- lookup; the map is locked, read or write ----

// The entry that contains va: true. Else false and *entry is the one before va, or NULL if there
// is none.
bool vm_map_lookup(struct vm_map *map, vaddr_t va, struct vm_map_entry **entry);
// The first entry, and the one after an entry; NULL: none.
static inline struct vm_map_entry *vm_map_first(struct vm_map *map)
{
    KASSERT(rw_held(&map->lock), "map %p", map);
    return list_first(&map->entries, struct vm_map_entry, link);
}
static inline struct vm_map_entry *vm_map_next(struct vm_map *map, struct vm_map_entry *entry)
{
    KASSERT(rw_held(&map->lock), "map %p", map);
    if (entry->link.next == &map->entries)
        return NULL;
    return list_entry(entry->link.next, struct vm_map_entry, link);
}
// True if b goes on where a ends, as one mapping would for a program: which may not see whether an
// amap is still to be copied.
bool vm_map_continues(const struct vm_map_entry *a, const struct vm_map_entry *b);

// ---- mapping ----

enum vm_map_flags {
    MAP_FIXED_ADDR = 1,         // exactly there; what is there is unmapped first
    MAP_NOREPLACE = 2,          // with FIXED_ADDR: EEXIST if anything is there
    MAP_NOWAIT = 4,             // never sleep: ENOMEM or EAGAIN (lock busy) instead
};

// What to map; all but the address is the caller's. Object and amap come with a reference each,
// which map_entry_link takes over.
struct vm_map_req {
    vaddr_t va;                 // wanted address (page aligned), or 0; prepare stores the one found
    vaddr_t below;              // if va cannot be had: the highest fit below this; 0: the lowest
    size_t len;                 // bytes, a multiple of the page size, > 0
    size_t align;               // 0 or 1: none; else the address is a multiple of it
    struct vm_map_attr attr;
    struct vm_amap *amap;
    pgno_t amap_slot;
    uint32_t wired;
    uint32_t entry_flags;       // enum map_entry_flags
    unsigned flags;             // enum vm_map_flags
};

// Begins a change, and finds the space (and clears it when FIXED). 0, ENOMEM (no space, no memory,
// a limit), EEXIST, EINVAL (outside the map), EAGAIN (NOWAIT and locked). On error no change has
// begun.
MUST_CHECK int vm_map_prepare(struct map_change *c, struct vm_map *map, struct vm_map_req *req);
// Links the mapping, merging it where allowed, and ends the change. Cannot fail, never allocates.
void vm_map_enter(struct map_change *c, struct vm_map_req *req);
// Both. On error the references remain the caller's.
MUST_CHECK int vm_map_map(struct vm_map *map, struct vm_map_req *req);

// Unmaps [start, end), holes included. Allocates only if it must split an entry that is no
// quantum: then it may return ENOMEM with nothing changed.
MUST_CHECK int vm_map_unmap(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

// ---- changes to what is mapped ----

// As Linux does, they change what comes before a hole (ENOMEM) or an obstacle (EACCES: more than
// max_prot).
MUST_CHECK int vm_map_protect(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot);
MUST_CHECK int vm_map_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va,
                              enum vm_inherit inherit);
MUST_CHECK int vm_map_restore_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);
MUST_CHECK int vm_map_advise(struct vm_map *map, vaddr_t start_va, vaddr_t end_va,
                             enum vm_advice advice);
// Marks as wired (the pages follow by vm_fault_populate) or unwires, pages and all.
MUST_CHECK int vm_map_wire(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, bool wire);
// Extends the stack whose gap contains va: 0, EFAULT (no stack, or beyond a limit), ENOMEM.
MUST_CHECK int vm_map_grow_stack(struct vm_map *map, vaddr_t va);

// ---- limits of user maps ----

#define MAP_ENTRIES_MAX 65530   // Linux's vm.max_map_count

// The running process's soft limit, by Linux's number, in bytes; proc sets it at start-up. NULL:
// none.
enum vm_limit { VM_LIMIT_DATA = 2, VM_LIMIT_STACK = 3, VM_LIMIT_AS = 9 };
extern uint64_t (*vm_limit_hook)(enum vm_limit which);
uint64_t vm_limit(enum vm_limit which);         // UINT64_MAX: none
// (a) some process has had a limit of AS or DATA: else none is asked for
extern bool vm_limits_used;

// Whether len bytes with these entry flags and rights may be added when [start, end) is unmapped
// first: 0, or ENOMEM (entries, RLIMIT_AS, RLIMIT_DATA). The map is locked.
MUST_CHECK int vm_map_ask_limits(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                                 vaddr_t start_va, vaddr_t end_va);
MUST_CHECK static inline int vm_map_may_add(struct vm_map *map, uint32_t flags, vm_prot_t prot,
                                            size_t len, vaddr_t start_va, vaddr_t end_va)
{
    if (__builtin_expect(map->nentries <= MAP_ENTRIES_MAX && !vm_limits_used, 1))
        return 0;
    return vm_map_ask_limits(map, flags, prot, len, start_va, end_va);
}
// The same of RLIMIT_DATA alone, for what is there already.
MUST_CHECK int vm_map_ask_data_limit(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                                     vaddr_t start_va, vaddr_t end_va);
MUST_CHECK static inline int vm_map_may_add_data(struct vm_map *map, uint32_t flags, vm_prot_t prot,
                                                 size_t len, vaddr_t start_va, vaddr_t end_va)
{
    if (__builtin_expect(!vm_limits_used, 1))
        return 0;
    return vm_map_ask_data_limit(map, flags, prot, len, start_va, end_va);
}

// ---- the parts that changes are made of; for kernel/vm alone ----

// A change of the map is under way, by this thread: between begin and end of map_change.h.
static inline void assert_map_changes(const struct vm_map *map)
{
    KASSERT(rw_held_write(&map->lock) && kctx_current()->nomemwait, "map %p", map);
}
// Takes [start, end) out of pmap and map; the entries go to c->dead, which is empty before.
void vm_map_clear(struct map_change *c, vaddr_t start_va, vaddr_t end_va);
// Removes what the pmap shows of [start, end) of a user map. Map locked for writing.
void vm_map_pmap_remove(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);
// Unwires the pages of a wired entry in [start, end). Map locked for writing.
void vm_map_pmap_unwire(struct vm_map *map, struct vm_map_entry *e, vaddr_t start_va,
                        vaddr_t end_va);
// Keep the list of all maps; called by vm_map_init and vm_map_destroy.
void vm_map_check_add(struct vm_map *map);
void vm_map_check_remove(struct vm_map *map);
uint64_t vm_map_count(void);
extern uint64_t map_tree_lookups, map_tree_hint_hits;   // (a)

// ---- checks ----

// Order, tree, gaps, counts, entry rules, and map_entry_check. The map is locked. As page_check.
unsigned vm_map_check(struct vm_map *map, struct strbuf *out);

// The same for all maps that nobody changes just now.
unsigned map_check(struct strbuf *out);

struct vm_map_stats {
    uint64_t maps, lookups, hint_hits, clips, merges, entries_allocated, entries_live;
};
void vm_map_get_stats(struct vm_map_stats *st);
