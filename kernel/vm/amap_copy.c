// SPDX-License-Identifier: BSD-2-Clause
//
// Sharing: which entries cover an amap's slots, and how private memory is copied as late as can be.
// Fork makes the child's entry refer to the parent's amap and marks both (ME_NEEDSCOPY); whoever
// writes first gets an amap of its own, which holds the same anons; and of these a fault copies the
// one that is written (fault_case.c).
//
//      parent [NEEDSCOPY]   child [NEEDSCOPY]         parent          child [NEEDSCOPY]
//            \                 /            writes        |                 |
//             +---- amap -----+             ----->      amap'             amap
//                   | | |                               | | |    an_ref   | | |
//                   a b c                               a b c' 2, 2, 1, 1 a b c
//
// Of the entries that cover a slot all need a copy, or none does: then they share it for good.
// Locking: amap.h. Two amaps are locked together only while one of them is new.

#include "vm/amap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/anon.h"
#include "vm/stat.h"

// ---- cover ----

// Which size am's tables have.
static unsigned cover_kind(const struct vm_amap *am)
{
    return am->nslots <= amap_cover_slots[0] ? 0 : am->nslots <= amap_cover_slots[1] ? 1 : 2;
}

static pgno_t cover_size(const struct vm_amap *am)
{
    return amap_cover_slots[cover_kind(am)];
}

// The table that has the slot, or NULL.
static struct amap_cover *cover_at(struct vm_amap *am, pgno_t slot)
{
    KASSERT(amap_held(am), "amap %p", am);
    for (struct rb_node *n = am->covers.root; n;) {
        struct amap_cover *c = rb_entry(n, struct amap_cover, part.node);
        if (slot >= c->part.first && slot < c->part.first + c->nslots)
            return c;
        n = n->child[slot > c->part.first];
    }
    return NULL;
}

bool amap_shared(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    pgno_t end = slot + npages, stop, size = cover_size(am);

    KASSERT(amap_held(am), "amap %p", am);
    for (; am->covers.root && slot < end; slot = stop) {
        struct amap_cover *c = cover_at(am, slot);
        stop = min(end, slot - slot % size + size);
        for (pgno_t s = slot; c && s < stop; s++)
            if (c->others[s - c->part.first])
                return true;
    }
    return false;
}

// Gives each of the slots [slot, end) a table. 0 or ENOMEM: then some may have one.
static int cover_create(struct vm_amap *am, pgno_t slot, pgno_t end)
{
    pgno_t size = cover_size(am);

    KASSERT(amap_held(am), "amap %p", am);
    for (pgno_t first = slot - slot % size; first < end; first += size) {
        if (cover_at(am, first))
            continue;
        struct amap_cover *c = pool_get(&amap_cover_pool[cover_kind(am)], PR_NOWAIT | PR_ZERO);
        if (!c)
            return ENOMEM;
        c->nslots = size;
        amap_part_insert(&am->covers, &c->part, first);
        stat_inc(amap_stats.ppref_tables);
    }
    return 0;
}

// Drops those tables of [slot, end) in which no slot has another entry any more.
static void cover_trim(struct vm_amap *am, pgno_t slot, pgno_t end)
{
    pgno_t size = cover_size(am);

    for (pgno_t first = slot - slot % size; first < end; first += size) {
        struct amap_cover *c = cover_at(am, first);
        uint64_t any = !c;
        for (pgno_t i = 0; i < size / 4 && !any; i++)
            any = c->words[i];
        if (any)
            continue;
        rb_remove(&am->covers, &c->part.node);
        stat_dec(amap_stats.ppref_tables);
        pool_put(&amap_cover_pool[cover_kind(am)], c);
    }
}

// One entry less covers [slot, end), all in one table: wipes what no other one does.
static void uncover(struct vm_amap *am, struct amap_cover *c, pgno_t slot, pgno_t end)
{
    uint16_t *others = c->others - c->part.first;

    while (slot < end) {
        pgno_t from = slot;
        while (slot < end && !others[slot])
            slot++;
        if (from < slot)
            amap_wipe(am, from, slot - from);
        for (; slot < end && others[slot]; slot++)
            others[slot]--;
    }
}

// ---- references ----

