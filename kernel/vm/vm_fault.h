// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults, the story that ties the VM together:
//   trap > vm_fault > vm_map lookup > amap and anon, or the object's pager > vm_page > pmap_enter > pv_enter.
// vm_fault looks the address up and holds the map for reading while fault_case.c does the work.
// ENOMEM inside drops every lock, waits for memory and starts over. After UVM's fault routine.
#pragma once

#include "lib/types.h"

struct vm_anon;
struct vm_map;
struct vm_map_entry;

// Resolves a fault at va. May sleep. No lock held on entry or exit. 0 (try the access again); EFAULT: not mapped (SIGSEGV,
// SEGV_MAPERR); EACCES: not allowed (SEGV_ACCERR); ENXIO or EIO: nothing behind it (SIGBUS); ENOMEM: no memory can be had
// (kill the process); EINTR: being killed.
int vm_fault(struct vm_map *map, vaddr_t va, vm_prot_t access);

// A shared mapping of an object's page gets write permission only by a write fault: the pager's get with
// PROT_WRITE is what makes room on the device (PG_BACKED).

// One fault on its way. All of it belongs to the faulting thread.
struct fault {
    struct vm_map *map;         // locked for reading
    struct vm_map_entry *entry; // valid while the map is locked
    vaddr_t va;                 // page aligned
    vm_prot_t access;           // what the program tried
    vm_prot_t enter_prot;       // what the mapping may have
    bool wire;                  // fault_wire: the mapping is to be wired
};

// fault_case.c (lab 4). Called with the map locked for reading; amap (if the entry has one) locked on entry, and on
// return everything but the map unlocked. 0, or errors as vm_fault, or EAGAIN: start over.
int fault_anon(struct fault *f, struct vm_anon *an);    // case 1: the amap has the page (1A map it, 1B copy it)
int fault_object(struct fault *f);                      // case 2: it has not (2A map the object's, 2B promote)

// Makes [start, end) resident and wired; undone on error. The map is not locked.
int vm_fault_wire(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, vm_prot_t access);
void vm_fault_unwire(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

struct vm_fault_stats {
    uint64_t faults, anon_hits, anon_copies, object_maps, promotes, zero_fills, restarts, waits, failures;
};
void vm_fault_get_stats(struct vm_fault_stats *st);
