// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults, the story that ties the VM together:   trap > vm_fault > vm_map lookup > amap and
// anon, or the object's pager > vm_page > pmap_enter > pv_enter. vm_fault looks the address up and
// holds the map for reading while fault_case.c does the work. ENOMEM inside drops every lock, waits
// for memory and starts over. After UVM's fault routine.
//
// I/O happens with nothing held but the BUSY page: fault_case.c unlocks amap and map, calls the
// pager, and locks again if the map has not changed meanwhile. A thread may hold a busy page while
// it waits for a map; so nobody waits for a busy page of an object with a map locked.
//
//                 amap has the page              amap has it not
//      read       1A map the anon's page         2A map the object's page, read-only if private
//      write      1A if no other slot holds it   2A if shared; 2B promote: copy it into an anon
//                 1B else copy it                2B if there is no object, read or write: zeroes
//
// Locks, as they are taken: map for reading (fault_lookup), amap (fault_once), the slot's anon
// (fault_anon) or the object (fault_object), in case 1B or 2B the new anon too (it is born locked),
// and in pmap_enter the pmap and pv. What is left locked: at most the map (f->locked). To give an
// entry its own amap, or a stack room, fault_lookup has the map alone, for writing, before.
//
// A typical sequence is: fault_lookup locks the map and finds the entry; amap_lock, amap_lookup;
// fault_anon or fault_object; fault_enter; unlock. EAGAIN: from the start; ENOMEM: vm_page_wait,
// and from the start.
#pragma once

#include "lib/types.h"

struct vm_anon;
struct vm_map;
struct vm_map_entry;
struct vm_object;
struct vm_page;

// Resolves a fault at va. May sleep. No lock held that faulting needs (map and below) on entry or
// exit. 0 (try the access again); EFAULT: not mapped (SIGSEGV, SEGV_MAPERR); EACCES: not allowed
// (SEGV_ACCERR); ENXIO or EIO: nothing behind it, or a full disk (SIGBUS); ENOMEM: no memory can
// be had and nobody is left to give some up (kill the process); EINTR: being killed.
MUST_CHECK int vm_fault(struct vm_map *map, vaddr_t va, vm_prot_t access);

// A shared mapping of an object's page gets write permission only by a write fault: the pager's get
// with PROT_WRITE is what makes room on the device (PG_BACKED).

// One fault on its way. All of it belongs to the faulting thread.
struct fault {
    struct vm_map *map;
    bool locked;                // the map is locked for reading
    uint64_t generation;        // the map's when it was looked up
    struct vm_map_entry *entry; // valid while the map is locked
    vaddr_t va;                 // page aligned
    vm_prot_t access;           // what the program tried
    vm_prot_t enter_prot;       // what the mapping may have
    struct vm_object *object;   // kept alive while the map was unlocked: a reference, or NULL
};

// Unlocks the map, keeping e's object, if any, alive. Locks it again: true if it has not changed.
void fault_unlock_map(struct fault *f);
MUST_CHECK bool fault_relock_map(struct fault *f);

// Maps pg at f->va with prot and, if the entry is wired, wires it. pg's owner locked. 0 or ENOMEM.
MUST_CHECK int fault_enter(struct fault *f, struct vm_page *pg, vm_prot_t prot);

// fault_case.c (lab 4). Called with the map locked for reading and the amap, if the entry has one,
// locked; an entry without object, or a write to a private one, has one. On return all is unlocked
// but the map, and that may be (f->locked says). 0, or errors as vm_fault, or EAGAIN: start over.
// case 1: the amap has the page (1A map it, 1B copy it)
MUST_CHECK int fault_anon(struct fault *f, struct vm_anon *an);
// case 2: it has not (2A map the object's, 2B promote)
MUST_CHECK int fault_object(struct fault *f);

// Faults the pages of [start, end) in: of wired entries, wired. From a page that is not accessible
// it goes on with the next entry, as Linux does. The map is not locked. 0, or the first error of
// vm_fault.
int vm_fault_populate(struct vm_map *map, vaddr_t start_va, vaddr_t end_va);

struct vm_fault_stats {
    uint64_t faults, anon_hits, anon_copies, object_maps, promotes, zero_fills;
    uint64_t restarts, waits, failures;
};
extern struct vm_fault_stats vm_fault_stats;    // counted with stat_inc; fault_map.c has them
void vm_fault_get_stats(struct vm_fault_stats *st);