int amap_ref(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    pgno_t end = slot + npages, stop, size = cover_size(am);

    amap_lock(am);
    KASSERT(am->nrefs && end <= am->nslots, "amap %p: %u refs, [%lu, +%lu) of %lu", am, am->nrefs,
            slot, npages, am->nslots);
    int error = cover_create(am, slot, end);
    for (pgno_t s = slot; s < end && !error; s = stop) {
        struct amap_cover *c = cover_at(am, s);
        stop = min(end, c->part.first + size);
        for (uint16_t *n = &c->others[s - c->part.first]; n < &c->others[stop - c->part.first]; n++)
            ++*n;
    }
    if (error)
        cover_trim(am, slot, end);
    am->nrefs += !error;
    amap_unlock(am);
    return error;
}

// The entry's slots, in an amap that others refer to as well.
static void unref_shared(struct vm_amap *am, pgno_t slot, pgno_t end)
{
    pgno_t size = cover_size(am), stop;

    for (pgno_t s = slot; s < end; s = stop) {
        struct amap_cover *c = cover_at(am, s);
        stop = min(end, s - s % size + size);
        if (c)
            uncover(am, c, s, stop);
        else
            amap_wipe(am, s, stop - s);
    }
    cover_trim(am, slot, end);
}

void amap_unref(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    amap_lock(am);
    KASSERT(am->nrefs && slot + npages <= am->nslots, "amap %p: %u refs, [%lu, +%lu) of %lu", am,
            am->nrefs, slot, npages, am->nslots);
    if (am->covers.root) {
        unref_shared(am, slot, slot + npages);
    } else {
        amap_wipe(am, slot, npages);
        if (slot + npages == am->nslots)
            am->nslots = slot;
    }
    bool last = --am->nrefs == 0;
    if (last)
        amap_unlist(am);
    amap_unlock(am);
    if (last)
        amap_free(am);
}

// ---- an amap of one's own ----

static pgno_t entry_npages(const struct vm_map_entry *e)
{
    return (e->end_va - e->start_va) >> PAGE_SHIFT;
}

// True if e shares some of its slots with other entries; it cannot come to, its map being locked.
static bool entry_shared(const struct vm_map_entry *e)
{
    if (amap_nrefs(e->amap) == 1)
        return false;
    amap_lock(e->amap);
    bool shared = amap_shared(e->amap, e->amap_slot, entry_npages(e));
    amap_unlock(e->amap);
    return shared;
}

void amap_share_protect(struct vm_amap *am, pgno_t slot, pgno_t npages, vm_prot_t prot)
{
    struct vm_anon *an;

    KASSERT(amap_held(am), "amap %p", am);
    for (pgno_t at = slot; (an = amap_next(am, &at, slot + npages)); at++) {
        mutex_lock(&an->lock);
        if (anon_resident(an) && prot != PROT_NONE)
            pmap_page_protect(an->page, prot);
        else if (anon_resident(an) && amap_shared(am, at, 1))
            anon_unmap(an);
        mutex_unlock(&an->lock);
    }
}

// Nobody else knows the new amap, so the order does not matter; but amap_check may have it now.
static void lock_new(struct vm_amap *am)
{
    while (!mutex_trylock(&am->lock))
        ;
}

// Makes *out a new amap whose slots from 0 on hold the anons of [slot, slot+npages) of `from'.
// snapshot: nobody may write to them from now on. 0 or ENOMEM.
static int copy_references(struct vm_amap *from, pgno_t slot, pgno_t npages, bool snapshot,
                           struct vm_amap **out)
{
    struct vm_amap *to = amap_alloc(npages);
    struct vm_anon *an;
    int error = 0;

    if (!to)
        return ENOMEM;
    amap_lock(from);
    lock_new(to);
    for (pgno_t at = slot; !error && (an = amap_next(from, &at, slot + npages)); at++) {
        error = amap_add(to, at - slot, an);
        if (error)
            break;
        mutex_lock(&an->lock);
        anon_ref(an);
        mutex_unlock(&an->lock);
    }
    if (snapshot && !error)
        amap_share_protect(from, slot, npages, PROT_READ);
    amap_unlock(to);
    amap_unlock(from);
    if (error)
        amap_unref(to, 0, npages); // and what it has got
    else
        *out = to;
    stat_add(amap_stats.copies, !error && !snapshot); // that one is counted once all is done
    return error;
}

