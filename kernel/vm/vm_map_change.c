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
#include "vm/map_change.h"

#define STACK_STEP (128ul << 10) // a stack grows by this much at a time...
#define STACK_GAP  (1ul << 20)   // ...and keeps this distance from what lies below it

// What to do with each entry; called with the map locked for writing.
typedef int (*entry_change_fn)(struct vm_map *map, struct vm_map_entry *e, unsigned value);

// Applies fn to [start, end), up to the first hole (ENOMEM) or error.
static int change_range(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, entry_change_fn fn,
                        unsigned value)
{
    struct map_change c;
    struct vm_map_entry *e;

    KASSERT(page_aligned(start_va) && page_aligned(end_va) && start_va <= end_va, "[%#lx, %#lx)",
            start_va, end_va);
    int error = map_change_begin_clip(&c, map, start_va, end_va, 0);
    if (error)
        return error;
    for (vaddr_t va = start_va; va < end_va && !error; va = e->end_va) {
        if (!vm_map_lookup(map, va, &e)) {
            error = ENOMEM;
            break;
        }
        if (e->start_va < va)
            map_entry_clip_start(&c, e, va);
        if (e->end_va > end_va)
            map_entry_clip_end(&c, e, end_va);
        error = fn(map, e, value);
        e = map_entry_simplify(&c, e);
    }
    map_change_end(&c);
    return error;
}

// Wider rights come with the next fault; narrower ones are enforced now.
static int change_prot(struct vm_map *map, struct vm_map_entry *e, unsigned prot)
{
    vm_prot_t lost = e->attr.prot & ~prot, won = prot & ~e->attr.prot;
    size_t len = e->end_va - e->start_va;

    assert_map_changes(map);
    if (prot & ~e->attr.max_prot)
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
    e->attr.prot = prot;
    return 0;
}

int vm_map_protect(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot)
{
    return change_range(map, start_va, end_va, change_prot, prot);
}

static int change_inherit(struct vm_map *map, struct vm_map_entry *e, unsigned inherit)
{
    assert_map_changes(map);
    e->attr.inherit = inherit;
    return 0;
}

int vm_map_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_inherit inherit)
{
    return change_range(map, start_va, end_va, change_inherit, inherit);
}

// What fork does with such a mapping if nothing is said.
static int restore_inherit(struct vm_map *map, struct vm_map_entry *e, unsigned unused UNUSED)
{
    assert_map_changes(map);
    e->attr.inherit = e->flags & ME_COW ? INHERIT_COPY : INHERIT_SHARE;
    return 0;
}

int vm_map_restore_inherit(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    return change_range(map, start_va, end_va, restore_inherit, 0);
}

static int change_advice(struct vm_map *map, struct vm_map_entry *e, unsigned advice)
{
    assert_map_changes(map);
    e->attr.advice = advice;
    return 0;
}

int vm_map_advise(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, enum vm_advice advice)
{
    return change_range(map, start_va, end_va, change_advice, advice);
}

// Mappings that are there when an entry becomes wired go away, so that each page is wired by the
// fault that brings it back, and once only.
static int change_wired(struct vm_map *map, struct vm_map_entry *e, unsigned wired)
{
    assert_map_changes(map);
    if (wired && !e->wired)
        vm_map_pmap_remove(map, e->start_va, e->end_va);
    else if (!wired && e->wired)
        vm_map_pmap_unwire(map, e, e->start_va, e->end_va);
    e->wired = wired;
    return 0;
}

int vm_map_wire(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, bool wire)
{
    return change_range(map, start_va, end_va, change_wired, wire);
}

// ---- stacks ----

// The end of the stack that e is the lowest entry of: it is one or several.
static vaddr_t stack_top(struct vm_map *map, struct vm_map_entry *e)
{
    struct vm_map_entry *next;

    KASSERT(e->flags & ME_STACK, "[%#lx, %#lx)", e->start_va, e->end_va);
    while ((next = vm_map_next(map, e)) && next->start_va == e->end_va && next->flags & ME_STACK)
        e = next;
    return e->end_va;
}

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
    vaddr_t top = stack_top(map, e);
    vaddr_t lowest = max(e->attr.offset, top - min(limit, top));
    lowest = max(lowest, below ? below->end_va + STACK_GAP : map->min_va);
    if (va < lowest)
        return 0;
    *above = e;
    return max(lowest, min(va, e->start_va - min(STACK_STEP, e->start_va)));
}

static bool may_grow(struct vm_map *map, const struct vm_map_entry *stack, vaddr_t to_va)
{
    return !vm_map_may_add(map, stack->flags, stack->attr.prot, stack->start_va - to_va, 0, 0);
}

int vm_map_grow_stack(struct vm_map *map, vaddr_t va)
{
    struct map_change c;
    struct vm_map_entry *above;

    KASSERT(!map->kernel, "map %p, va %#lx", map, va);
    va = page_trunc(va);
    int error = map_change_begin(&c, map, 1, PR_WAITOK);
    if (error)
        return error;
    vaddr_t start_va = stack_start(map, va, &above);
    // What is asked for at least, if a limit forbids the whole step.
    if (start_va && !may_grow(map, above, start_va))
        start_va = may_grow(map, above, va) ? va : 0;
    if (start_va) {
        struct vm_map_req req = {
            .va = start_va,
            .len = above->start_va - start_va,
            .attr = above->attr,
            .wired = above->wired,
            .entry_flags = above->flags,
        };
        map_entry_link(&c, &req);
    }
    map_change_end(&c);
    return start_va ? 0 : EFAULT;
}
