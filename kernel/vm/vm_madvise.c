// SPDX-License-Identifier: BSD-2-Clause
//
// madvise, msync and mincore: what goes over a range of mappings without changing its shape.
//
// Locking: vm_space.h. msync writes with no map locked, so it looks each entry up again.

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "pmap/pmap.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/map_change.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

enum madvise_advice {
    MADV_NORMAL = 0,
    MADV_RANDOM = 1,
    MADV_SEQUENTIAL = 2,
    MADV_WILLNEED = 3,
    MADV_DONTNEED = 4,
    MADV_FREE = 8,
    MADV_DONTFORK = 10,
    MADV_DOFORK = 11,
    MADV_HUGEPAGE = 14,
    MADV_NOHUGEPAGE = 15,
    MADV_DONTDUMP = 16,
    MADV_DODUMP = 17,
    MADV_COLD = 20,
    MADV_PAGEOUT = 21,
    MADV_POPULATE_READ = 22,
    MADV_POPULATE_WRITE = 23,
};

enum msync_flags { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };

static pgno_t entry_page(const struct vm_map_entry *e, vaddr_t va)
{
    return (va - e->start_va) >> PAGE_SHIFT;
}

// ---- DONTNEED ----

// Throws the private pages of [start, end) in e away.
static int entry_discard(struct map_change *c, struct vm_map_entry *e, vaddr_t start_va,
                         vaddr_t end_va)
{
    assert_map_changes(c->map);
    KASSERT(!e->wired && e->start_va <= start_va && end_va <= e->end_va, "[%#lx, %#lx) wired %u",
            e->start_va, e->end_va, e->wired);
    vm_map_pmap_remove(c->map, start_va, end_va);
    return e->amap ? amap_discard(c, e, start_va, end_va) : 0;
}

// ENOMEM if there are holes, which are passed over.
static int discard(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, bool only_anonymous)
{
    struct map_change c;
    struct vm_map_entry *e;
    bool hole = false;

    int error = map_change_begin_clip(&c, map, start_va, end_va, MAP_ENTRY_SPLITS);
    if (error)
        return error;
    for (vaddr_t va = start_va, stop; va < end_va && !error; va = stop) {
        if (!vm_map_lookup(map, va, &e)) {
            hole = true;
            e = e ? vm_map_next(map, e) : vm_map_first(map);
            if (!e || e->start_va >= end_va)
                break;
        }
        stop = min(end_va, e->end_va); // e may become a part of another entry
        if (e->wired || (only_anonymous && e->attr.object))
            error = EINVAL;
        else
            error = entry_discard(&c, e, max(va, e->start_va), stop);
    }
    map_change_end(&c);
    return error ? error : hole ? ENOMEM : 0;
}

// ---- madvise ----

// 0, or ENOMEM if there are holes.
static int check_mapped(struct vm_map *map, vaddr_t va, vaddr_t end_va)
{
    struct vm_map_entry *e;
    bool mapped = true;

    rw_lock_read(&map->lock);
    for (; va < end_va && mapped; va = mapped ? e->end_va : va)
        mapped = vm_map_lookup(map, va, &e);
    rw_unlock_read(&map->lock);
    return mapped ? 0 : ENOMEM;
}

int vm_madvise(struct vm_space *vs, vaddr_t va, size_t len, int advice)
{
    struct vm_map *map = &vs->map;
    vaddr_t end_va = va + page_round(len);

    if (!page_aligned(va) || (len && !page_round(len)) || end_va < va)
        return EINVAL;
    if (end_va > USER_MAX)
        return ENOMEM;
    switch (advice) {
    case MADV_NORMAL:
        return vm_map_advise(map, va, end_va, ADVICE_NORMAL);
    case MADV_RANDOM:
        return vm_map_advise(map, va, end_va, ADVICE_RANDOM);
    case MADV_SEQUENTIAL:
        return vm_map_advise(map, va, end_va, ADVICE_SEQUENTIAL);
    case MADV_DONTNEED:
    case MADV_FREE:
        return discard(map, va, end_va, advice == MADV_FREE);
    case MADV_DONTFORK:
        return vm_map_inherit(map, va, end_va, INHERIT_NONE);
    case MADV_DOFORK:
        return vm_map_restore_inherit(map, va, end_va);
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        return vm_fault_populate(map, va, end_va);
    case MADV_WILLNEED:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
        return check_mapped(map, va, end_va);
    default:
        return EINVAL;
    }
}

