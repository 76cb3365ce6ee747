// SPDX-License-Identifier: BSD-2-Clause
//
// The cases of a fault in their first form. Case 1, the amap has the page: an anon belongs to one
// slot, so it is mapped with all rights and never copied. Case 2, it has not: the object's page is
// mapped (2A), or a private one is made from it or from zeroes (2B).
//
// Locking: vm_fault.h. The amap stays locked until the mapping is entered, so that two faults on
// one slot cannot both fill it, nor one map the object's page over the other's private one.

#include "vm/vm_fault.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/stat.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

static pgno_t entry_page(const struct vm_map_entry *e, vaddr_t va)
{
    return (va - e->start_va) >> PAGE_SHIFT;
}

int fault_anon(struct fault *f, struct vm_anon *an)
{
    struct vm_amap *am = f->entry->amap;
    int error;

    KASSERT(f->locked && amap_held(am), "amap %p", am);
    mutex_lock(&an->lock);
    if (!anon_resident(an)) {
        amap_unlock(am);
        fault_unlock_map(f);
        error = anon_fetch_unlock(an);
        return error ? error : EAGAIN;
    }
    error = fault_enter(f, an->page, f->enter_prot);
    mutex_unlock(&an->lock);
    amap_unlock(am);
    stat_add(vm_fault_stats.anon_hits, !error);
    return error;
}

// Case 2B: fills the slot with a new anon, a copy of `from' or zeroes, and maps it. Others who
// share the amap may map `from' still.
static int fault_promote(struct fault *f, struct vm_page *from)
{
    struct vm_map_entry *e = f->entry;
    struct vm_anon *an = anon_alloc_page(from);
    pgno_t slot = e->amap_slot + entry_page(e, f->va);

    KASSERT(amap_held(e->amap), "amap %p", e->amap);
    if (!an)
        return ENOMEM;
    int error = amap_add(e->amap, slot, an);
    if (error) {
        anon_unref_unlock(an);
        return error;
    }
    if (from && amap_shared(e->amap, slot, 1)) {
        pmap_page_protect(from, PROT_NONE);
        while (from->wire_count)
            vm_page_unwire(from);
    }
    error = fault_enter(f, an->page, f->enter_prot);
    if (!an->page->wire_count)
        vm_page_activate(an->page);
    mutex_unlock(&an->lock);
    stat_inc(*(from ? &vm_fault_stats.promotes : &vm_fault_stats.zero_fills));
    return error;
}

// Gets the page from the pager with amap and map unlocked meanwhile. 0: all is locked again, the
// object too, and the page is busy; the mapping has not changed and the slot is still empty.
// Else only f->locked remains.
static int fault_page_in(struct fault *f, pgno_t pgno, struct vm_page **pg)
{
    struct vm_map_entry *e = f->entry;
    struct vm_object *o = e->attr.object;
    struct vm_amap *am = e->amap;
    pgno_t slot = e->amap_slot + entry_page(e, f->va);
    vm_prot_t access = e->flags & ME_COW ? PROT_READ : f->access;

    mutex_unlock(&o->lock);
    if (am)
        amap_unlock(am);
    fault_unlock_map(f);

    mutex_lock(&o->lock);
    int error = o->ops->get(o, pgno, access, false, pg);
    mutex_unlock(&o->lock);
    if (error)
        return error;

    bool same = fault_relock_map(f);
    if (same && am) {
        amap_lock(am);
        same = !amap_lookup(am, slot);
        if (!same)
            amap_unlock(am);
    }
    mutex_lock(&o->lock);
    if (same)
        return 0;
    vm_page_unbusy(*pg);
    mutex_unlock(&o->lock);
    return EAGAIN;
}

// Case 2A: maps the object's own page. It may be written only while it is marked dirty.
static int fault_map_object(struct fault *f, struct vm_page *pg)
{
    bool shared = !(f->entry->flags & ME_COW);
    vm_prot_t prot = f->enter_prot;

    if (shared && (f->access & PROT_WRITE))
        vm_object_dirty(f->entry->attr.object, pg);
    if (!shared || !(pg->flags & PG_DIRTY))
        prot &= ~PROT_WRITE;
    int error = fault_enter(f, pg, prot);
    stat_add(vm_fault_stats.object_maps, !error);
    return error;
}

int fault_object(struct fault *f)
{
    struct vm_map_entry *e = f->entry;
    struct vm_object *o = e->attr.object;
    struct vm_amap *am = e->amap;
    bool write = f->access & PROT_WRITE, private = e->flags & ME_COW;
    int error;

    if (!o) {
        error = fault_promote(f, NULL);
        amap_unlock(am);
        return error;
    }
    pgno_t pgno = (e->attr.offset >> PAGE_SHIFT) + entry_page(e, f->va);
    mutex_lock(&o->lock);
    struct vm_page *pg = vm_object_lookup(o, pgno);
    bool ready = pg && !(pg->flags & PG_BUSY) && (!write || private || pg->flags & PG_BACKED);
    if (!ready) {
        error = fault_page_in(f, pgno, &pg);
        if (error)
            return error;
    }
    error = write && private ? fault_promote(f, pg) : fault_map_object(f, pg);
    if (!ready)
        vm_page_unbusy(pg);
    mutex_unlock(&o->lock);
    if (am)
        amap_unlock(am);
    return error;
}

// ---- loans ----

int amap_lend(struct vm_amap *am, pgno_t slot UNUSED, unsigned *npages UNUSED,
              struct vm_page **pages UNUSED)
{
    KASSERT(amap_held(am), "amap %p", am);
    return EOPNOTSUPP;
}
