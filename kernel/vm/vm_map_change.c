// SPDX-License-Identifier: BSD-2-Clause
//
// Changes to what a map already shows: rights, inheritance, advice, wiring, and the growth of
// stacks. Each goes over a range entry by entry: clip, change, merge again.
//
// Locking: vm_map.h.

#include "vm/vm_map.h"

#include "lib/errno.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "vm/map_entry.h"

#define STACK_STEP (128ul << 10) // a stack grows by this much at a time...
#define STACK_GAP  (1ul << 20)   // ...and keeps this distance from what lies below it

// What to do with each entry; called with the map locked for writing.
typedef int (*entry_change_fn)(struct vm_map *map, struct vm_map_entry *e, unsigned value);

// Applies fn to [start, end), up to the first hole (ENOMEM) or error.
static int map_change(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, entry_change_fn fn,
                      unsigned value)
{
    struct list spare, dead;
    struct vm_map_entry *e;

    list_init(&dead);
    int error = vm_map_lock_clip(map, start_va, end_va, 0, &spare);
    if (error)
        return error;
    map->generation++;
    for (vaddr_t va = start_va; va < end_va && !error; va = e->end_va) {
        if (!vm_map_lookup(map, va, &e)) {
            error = ENOMEM;
            break;
        }
        if (e->start_va < va)
            map_entry_clip_start(map, e, va, &spare);
        if (e->end_va > end_va)
            map_entry_clip_end(map, e, end_va, &spare);
        error = fn(map, e, value);
        e = map_entry_simplify(map, e, &dead);
    }
    rw_unlock_write(&map->lock);
    vm_map_drop(map, &dead);
    map_entry_unreserve(map, &spare);
    return error;
}

// Wider rights come with the next fault; narrower ones are enforced now.
static int change_prot(struct vm_map *map, struct vm_map_entry *e, unsigned prot)
{
    vm_prot_t lost = e->prot & ~prot, won = prot & ~e->prot;
    size_t len = e->end_va - e->start_va;

    if (prot & ~e->max_prot)
        return EACCES;
    if (won & PROT_WRITE && vm_map_may_add_data(map, e->flags, prot, len, e->start_va, e->end_va))
        return ENOMEM;
    if (lost && prot == PROT_NONE) {
        if (e->wired)
            vm_map_pmap_unwire(map, e, e->start_va, e->end_va);
        vm_map_pmap_remove(map, e->start_va, e->end_va);
    } else if (lost) {
        ptshare_detach(map->pmap, e->start_va, e->end_va);
        pmap_protect(map->pmap, e->start_va, e->end_va, PROT_READ | prot);
    }
    e->prot = prot;
    return 0;
}

int vm_map_protect(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot)
{
    return map_change(map, start_va, end_va, change_prot, prot);
}

static int change_inherit(struct vm_map *map, struct vm_map_entry *e, unsigned inherit)
{
    (void)map;
    e->inherit = inherit;
    return 0;
}

int vm_map_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_inherit inherit)
{
    return map_change(map, start_va, end_va, change_inherit, inherit);
}

// What fork does with such a mapping if nothing is said.
static int restore_inherit(struct vm_map *map, struct vm_map_entry *e, unsigned unused)
{
    (void)map;
    (void)unused;
    e->inherit = e->flags & ME_COW ? INHERIT_COPY : INHERIT_SHARE;
    return 0;
}

int vm_map_restore_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    return map_change(map, start_va, end_va, restore_inherit, 0);
}

static int change_advice(struct vm_map *map, struct vm_map_entry *e, unsigned advice)
{
    (void)map;
    e->advice = advice;
    return 0;
}

int vm_map_advise(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_advice advice)
{
    return map_change(map, start_va, end_va, change_advice, advice);
}

// Mappings that are there when an entry becomes wired go away, so that each page is wired by the
// fault that brings it back, and once only.
static int change_wired(struct vm_map *map, struct vm_map_entry *e, unsigned wired)
{
    if (wired && !e->wired)
        vm_map_pmap_remove(map, e->start_va, e->end_va);
    else if (!wired && e->wired)
        vm_map_pmap_unwire(map, e, e->start_va, e->end_va);
    e->wired = wired;
    return 0;
}

int vm_map_wire(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, bool wire)
{
    return map_change(map, start_va, end_va, change_wired, wire);
}

// ---- stacks ----

// Where a stack must begin to contain va, or 0 if none may; *above is the entry to extend.
static vaddr_t stack_start(struct vm_map *map, vaddr_t va, struct vm_map_entry **above)
{
    struct vm_map_entry *below;

    if (vm_map_lookup(map, va, &below))
        return 0;
    struct vm_map_entry *e = below ? vm_map_next(map, below) : vm_map_first(map);
    if (!e || !(e->flags & ME_STACK))
        return 0;
    uint64_t limit = page_trunc(vm_limit(VM_LIMIT_STACK));
    vaddr_t lowest = max(e->offset, e->end_va - min(limit, e->end_va));
    lowest = max(lowest, below ? below->end_va + STACK_GAP : map->min_va);
    if (va < lowest)
        return 0;
    *above = e;
    return max(lowest, min(va, e->start_va - min(STACK_STEP, e->start_va)));
}

int vm_map_grow_stack(struct vm_map *map, vaddr_t va)
{
    struct vm_map_entry *above;
    struct vm_map_req req = {0};

    va = page_trunc(va);
    list_init(&req.spare);
    list_init(&req.dead);
    int error = map_entry_reserve(map, 1, PR_WAITOK, &req.spare);
    if (error)
        return error;
    rw_lock_write(&map->lock);
    req.va = stack_start(map, va, &above);
    req.len = req.va ? above->start_va - req.va : 0;
    // What is asked for at least, if a limit forbids the whole step.
    if (req.va && vm_map_may_add(map, above->flags, above->prot, req.len, 0, 0)) {
        req.va = va;
        req.len = above->start_va - va;
        if (vm_map_may_add(map, above->flags, above->prot, req.len, 0, 0))
            req.va = 0;
    }
    if (req.va) {
        req.offset = above->offset;
        req.prot = above->prot;
        req.max_prot = above->max_prot;
        req.inherit = above->inherit;
        req.advice = above->advice;
        req.wired = above->wired;
        req.entry_flags = above->flags;
        map_entry_link(map, &req);
        map->generation++;
    }
    rw_unlock_write(&map->lock);
    vm_map_drop(map, &req.dead);
    map_entry_unreserve(map, &req.spare);
    return req.va ? 0 : EFAULT;
}
