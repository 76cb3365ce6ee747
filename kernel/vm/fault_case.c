// SPDX-License-Identifier: BSD-2-Clause
//
// The cases of a fault. Case 1, the amap has the page: its anon is mapped (1A), or if it is to be
// written and other slots hold it as well, copied (1B). Case 2, it has not: the object's page is
// mapped (2A), or a private one is made from it or from zeroes (2B). A new anon is born locked and
// handed over locked: nobody else meets it before it is complete.
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

static pgno_t fault_slot(const struct fault *f)
{
    return f->entry->amap_slot + entry_page(f->entry, f->va);
}

// What a mapping of the anon may allow: who still has to copy the amap writes to nothing in it, and
// nobody writes to what other slots hold.
static vm_prot_t anon_prot(const struct fault *f, const struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock), "anon %p", an);
    bool own = an->nrefs == 1 && !(f->entry->flags & ME_NEEDSCOPY);
    KASSERT(own || !(f->access & PROT_WRITE), "a write to anon %p, %u references, flags %#x", an,
            an->nrefs, f->entry->flags);
    return own ? f->enter_prot : f->enter_prot & ~PROT_WRITE;
}

// Maps a new anon, which is in its slot, and unlocks it.
static int enter_new_unlock(struct fault *f, struct vm_anon *an)
{
    int error = fault_enter(f, an->page, anon_prot(f, an));
    if (!an->page->wire_count)
        vm_page_activate(an->page);
    mutex_unlock(&an->lock);
    return error;
}

// ---- case 1 ----

// Case 1B: puts a copy of the anon in its slot, and maps that. Others who share the amap see it,
// too: what they map is not theirs any more. The old anon, locked, loses a reference.
static int fault_copy_unlock(struct fault *f, struct vm_anon *old)
{
    struct vm_amap *am = f->entry->amap;

    KASSERT(amap_held(am) && mutex_held(&old->lock), "amap %p, anon %p", am, old);
    struct vm_anon *an = anon_alloc_page(old->page);
    if (!an) {
        mutex_unlock(&old->lock);
        return ENOMEM;
    }
    if (amap_shared(am, fault_slot(f), 1))
        anon_unmap(old);
    struct vm_anon *was = amap_replace(am, fault_slot(f), an);
    KASSERT(was == old, "anon %p was in the slot of anon %p", was, old);
    int error = enter_new_unlock(f, an);
    anon_unref_unlock(old);
    stat_inc(vm_fault_stats.anon_copies);
    return error;
}

int fault_anon(struct fault *f, struct vm_anon *an)
{
    struct vm_amap *am = f->entry->amap;
    int error;

    KASSERT(f->locked && amap_held(am), "amap %p", am);
    mutex_lock(&an->lock);
    KASSERT(an->nrefs, "anon %p is in a slot, and nobody refers to it", an);
    if (!anon_resident(an)) {
        amap_unlock(am);
        fault_unlock_map(f);
        error = anon_fetch_unlock(an);
        return error ? error : EAGAIN;
    }
    if (f->access & PROT_WRITE && an->nrefs > 1) {
        error = fault_copy_unlock(f, an);
    } else {
        error = fault_enter(f, an->page, anon_prot(f, an));
        mutex_unlock(&an->lock);
        stat_add(vm_fault_stats.anon_hits, !error);
    }
    amap_unlock(am);
    return error;
}

// ---- case 2 ----

// Case 2B: fills the slot with a new anon, a copy of `from' or zeroes, and maps it. Others who
// share the amap may map `from' still.
static int fault_promote(struct fault *f, struct vm_page *from)
{
    struct vm_amap *am = f->entry->amap;

    struct vm_anon *an = anon_alloc_page(from);
    if (!an)
        return ENOMEM;
    int error = amap_add(am, fault_slot(f), an);
    if (error) {
        anon_unref_unlock(an);
        return error;
    }
    if (from && amap_shared(am, fault_slot(f), 1)) {
        pmap_page_protect(from, PROT_NONE);
        while (from->wire_count)
            vm_page_unwire(from);
    }
    error = enter_new_unlock(f, an);
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
        same = !amap_lookup(am, fault_slot(f));
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

    KASSERT(f->locked && (!am || amap_held(am)), "amap %p", am);
    KASSERT(am || (o && !(write && private)), "no amap for %#lx", f->va);
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
