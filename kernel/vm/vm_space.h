// SPDX-License-Identifier: BSD-2-Clause
//
// A process's address space: its map, its pmap and the break; and the operations that system
// calls ask for. Shared by the threads of a process and by vfork's child. Functions return
// positive errnos, Linux's, and take Linux's flags.
//
//      0     brk_start   brk_end              mmap_top                stack
//      | text | data | heap -->  |    ...  <-- mappings |  ...  <-- grows | USER_MAX
//
// A typical sequence is: exec: vm_space_create, vm_mmap of each segment, vm_stack_map; then faults,
// vm_mmap, vm_munmap, vm_brk by system calls; vm_space_fork for a child; vm_space_unref at exit.
//
// Locks: none of its own but the map's; nrefs is atomic. All may sleep; no lock held.
#pragma once

#include "vm/vm_map.h"

struct vm_space {
    struct vm_map map;
    struct pmap *pmap;          // (!)
    uint32_t nrefs;             // (a)
    vaddr_t brk_start, brk_end; // the heap; brk_end not rounded; set by exec, moved by vm_brk
    vaddr_t mmap_top;           // unhinted mappings go below it; set by vm_stack_map
};

enum linux_map_flags {
    MMAP_WRITER = 1 << 30,      // none of Linux's: the file was opened for writing
    LINUX_MAP_SHARED = 0x1,
    LINUX_MAP_PRIVATE = 0x2,
    LINUX_MAP_SHARED_VALIDATE = 0x3,
    LINUX_MAP_TYPE = 0xf,
    LINUX_MAP_FIXED = 0x10,
    LINUX_MAP_ANONYMOUS = 0x20,
    LINUX_MAP_32BIT = 0x40,
    LINUX_MAP_GROWSDOWN = 0x100,
    LINUX_MAP_LOCKED = 0x2000,
    LINUX_MAP_POPULATE = 0x8000,
    LINUX_MAP_NONBLOCK = 0x10000,
    LINUX_MAP_HUGETLB = 0x40000,
    LINUX_MAP_FIXED_NOREPLACE = 0x100000,
};

void vm_space_init_pools(void);
MUST_CHECK struct vm_space *vm_space_create(void);         // NULL: no memory
void vm_space_ref(struct vm_space *vs);
void vm_space_unref(struct vm_space *vs);       // the last one frees it; no thread runs in it then
// A child's copy; 0, or amap_inherit's error with no child left behind.
MUST_CHECK int vm_space_fork(struct vm_space *parent, struct vm_space **child);

// The mmap family. object NULL: anonymous; else it comes with a reference, which is taken over on
// success alone. max_prot is what the file's open mode allows. len is rounded up. Shared or
// private: what else Linux has was looked at above.
MUST_CHECK int vm_mmap(struct vm_space *vs, vaddr_t *va, size_t len, vm_prot_t prot,
                       vm_prot_t max_prot, unsigned linux_flags, struct vm_object *object,
                       uint64_t offset);
MUST_CHECK int vm_munmap(struct vm_space *vs, vaddr_t va, size_t len);
MUST_CHECK int vm_mprotect(struct vm_space *vs, vaddr_t va, size_t len, vm_prot_t prot);
// *va is also an input: the new address for MREMAP_FIXED.
MUST_CHECK int vm_mremap(struct vm_space *vs, vaddr_t old_va, size_t old_len, size_t new_len,
                         unsigned flags, vaddr_t *va);
MUST_CHECK int vm_msync(struct vm_space *vs, vaddr_t va, size_t len, unsigned flags);
MUST_CHECK int vm_madvise(struct vm_space *vs, vaddr_t va, size_t len, int advice);
// One byte per page, its lowest bit set if it is in memory, into vec (kernel memory).
MUST_CHECK int vm_mincore(struct vm_space *vs, vaddr_t va, size_t npages, uint8_t *vec);
MUST_CHECK int vm_mlock(struct vm_space *vs, vaddr_t va, size_t len, bool lock);
vaddr_t vm_brk(struct vm_space *vs, vaddr_t new_end);   // returns the break that holds afterwards
// exec's stack, a page at least: ends at top_va, grows on faults to the soft limit, or to `limit'.
MUST_CHECK int vm_stack_map(struct vm_space *vs, vaddr_t top_va, size_t limit);

// Calls fn for each entry, for /proc/<pid>/maps, under the map's lock: fn must not take maps.
void vm_space_for_each(struct vm_space *vs, void (*fn)(const struct vm_map_entry *e, void *arg),
                       void *arg);
uint64_t vm_space_resident(struct vm_space *vs);    // pages

// What vs costs, in pages: about what is had back if it goes.
struct vm_space_usage {
    uint64_t resident, swapped; // of the program; what is shared counts whole
    uint64_t kernel;            // page tables, map entries
};
// Waits for nobody who may wait for memory: a map that is being changed is counted as if nothing
// of it were swapped.
void vm_space_usage(struct vm_space *vs, struct vm_space_usage *u);
