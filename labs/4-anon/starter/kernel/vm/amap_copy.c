// SPDX-License-Identifier: BSD-2-Clause
//
// Private memory at a first write and at fork, in its first form: an entry gets an amap when it
// needs one, and fork copies every page then and there, so that nothing is ever shared by halves.
// Locking: amap.h.

#include "lib/errno.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/amap_impl.h"
#include "vm/anon.h"
#include "vm/map_entry.h"
#include "vm/stat.h"

static pgno_t entry_npages(const struct vm_map_entry *e)
{
    return (e->end_va - e->start_va) >> PAGE_SHIFT;
}

int amap_copy(struct map_change *c UNUSED, struct vm_map *map, struct vm_map_entry *e, vaddr_t va)
{
    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e->start_va <= va && va < e->end_va, "%#lx in [%#lx, %#lx)", va, e->start_va,
            e->end_va);
    if (e->amap)
        return 0;
    e->amap = amap_alloc(entry_npages(e));
    e->amap_slot = 0;
    return e->amap ? 0 : ENOMEM;
}

// fork's copies are the one thing that waits for memory within a change of a map.
static int wait_for_pages(void)
{
    unsigned depth = nomemwait_lift();
    int error = vm_page_wait();

    nomemwait_restore(depth);
    return error;
}

// Slots [slot, end) of `from' are copied to `to', from slot 0 on; those before `at' are.
struct copying {
    struct vm_amap *from, *to;
    pgno_t slot, end, at;
};

// Puts a copy of a locked anon in its slot; who shares the page for good may not write to it now.
static int copy_anon(struct copying *c, struct vm_anon *an)
{
    if (amap_shared(c->from, c->at, 1))
        pmap_page_protect(an->page, PROT_READ | PROT_EXEC);
    struct vm_anon *copy = anon_alloc_page(an->page);
    if (!copy)
        return ENOMEM;
    vm_page_activate(copy->page);
    int error = amap_add(c->to, c->at - c->slot, copy);
    if (error)
        anon_unref_unlock(copy);
    else
        mutex_unlock(&copy->lock);
    return error;
}

// Copies the rest, in place of older copies. 0; ENOMEM; or EAGAIN: *an is in swap, and locked.
static int copy_rest(struct copying *c, struct vm_anon **an)
{
    for (pgno_t done = c->at;; done = ++c->at) {
        *an = amap_next(c->from, &c->at, c->end);
        amap_wipe(c->to, done - c->slot, (*an ? c->at + 1 : c->end) - done);
        if (!*an)
            return 0;
        mutex_lock(&(*an)->lock);
        int error = anon_resident(*an) ? copy_anon(c, *an) : EAGAIN;
        if (error != EAGAIN)
            mutex_unlock(&(*an)->lock);
        if (error)
            return error;
    }
}

// It waits for memory inside a change of a map: the page daemon needs none, and who gave up would
// be a fork that fails. If others can write meanwhile all is copied once more.
static int copy_all(struct copying *c)
{
    struct vm_anon *an;
    int error;

    do {
        amap_lock(c->from);
        while (!mutex_trylock(&c->to->lock)) // nobody else knows it, but for amap_check
            ;
        error = copy_rest(c, &an);
        if (error && amap_shared(c->from, c->slot, c->end - c->slot))
            c->at = c->slot;
        amap_unlock(c->to);
        amap_unlock(c->from);
        if (error == EAGAIN)
            error = anon_fetch_unlock(an);
        if (error == ENOMEM)
            error = wait_for_pages();
    } while (!error && an);
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

    KASSERT(rw_held_write(&parent->lock) && rw_held_write(&child->lock), "%p, %p", parent, child);
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
    struct copying c = {pe->amap, copy, pe->amap_slot, pe->amap_slot + npages, pe->amap_slot};
    error = copy_all(&c);
    if (error) {
        amap_unref(copy, 0, npages);
        return error;
    }
    stat_inc(amap_stats.copies);
    stat_add(amap_stats.eager_pages, copy->nused);
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