// Makes e the window round va, if it is longer and may be clipped. The window's end
// is never computed where it may lie beyond the address space: it would wrap round to 0.
static void clip_to_window(struct map_change *c, struct vm_map_entry *e, vaddr_t va)
{
    size_t window = AMAP_WINDOW * PAGE_SIZE;
    vaddr_t start_va = max(e->start_va, va - va % window);

    if (e->end_va - e->start_va <= window || !amap_may_clip(c))
        return;
    if (start_va > e->start_va)
        map_entry_clip_start(c, e, start_va);
    if (e->end_va - start_va > window)
        map_entry_clip_end(c, e, start_va + window);
}

int amap_copy(struct map_change *c, struct vm_map *map, struct vm_map_entry *e, vaddr_t va)
{
    struct vm_amap *own;
    int error = 0;

    KASSERT(rw_held_write(&map->lock) && (!c || c->map == map), "map %p", map);
    KASSERT(e->start_va <= va && va < e->end_va, "%#lx in [%#lx, %#lx)", va, e->start_va,
            e->end_va);
    KASSERT(e->flags & ME_COW, "[%#lx, %#lx) is not private", e->start_va, e->end_va);
    if (!e->amap) {
        e->amap = amap_alloc(entry_npages(e));
        e->amap_slot = 0;
        error = e->amap ? 0 : ENOMEM;
    } else if (e->flags & ME_NEEDSCOPY && entry_shared(e)) {
        clip_to_window(c, e, va);
        pgno_t npages = entry_npages(e);
        if (entry_shared(e)) {
            error = copy_references(e->amap, e->amap_slot, npages, false, &own);
            if (error)
                return error;
            amap_unref(e->amap, e->amap_slot, npages);
            e->amap = own;
            e->amap_slot = 0;
        }
    }
    if (!error)
        e->flags &= ~ME_NEEDSCOPY;
    return error;
}

// ---- DONTNEED ----

int amap_discard(struct map_change *c, struct vm_map_entry *e, vaddr_t start_va, vaddr_t end_va)
{
    pgno_t slot = e->amap_slot + ((start_va - e->start_va) >> PAGE_SHIFT);
    pgno_t npages = (end_va - start_va) >> PAGE_SHIFT;

    KASSERT(rw_held_write(&c->map->lock), "map %p", c->map);
    KASSERT(e->start_va <= start_va && start_va < end_va && end_va <= e->end_va,
            "[%#lx, %#lx) in [%#lx, %#lx)", start_va, end_va, e->start_va, e->end_va);
    amap_lock(e->amap);
    bool shared = amap_shared(e->amap, slot, npages);
    bool keep = shared && e->flags & ME_NEEDSCOPY; // the others go on to see it
    if (shared && !keep)
        amap_share_protect(e->amap, slot, npages, PROT_NONE);
    if (!keep)
        amap_wipe(e->amap, slot, npages);
    amap_unlock(e->amap);
    if (!keep)
        return 0;
    if ((e->start_va < start_va || end_va < e->end_va) && !amap_may_clip(c)) {
        int error = amap_copy(NULL, c->map, e, start_va);
        return error ? error : amap_discard(c, e, start_va, end_va);
    }
    if (e->start_va < start_va)
        map_entry_clip_start(c, e, start_va);
    if (end_va < e->end_va)
        map_entry_clip_end(c, e, end_va);
    amap_unref(e->amap, e->amap_slot, npages);
    e->amap = NULL;
    e->flags &= ~ME_NEEDSCOPY;
    map_entry_simplify(c, e);
    return 0;
}

// ---- fork ----

// Both entries refer to one amap, which the parent's must therefore have, and for good.
static int inherit_shared(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map_entry *ce)
{
    int error = pe->flags & ME_COW ? amap_copy(NULL, parent, pe, pe->start_va) : 0;

    if (!error && pe->amap)
        error = amap_ref(pe->amap, pe->amap_slot, entry_npages(pe));
    if (error)
        return error;
    ce->amap = pe->amap;
    ce->amap_slot = pe->amap_slot;
    ce->flags = pe->flags;
    return 0;
}

