// SPDX-License-Identifier: BSD-2-Clause
//
// Address maps: set-up, and the two ways in and out, mapping and unmapping. What is where is
// map_tree.c's, where entries come from, how they split and merge map_entry.c's, where there is
// room map_space.c's; this file says in which order locks are taken, mappings removed and
// references dropped.
//
// Locking: vm_map.h.

#include "vm/vm_map.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/map_change.h"
#include "vm/map_space.h"
#include "vm/vm_object.h"

void vm_map_init(struct vm_map *map, struct pmap *pmap, vaddr_t min_va, vaddr_t max_va, bool kernel)
{
    KASSERT(page_aligned(min_va) && page_aligned(max_va) && min_va < max_va, "map [%#lx, %#lx)",
            min_va, max_va);
    *map = (struct vm_map){.pmap = pmap, .min_va = min_va, .max_va = max_va, .kernel = kernel};
    if (kernel)
        rw_init(&map->lock, "kernel map", LOCK_KERNEL_MAP, LOCK_NESTED);
    else
        rw_init(&map->lock, "map", LOCK_MAP, LOCK_NESTED);
    list_init(&map->entries);
    list_init(&map->reserve);
    map_space_init(map);
    vm_map_check_add(map);
}

void vm_map_destroy(struct vm_map *map)
{
    struct map_change c;

    assert_may_sleep("vm_map_destroy");
    vm_map_check_remove(map);
    int error = map_change_begin(&c, map, 0, PR_WAITOK);
    KASSERT(!error, "without entries to reserve: error %d", error);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        if (e->wired)
            vm_map_pmap_unwire(map, e, e->start_va, e->end_va);
    }
    if (!map->kernel) {
        ptshare_detach(map->pmap, map->min_va, map->max_va);
        pmap_remove_all_user(map->pmap);
    }
    map_entry_unlink_range(&c, map->min_va, map->max_va);
    list_for_each (e, &c.dead, struct vm_map_entry, link)
        e->flags |= ME_GONE;
    list_splice(&c.dead, &map->reserve);
    map_change_end(&c);
    KASSERT(map->nentries == 0 && map->size == 0, "%u entries, %zu bytes", map->nentries,
            map->size);
}

// ---- mapping ----

static bool map_holds(const struct vm_map *map, vaddr_t va, size_t len)
{
    return va >= map->min_va && va <= map->max_va && len <= map->max_va - va;
}

// Settles req->va in the locked map.
static int map_place(struct vm_map *map, struct vm_map_req *req)
{
    vaddr_t end_va = req->va + req->len;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    if (req->flags & MAP_FIXED_ADDR) {
        if (!map_holds(map, req->va, req->len))
            return EINVAL;
        return req->flags & MAP_NOREPLACE && !map_space_is_free(map, req->va, end_va) ? EEXIST : 0;
    }
    if (req->va && map_holds(map, req->va, req->len) &&
        (req->align <= 1 || req->va % req->align == 0) && map_space_is_free(map, req->va, end_va))
        return 0;
    if (req->below)
        return map_space_find_down(map, req->below, req->len, req->align, &req->va);
    return map_space_find(map, max(req->va, map->min_va), req->len, req->align, &req->va);
}

// Settles where, whether that much may be, and clears the way.
static int map_make_room(struct map_change *c, struct vm_map_req *req)
{
    int error = map_place(c->map, req);
    vaddr_t end_va = req->va + req->len;

    if (!error)
        error = vm_map_may_add(c->map, req->entry_flags, req->attr.prot, req->len, req->va, end_va);
    if (!error && req->flags & MAP_FIXED_ADDR && !map_space_is_free(c->map, req->va, end_va))
        vm_map_clear(c, req->va, end_va);
    return error;
}

int vm_map_prepare(struct map_change *c, struct vm_map *map, struct vm_map_req *req)
{
    unsigned nentries = 1;

    KASSERT(req->len && page_aligned(req->len) && page_aligned(req->va), "va %#lx, len %#zx",
            req->va, req->len);
    if ((req->flags & (MAP_FIXED_ADDR | MAP_NOREPLACE)) == MAP_FIXED_ADDR)
        nentries += MAP_ENTRY_SPLITS;
    int error = map_change_begin(c, map, nentries, req->flags & MAP_NOWAIT ? PR_NOWAIT : PR_WAITOK);
    if (error)
        return error;
    error = map_make_room(c, req);
    if (error)
        map_change_end(c);
    return error;
}

void vm_map_enter(struct map_change *c, struct vm_map_req *req)
{
    assert_map_changes(c->map);
    if (c->map->kernel)
        noalloc_enter();
    map_entry_link(c, req);
    if (c->map->kernel)
        noalloc_exit();
    c->map->nquanta += !!(req->entry_flags & ME_QUANTUM);
    map_change_end(c);
}

int vm_map_map(struct vm_map *map, struct vm_map_req *req)
{
    struct map_change c;

    int error = vm_map_prepare(&c, map, req);
    if (!error)
        vm_map_enter(&c, req);
    return error;
}

// ---- unmapping ----

// What is mapped in a kernel map is unmanaged and its owner's affair; here only the range goes.
void vm_map_clear(struct map_change *c, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map *map = c->map;

    assert_map_changes(map);
    KASSERT(list_empty(&c->dead), "[%#lx, %#lx)", start_va, end_va);
    noalloc_enter();
    map_entry_unlink_range(c, start_va, end_va);
    noalloc_exit();
    list_for_each (e, &c->dead, struct vm_map_entry, link) {
        KASSERT(!(e->flags & ME_QUANTUM) || map->nquanta > 0, "map %p: [%#lx, %#lx)", map,
                e->start_va, e->end_va);
        KASSERT(!(e->flags & ME_QUANTUM) || (e->start_va == start_va && e->end_va == end_va),
                "unmapping [%#lx, %#lx) takes the quantum [%#lx, %#lx) out of the map", start_va,
                end_va, e->start_va, e->end_va);
        map->nquanta -= !!(e->flags & ME_QUANTUM);
        e->flags |= ME_GONE;
        if (map->kernel)
            continue;
        if (e->wired)
            vm_map_pmap_unwire(map, e, e->start_va, e->end_va);
        vm_map_pmap_remove(map, e->start_va, e->end_va);
    }
}

int vm_map_unmap(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    struct map_change c;

    KASSERT(page_aligned(start_va) && page_aligned(end_va) && start_va < end_va, "[%#lx, %#lx)",
            start_va, end_va);
    int error = map_change_begin_clip(&c, map, start_va, end_va, 1);
    if (error)
        return error;
    vm_map_clear(&c, start_va, end_va);
    map_change_end(&c);
    return 0;
}

void vm_map_get_stats(struct vm_map_stats *st)
{
    struct map_entry_stats es;

    map_entry_get_stats(&es);
    *st = (struct vm_map_stats){
        .maps = vm_map_count(),
        .lookups = map_tree_lookups,
        .hint_hits = map_tree_hint_hits,
        .clips = es.clips,
        .merges = es.merges,
        .entries_allocated = es.allocated,
        .entries_live = es.live,
    };
}
