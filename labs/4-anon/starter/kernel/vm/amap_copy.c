// SPDX-License-Identifier: BSD-2-Clause
//
// Private memory at a first write and at fork, in its first form: an entry gets an amap when it
// needs one, and fork copies every page then and there, so that nothing is ever shared by halves.
//
// Locking: amap.h.

#include "lib/errno.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/map_entry.h"
#include "vm/stat.h"

static pgno_t entry_npages(const struct vm_map_entry *e)
{
    return (e->end_va - e->start_va) >> PAGE_SHIFT;
}

int amap_copy(struct map_change *c, struct vm_map *map, struct vm_map_entry *e, vaddr_t va)
{
    (void)c;
    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e->start_va <= va && va < e->end_va, "%#lx in [%#lx, %#lx)", va, e->start_va,
            e->end_va);
    if (e->amap)
        return 0;
    e->amap = amap_alloc(entry_npages(e));
    e->amap_slot = 0;
    return e->amap ? 0 : ENOMEM;
}

// Puts a copy of an anon in slot to_slot. an is locked, and unlocked here. 0, ENOMEM, or what
// bringing it in gives: then, and if *again is set, it must be looked up again.
static int copy_anon(struct vm_anon *an, struct vm_amap *to, pgno_t to_slot, bool *again)
{
    KASSERT(mutex_held(&an->lock), "anon %p", an);
    *again = !anon_resident(an);
    if (*again)
        return anon_fetch_unlock(an);
    struct vm_anon *copy = anon_alloc_page(an->page);
    mutex_unlock(&an->lock);
    if (!copy)
        return ENOMEM;
    vm_page_activate(copy->page);
    mutex_unlock(&copy->lock);
    amap_lock(to);
    int error = amap_add(to, to_slot, copy);
    amap_unlock(to);
    if (error) {
        mutex_lock(&copy->lock);
        anon_unref_unlock(copy);
    }
    return error;
}

// fork's copies are the one thing that waits for memory within a change of a map.
static int wait_for_pages(void)
{
    unsigned depth = nomemwait_lift();
    int error = vm_page_wait();

    nomemwait_restore(depth);
    return error;
}

// Copies the anons of slots [slot, slot+npages) to the same places from slot 0 on in `to'. It waits
// for memory, inside a change of a map: the page daemon needs no map, and a copy that gave up would
// be a fork that fails.
static int copy_all(struct vm_amap *from, pgno_t slot, pgno_t npages, struct vm_amap *to)
{
    pgno_t at = slot;
    uint64_t ncopied = 0;
    int error = 0;
    bool again;

    while (!error) {
        amap_lock(from);
        struct vm_anon *an = amap_next(from, &at, slot + npages);
        if (an)
            mutex_lock(&an->lock);
        amap_unlock(from);
        if (!an)
            break;
        error = copy_anon(an, to, at - slot, &again);
        if (!error && !again) {
            ncopied++;
            at++;
        } else if (error == ENOMEM) {
            error = wait_for_pages();
        }
    }
    stat_add(amap_stats.eager_pages, error ? 0 : ncopied);
    return error;
}

int amap_discard(struct map_change *c, struct vm_map_entry *e, vaddr_t start_va, vaddr_t end_va)
{
    pgno_t slot = e->amap_slot + ((start_va - e->start_va) >> PAGE_SHIFT);

    KASSERT(rw_held_write(&c->map->lock), "map %p", c->map);
    KASSERT(e->start_va <= start_va && end_va <= e->end_va, "[%#lx, %#lx) in [%#lx, %#lx)",
            start_va, end_va, e->start_va, e->end_va);
    amap_lock(e->amap);
    amap_wipe(e->amap, slot, (end_va - start_va) >> PAGE_SHIFT);
    amap_unlock(e->amap);
    return 0;
}

// Both entries refer to one amap, which the parent's must therefore have.
static int inherit_shared(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map_entry *ce)
{
    int error = 0;

    while (pe->flags & ME_COW && (error = amap_copy(NULL, parent, pe, pe->start_va)) == ENOMEM &&
           !(error = wait_for_pages()))
        ;
    if (!error && pe->amap)
        error = amap_ref(pe->amap, pe->amap_slot, entry_npages(pe));
    if (error)
        return error;
    ce->amap = pe->amap;
    ce->amap_slot = pe->amap_slot;
    return 0;
}

int amap_inherit(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map *child,
                 struct vm_map_entry *ce)
{
    pgno_t npages = entry_npages(pe);

    KASSERT(rw_held_write(&parent->lock) && rw_held_write(&child->lock), "maps %p, %p", parent,
            child);
    ce->amap = NULL;
    if (pe->attr.inherit == INHERIT_SHARE)
        return inherit_shared(parent, pe, ce);
    if (!pe->amap)
        return 0;
    struct vm_amap *copy;
    int error = 0;
    while (!(copy = amap_alloc(npages)) && !error)
        error = wait_for_pages();
    if (!copy)
        return error;
    // Threads of the parent that write meanwhile wait for the map: the child sees one moment.
    pmap_protect(parent->pmap, pe->start_va, pe->end_va, PROT_READ | PROT_EXEC);
    error = copy_all(pe->amap, pe->amap_slot, npages, copy);
    if (error) {
        amap_unref(copy, 0, npages);
        return error;
    }
    stat_inc(amap_stats.copies);
    ce->amap = copy;
    ce->amap_slot = 0;
    return 0;
}

// That is left to objects.
int amap_create_shared(pgno_t npages UNUSED, struct vm_amap **am)
{
    *am = NULL;
    return EOPNOTSUPP;
}