// Neither may write before it has copied the amap; if the parent could, it can no longer.
static int inherit_deferred(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map_entry *ce)
{
    int error = amap_ref(pe->amap, pe->amap_slot, entry_npages(pe));

    if (error)
        return error;
    if (!(pe->flags & ME_NEEDSCOPY))
        pmap_protect(parent->pmap, pe->start_va, pe->end_va, PROT_READ | PROT_EXEC);
    pe->flags |= ME_NEEDSCOPY;
    ce->flags |= ME_NEEDSCOPY;
    ce->amap = pe->amap;
    ce->amap_slot = pe->amap_slot;
    return 0;
}

// Both have an amap of their own: its anons are write-protected before anybody sees it again.
static int inherit_snapshot(struct vm_map_entry *pe, struct vm_map_entry *ce)
{
    int error = copy_references(pe->amap, pe->amap_slot, entry_npages(pe), true, &ce->amap);

    ce->amap_slot = 0;
    ce->flags &= ~ME_NEEDSCOPY;
    return error;
}

// Copies those pages of a new amap that are wired, and counts them. ENOMEM: some are left.
static int copy_wired(struct vm_amap *am, pgno_t npages, uint64_t *n)
{
    struct vm_anon *an;
    int error = 0;

    amap_lock(am);
    for (pgno_t at = 0; !error && (an = amap_next(am, &at, npages)); at++) {
        mutex_lock(&an->lock);
        bool wired = an->page && an->page->wire_count;
        struct vm_anon *copy = wired ? anon_alloc_page(an->page) : NULL;
        if (copy) {
            amap_replace(am, at, copy);
            vm_page_activate(copy->page);
            mutex_unlock(&copy->lock);
            anon_unref_unlock(an);
            ++*n;
        } else {
            mutex_unlock(&an->lock);
            error = wired ? ENOMEM : 0;
        }
    }
    amap_unlock(am);
    return error;
}

// Gives the child's entry its view; what was done before an ENOMEM is not done again. Few anons are
// copied at once: later is more work, and to count who has each slot of a long entry, more memory.
#define FEW_ANONS 8
static int inherit(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map_entry *ce,
                   uint64_t *n)
{
    bool deferred = pe->flags & ME_NEEDSCOPY;

    if (pe->attr.inherit == INHERIT_SHARE)
        return inherit_shared(parent, pe, ce);
    if (!pe->amap) {
        ce->flags &= ~ME_NEEDSCOPY;
        return 0;
    }
    bool for_good = !deferred && entry_shared(pe);
    bool few = pe->amap->nused <= FEW_ANONS + entry_npages(pe) / amap_cover_slots[2];
    if (!pe->wired && (deferred || (!few && !for_good)))
        return inherit_deferred(parent, pe, ce);
    int error = ce->amap ? 0 : inherit_snapshot(pe, ce);
    // A write to wired memory needs no page: the child's is copied now. A sharer may have it wired.
    return error || !(pe->wired || for_good) ? error : copy_wired(ce->amap, entry_npages(ce), n);
}

// Fork alone waits for memory in a change of a map: the page daemon needs none. Not for ever.
#define MAX_WAITS 1000
int amap_inherit(struct vm_map *parent, struct vm_map_entry *pe, struct vm_map *child,
                 struct vm_map_entry *ce)
{
    uint64_t ncopied = 0, nwaits = 0;
    int error;

    KASSERT(rw_held_write(&parent->lock) && rw_held_write(&child->lock), "maps %p, %p", parent,
            child);
    KASSERT(!ce->amap, "[%#lx, %#lx) has amap %p", ce->start_va, ce->end_va, ce->amap);
    while ((error = inherit(parent, pe, ce, &ncopied)) == ENOMEM && ++nwaits < MAX_WAITS) {
        unsigned depth = nomemwait_lift();
        error = vm_page_wait();
        nomemwait_restore(depth);
        if (error)
            break;
    }
    if (error && ce->amap) {
        amap_unref(ce->amap, ce->amap_slot, entry_npages(ce));
        ce->amap = NULL;
    }
    stat_add(amap_stats.copies, ce->amap && ce->amap != pe->amap);
    stat_add(amap_stats.eager_pages, error ? 0 : ncopied);
    return error;
}
