// SPDX-License-Identifier: BSD-2-Clause
//
// A machine for host tests of kernel/vm: the kernel's own pages and pools on the program's memory,
// a pmap that records mappings in plain lists (fake_pmap.c), a page daemon on request, and a user
// whose loads and stores fault as on hardware. Tests that use it are compiled with
//   -DDMAP_BASE=0x200000000000ul
#pragma once

#include "lib/types.h"
#include "mem/vm_page.h"

struct vm_object;
struct vm_space;

// Starts it with so many pages of memory; [KVA_START, +KVA_SIZE) is kernel_map.
#define KVA_START 0x300000000000ul
#define KVA_SIZE  (64ul << 20)
#define KMEM_SIZE (1ul << 20)
#define POOL_SIZE (1ul << 20)
void machine_start(unsigned npages);

// Ends the test if map_check, amap_check, slab_check, pool_check or page_check finds anything.
void machine_check(void);

// Free pages, once empty pool pages are given back, and map entries as if packed: equal before and
// after means nothing leaked.
uint64_t machine_free_pages(void);

// The thread's nth allocation from now on fails; 0: none does. Returns whether one has failed.
void fail_nth(uint64_t n);
bool fail_nth_done(void);

// The memory at va, once the hardware would let the access through, to the end of its page.
int user_access(struct vm_space *vs, vaddr_t va, vm_prot_t access, uint64_t **word);

// A load or store of one word by a user program; 0 or the error of vm_fault.
int user_load(struct vm_space *vs, vaddr_t va, uint64_t *value);
int user_store(struct vm_space *vs, vaddr_t va, uint64_t value);

// ---- a file ----

// An object whose page n holds the word file_word(n) at its start; what is put is kept.
struct test_file {
    struct vm_object *object;
    pgno_t npages;
    int get_error;          // get fails with this
    unsigned gets, puts, freed;
    unsigned refs_gone;     // times that the last reference went
    void (*in_get)(void);   // called with nothing locked while get does its I/O
};
struct test_file *file_create(pgno_t npages);
void file_truncate(struct test_file *f, pgno_t npages);
void file_destroy(struct test_file *f);     // nobody maps it any more
uint64_t file_word(pgno_t pgno);
uint64_t *file_disk(struct test_file *f, pgno_t pgno);  // the word on the device

// ---- fake_pmap.c ----

uint64_t fake_pmap_mappings(void);      // managed ones, of all pmaps
extern uint64_t fake_pmap_enter_fails;  // so many calls of pmap_enter fail next
extern bool fake_pmap_hot;              // all was referenced again whenever somebody looks
