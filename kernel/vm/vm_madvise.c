// SPDX-License-Identifier: BSD-2-Clause
//
// madvise, msync and mincore: what goes over a range of mappings without changing its shape.
//
// Locking: vm_space.h. msync writes with no map locked, so it looks each entry up again.

#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
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

#define NOT_PRIVATE 2 // in vec: no anon is there, the object says

// anon_resident, for who has not locked the anon and asks what was true a moment ago. Its slot
// keeps it, and the page, whosever it is by then, is a struct vm_page.
static bool seems_resident(const struct vm_anon *an)
{
    const struct vm_page *pg = load_relaxed(&an->page);

    return pg && !(load_relaxed(&pg->flags) & PG_BUSY);
}

// vec[i] becomes 1 if a fault for reading page first + i of e would find it in memory, else 0.
static void see_entry(struct vm_map_entry *e, pgno_t first, size_t npages, uint8_t *vec)
{
    struct vm_object *obj = e->attr.object;

    memset(vec, obj ? NOT_PRIVATE : 0, npages);
    if (e->amap) {
        amap_lock(e->amap);
        for (size_t i = 0; i < npages; i++) {
            struct vm_anon *an = amap_lookup(e->amap, e->amap_slot + first + i);
            if (an)
                vec[i] = seems_resident(an);
        }
        amap_unlock(e->amap);
    }
    if (!obj)
        return;
    first += e->attr.offset >> PAGE_SHIFT;
    mutex_lock(&obj->lock);
    for (size_t i = 0; i < npages; i++)
        if (vec[i] == NOT_PRIVATE) {
            struct vm_page *pg = vm_object_lookup(obj, first + i);
            vec[i] = pg && !(pg->flags & PG_FAKE);
        }
    mutex_unlock(&obj->lock);
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
    for (size_t i = 0, n; i < npages && !error; i += n) {
        vaddr_t at = va + (i << PAGE_SHIFT);
        n = npages - i;
        if (vm_map_lookup(&vs->map, at, &e)) {
            n = min(n, (e->end_va - at) >> PAGE_SHIFT);
            see_entry(e, entry_page(e, at), n, vec + i);
        } else {
            error = ENOMEM;
        }
    }
    rw_unlock_read(&vs->map.lock);
    return error;
}