// ---- msync ----

// The next part of a shared object in [*va, end), with a reference to it; *va moves past it.
// NULL: there is none. *error: ENOMEM if something is not mapped; EBUSY, which is the end, if it is
// wired and to be invalidated.
static struct vm_object *next_object(struct vm_map *map, vaddr_t *va, vaddr_t end_va, pgno_t *start,
                                     pgno_t *end, bool invalidate, int *error)
{
    struct vm_map_entry *e;
    struct vm_object *o = NULL;

    rw_lock_read(&map->lock);
    while (*va < end_va && !o) {
        if (!vm_map_lookup(map, *va, &e)) {
            *error = ENOMEM;
            e = e ? vm_map_next(map, e) : vm_map_first(map);
            *va = e ? e->start_va : end_va;
            continue;
        }
        if (invalidate && e->wired) {
            *error = EBUSY;
            break;
        }
        vaddr_t stop = min(end_va, e->end_va);
        if (e->attr.object && !(e->flags & ME_COW)) {
            o = e->attr.object;
            vm_object_ref(o);
            *start = (e->attr.offset >> PAGE_SHIFT) + entry_page(e, *va);
            *end = *start + ((stop - *va) >> PAGE_SHIFT);
        }
        *va = stop;
    }
    rw_unlock_read(&map->lock);
    return o;
}

int vm_msync(struct vm_space *vs, vaddr_t va, size_t len, unsigned flags)
{
    vaddr_t end_va = va + page_round(len);
    struct vm_object *o;
    pgno_t start, end;
    bool invalidate = flags & MS_INVALIDATE;
    int error = 0, found = 0;

    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || !page_aligned(va) ||
        (flags & MS_ASYNC && flags & MS_SYNC))
        return EINVAL;
    if (end_va < va || page_round(len) < len)
        return ENOMEM;
    while (!error && (o = next_object(&vs->map, &va, end_va, &start, &end, invalidate, &found))) {
        if (flags & MS_SYNC) {
            mutex_lock(&o->lock);
            error = o->ops->put(o, start, end, PUT_CLEAN | PUT_SYNC);
            mutex_unlock(&o->lock);
        }
        vm_object_unref(o);
    }
    return error ? error : found;
}

// ---- mincore ----

// True if a fault for reading at va in e would find its page in memory.
static bool in_memory(struct vm_map_entry *e, vaddr_t va)
{
    struct vm_anon *an = NULL;
    bool resident = false;

    if (e->amap) {
        amap_lock(e->amap);
        an = amap_lookup(e->amap, e->amap_slot + entry_page(e, va));
        if (an) {
            mutex_lock(&an->lock);
            resident = anon_resident(an);
            mutex_unlock(&an->lock);
        }
        amap_unlock(e->amap);
    }
    if (!an && e->attr.object) {
        mutex_lock(&e->attr.object->lock);
        struct vm_page *pg =
            vm_object_lookup(e->attr.object, (e->attr.offset >> PAGE_SHIFT) + entry_page(e, va));
        resident = pg && !(pg->flags & PG_FAKE);
        mutex_unlock(&e->attr.object->lock);
    }
    return resident;
}

int vm_mincore(struct vm_space *vs, vaddr_t va, size_t npages, uint8_t *vec)
{
    struct vm_map_entry *e;
    int error = 0;

    if (!page_aligned(va))
        return EINVAL;
    if (!user_range(va, npages << PAGE_SHIFT))
        return ENOMEM;
    rw_lock_read(&vs->map.lock);
    for (size_t i = 0; i < npages && !error; i++) {
        if (vm_map_lookup(&vs->map, va + (i << PAGE_SHIFT), &e))
            vec[i] = in_memory(e, va + (i << PAGE_SHIFT));
        else
            error = ENOMEM;
    }
    rw_unlock_read(&vs->map.lock);
    return error;
}
