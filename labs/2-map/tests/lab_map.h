// SPDX-License-Identifier: BSD-2-Clause
//
// What the lab's in-kernel tests share: maps and blocks under fixed numbers, which the judge on the
// host finds by these arrays' names, and unmapping with allocation forbidden and counted. The tests
// use the frozen interfaces alone.
#pragma once

#include "lib/rng.h"
#include "vm/map_change.h"

#define LAB_MAX_MAPS  8
#define LAB_MAX_SLOTS 4096
#define LAB_MAX_REFS  1024
#define LAB_MAX_PAIRS 160
#define LAB_OBJECTS   3
#define LAB_USER_VA   0x40000000ul

// Blocks of kernel maps: quanta, as kmem makes them, in three kinds that must not merge with each
// other; and a mapping whose owner has promised nothing.
enum lab_kind { LAB_QUANTUM, LAB_GUARD, LAB_READ_ONLY, LAB_PLAIN };

struct lab_slot {
    uint64_t map;
    uint64_t va;   // 0: nothing is mapped
    uint64_t len;  // bytes
    uint64_t kind; // enum lab_kind
};

// What cannot be read from the entries alone, by the pristine parts that know it.
struct lab_ref {
    uint64_t what; // address of an object or an amap
    uint64_t nrefs;
};

struct lab_report {
    uint64_t nfaults;      // of map_check, amap_check, pool_check, page_check
    uint64_t nown;         // of these: of map_entry_check, in lab_map[]
    uint64_t unmaps;       // quanta unmapped by lab_free
    uint64_t unmap_allocs; // allocations that this tried
    uint64_t nheld;        // locks that the running thread holds
    uint64_t live;         // vm_map_get_stats's entries_live
    uint64_t allocated;    // entries_allocated
    uint64_t clips;        // clips
    uint64_t merges;       // and merges
    uint64_t mapped;       // blocks mapped by lab_alloc
    uint64_t claims;       // pages claimed of lab_object[], for writing
    uint64_t nrefs;        // lines of ref[]
    char text[2048];       // what the checks said
    char own_text[512];    // what map_entry_check said
    struct lab_ref ref[LAB_MAX_REFS];
};

// Two neighbours, mapped twice: the lower one first at va, the upper one first behind that.
struct lab_pair {
    uint64_t va;
    uint64_t apart;  // 1: they differ in something
    uint64_t offset; // of the lower one
    char name[64];   // what they agree or differ in
};

extern struct lab_report lab_report;
extern struct lab_pair lab_pair[LAB_MAX_PAIRS];
extern uint64_t lab_npairs;
extern struct vm_object *lab_object[LAB_OBJECTS];
extern struct vm_map *lab_map[LAB_MAX_MAPS];
extern struct lab_slot lab_slot[LAB_MAX_SLOTS];

struct rng lab_rng(uint64_t part);

// ---- maps ----

// Map number n: a kernel map of so many pages of address space, or a new process's.
void lab_make_kernel_map(unsigned n, size_t npages);
struct vm_space *lab_make_space(unsigned n);
void lab_destroy_maps(void); // all that are left

// ---- blocks ----

// Describes a block of this kind, for vm_map_map.
struct vm_map_req lab_req(enum lab_kind kind, vaddr_t va, size_t npages);
// Maps a block (va 0: where there is room) and notes it in the slot, or fails the test.
void lab_alloc(unsigned map, unsigned slot, enum lab_kind kind, vaddr_t va, size_t npages);
// Unmaps the slot's quantum with allocation forbidden, and sleeping too.
void lab_free(unsigned slot);
// The same without a slot.
void lab_free_at(struct vm_map *map, vaddr_t va, size_t len);

// From lab_forbid to lab_allow the running thread's allocations fail, and are counted.
void lab_forbid(void);
uint64_t lab_allow(void); // how many were tried

// ---- mappings of user maps ----

void lab_make_objects(void);
void lab_drop_objects(void);
// Four pages, read-only, anonymous; and maps what is described in map n, or map 0, with the
// references that takes.
struct vm_map_req lab_plain(vaddr_t va);
void lab_map_in(unsigned n, struct vm_map_req req);
void lab_map_one(struct vm_map_req req);
// As a program does: maps private memory (va 0: where there is room), writes a page, and looks at
// what is in one.
vaddr_t lab_map_private(struct vm_space *vs, vaddr_t va, size_t npages);
void lab_poke(struct vm_space *vs, vaddr_t va, uint64_t word);
void lab_expect_word(struct vm_space *vs, vaddr_t va, uint64_t word);

// What leaves map 0, or is merged away, is its hint no more, from then on.
void lab_check_hint(const char *who);
// map_entry_need counts the ends of a range that fall inside an entry of map n, but for those that
// are inside a quantum's.
void lab_check_need(unsigned n, vaddr_t start_va, vaddr_t end_va);

// ---- speaking to the judge ----

// All checks, and a point of this name; pools have given back what nobody uses.
void lab_point(const char *name);
// A point at which the checks, which take long on long maps, do not run.
void lab_quick_point(const char *name);
