// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults: looks up what should be there, and lets fault_case.c put it there, again and again
// until the map holds still and memory suffices. Wiring is done by faulting, too.
//
// Locking: vm_fault.h.

#include "vm/vm_fault.h"

#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "sync/waitq.h"
#include "vm/amap.h"
#include "vm/fault_kinds.h"
#include "vm/map_change.h"
#include "vm/stat.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

// A fault that found memory so often, and then too little of it, asks for the last resort.
#define MAX_WAITS 200

bool fault_kinds_wanted;

// ---- lookup ----

// What the hardware gives along with each right: on amd64, what can be written or executed can be
// read.
static vm_prot_t effective_prot(vm_prot_t prot)
{
    return prot & (PROT_WRITE | PROT_EXEC) ? prot | PROT_READ : prot;
}

// A private entry needs an amap before it can be written, and before it shows zeroes.
static bool needs_amap(const struct vm_map_entry *e, vm_prot_t access)
{
    if (!(e->flags & ME_COW))
        return false;
    return (!e->amap && (!e->attr.object || access & PROT_WRITE)) ||
           (e->flags & ME_NEEDSCOPY && access & PROT_WRITE);
}

// Gives the entry at f->va an amap of its own. A large entry, as it was when it was looked at, may
// be clipped for that.
static int fault_make_amap(struct fault *f, size_t size)
{
    struct map_change c;
    struct vm_map_entry *e;

    unsigned nentries = size > AMAP_WINDOW * PAGE_SIZE ? MAP_ENTRY_SPLITS : 0;
    int error = map_change_begin(&c, f->map, nentries, PR_WAITOK);
    if (error)
        return error;
    if (vm_map_lookup(f->map, f->va, &e) && needs_amap(e, f->access)) {
        error = amap_copy(&c, f->map, e, f->va);
        if (!error) // what a neighbour took over before may be one with it again
            map_entry_simplify(&c, e);
    }
    map_change_end(&c);
    return error ? error : EAGAIN;
}

// If one page-table page can serve all who map this part of the object alike: f is done.
static bool fault_share_tables(struct fault *f)
{
    struct vm_map_entry *e = f->entry;
    vaddr_t slot_va = f->va & ~(PTSHARE_SPAN - 1);

    KASSERT(f->locked, "va %#lx", f->va);
    if (!ptshare_enabled || !e->attr.object || e->flags & ME_COW || e->wired ||
        slot_va < e->start_va || e->end_va - slot_va < PTSHARE_SPAN ||
        (e->attr.offset - e->start_va) % PTSHARE_SPAN != 0)
        return false;
    struct ptshare_key key = {
        .object = e->attr.object,
        .pgno = (e->attr.offset + (slot_va - e->start_va)) >> PAGE_SHIFT,
        .prot = e->attr.prot,
    };
    return ptshare_attach(f->map->pmap, slot_va, &key);
}

// Locks the map for reading, finds the entry and checks the access. 0, or an error of vm_fault;
// EAGAIN: the map was changed to suit the fault, start over.
static int fault_lookup(struct fault *f)
{
    struct vm_map *map = f->map;

    KASSERT(!f->locked, "va %#lx", f->va);
    rw_lock_read(&map->lock);
    f->locked = true;
    f->generation = map->generation;
    if (!vm_map_lookup(map, f->va, &f->entry)) {
        f->locked = false;
        rw_unlock_read(&map->lock);
        int error = vm_map_grow_stack(map, f->va);
        return error ? error : EAGAIN;
    }
    f->enter_prot = effective_prot(f->entry->attr.prot);
    if (f->access & ~f->enter_prot)
        return EACCES;
    if (!needs_amap(f->entry, f->access))
        return 0;
    size_t size = f->entry->end_va - f->entry->start_va;
    f->locked = false;
    rw_unlock_read(&map->lock);
    return fault_make_amap(f, size);
}

// ---- the fault ----

static int fault_once(struct fault *f)
{
    int error = fault_lookup(f);

    if (error || fault_share_tables(f))
        return error;
    struct vm_map_entry *e = f->entry;
    struct vm_anon *an = NULL;
    if (e->amap) {
        amap_lock(e->amap);
        an = amap_lookup(e->amap, e->amap_slot + ((f->va - e->start_va) >> PAGE_SHIFT));
    }
    return an ? fault_anon(f, an) : fault_object(f);
}

int vm_fault(struct vm_map *map, vaddr_t va, vm_prot_t access)
{
    unsigned waits = 0;
    int error;

    assert_may_sleep("vm_fault");
    assert_may_wait_for_memory("vm_fault");
    KASSERT(!map->kernel && !(access & ~PROT_ALL), "map %p, va %#lx, access %#x", map, va, access);
    stat_inc(vm_fault_stats.faults);
    if (load_relaxed(&fault_kinds_wanted))
        fault_kinds_count(map, va, access);
    do {
        struct fault f = {.map = map, .va = page_trunc(va), .access = access};
        error = fault_once(&f);
        if (f.locked)
            rw_unlock_read(&map->lock);
        if (f.object)
            vm_object_unref(f.object);
        if (error == EAGAIN) {
            stat_inc(vm_fault_stats.restarts);
        } else if (error == ENOMEM) {
            stat_inc(vm_fault_stats.waits);
            error = ++waits % MAX_WAITS ? vm_page_wait() : vm_page_wait_starved();
            error = error ? error : EAGAIN;
        }
    } while (error == EAGAIN);
    if (error)
        stat_inc(vm_fault_stats.failures);
    return error == ENOSPC ? EIO : error;
}

// ---- whole ranges ----

// How the page at va is to be faulted in; PROT_NONE: not at all. *next_va: where the next entry may
// begin.
static vm_prot_t populate_how(struct vm_map *map, vaddr_t va, vaddr_t *next_va)
{
    struct vm_map_entry *e;
    vm_prot_t how = PROT_NONE;

    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, va, &e)) {
        *next_va = e->end_va;
        if (e->attr.prot)
            how = e->flags & ME_COW && e->attr.prot & PROT_WRITE ? PROT_WRITE : PROT_READ;
    } else {
        e = e ? vm_map_next(map, e) : vm_map_first(map);
        *next_va = e ? e->start_va : map->max_va;
    }
    rw_unlock_read(&map->lock);
    return how;
}

int vm_fault_populate(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    vaddr_t va = start_va, next_va;

    assert_may_sleep("vm_fault_populate");
    while (va < end_va) {
        vm_prot_t how = populate_how(map, va, &next_va);
        int error = !how ? EFAULT : waitq_killed() ? EINTR : vm_fault(map, va, how);
        if (error && error != EFAULT && error != EACCES)
            return error;
        va = error ? next_va : va + PAGE_SIZE;
    }
    return 0;
}

void vm_fault_get_stats(struct vm_fault_stats *st)
{
    *st = vm_fault_stats;
}
