// SPDX-License-Identifier: BSD-2-Clause
//
// Address maps: set-up, lookup, and the two ways in and out, mapping and unmapping. Where entries
// come from, how they split and merge is map_entry.c's; where there is room is map_space.c's;
// this file says in which order locks are taken, mappings removed and references dropped.
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
#include "vm/map_entry.h"
#include "vm/map_space.h"
#include "vm/stat.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

static uint64_t lookups, hint_hits;

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
    struct list dead;

    vm_map_check_remove(map);
    list_init(&dead);
    rw_lock_write(&map->lock);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        if (e->wired)
            vm_fault_unwire(map, e, e->start_va, e->end_va);
    }
    if (!map->kernel) {
        ptshare_detach(map->pmap, map->min_va, map->max_va);
        pmap_remove_all_user(map->pmap);
    }
    map_entry_unlink_range(map, map->min_va, map->max_va, NULL, &dead);
    list_for_each (e, &dead, struct vm_map_entry, link)
        e->flags |= ME_GONE;
    list_splice(&dead, &map->reserve);
    rw_unlock_write(&map->lock);
    vm_map_drop(map, &dead);
    KASSERT(map->nentries == 0 && map->size == 0, "%u entries, %zu bytes", map->nentries,
            map->size);
}

// ---- lookup ----

static bool entry_contains(const struct vm_map_entry *e, vaddr_t va)
{
    return e->start_va <= va && va < e->end_va;
}

bool vm_map_lookup(struct vm_map *map, vaddr_t va, struct vm_map_entry **entry)
{
    struct vm_map_entry *hint = __atomic_load_n(&map->hint, __ATOMIC_RELAXED);
    struct vm_map_entry *before = NULL;

    KASSERT(rw_held(&map->lock), "map %p", map);
    stat_inc(lookups);
    if (hint && entry_contains(hint, va)) {
        stat_inc(hint_hits);
        *entry = hint;
        return true;
    }
    for (struct rb_node *n = map->tree.root; n;) {
        struct vm_map_entry *e = rb_entry(n, struct vm_map_entry, node);
        if (va < e->start_va) {
            n = n->child[0];
            continue;
        }
        before = e;
        if (va < e->end_va) {
            __atomic_store_n(&map->hint, e, __ATOMIC_RELAXED);
            break;
        }
        n = n->child[1];
    }
    *entry = before;
    return before && va < before->end_va;
}

struct vm_map_entry *vm_map_first(struct vm_map *map)
{
    return list_first(&map->entries, struct vm_map_entry, link);
}

struct vm_map_entry *vm_map_next(struct vm_map *map, struct vm_map_entry *entry)
{
    if (entry->link.next == &map->entries)
        return NULL;
    return list_entry(entry->link.next, struct vm_map_entry, link);
}

// ---- limits ----

uint64_t (*vm_limit_hook)(enum vm_limit which);
bool vm_limits_used;

uint64_t vm_limit(enum vm_limit which)
{
    return vm_limit_hook ? vm_limit_hook(which) : UINT64_MAX;
}

// What counts for RLIMIT_DATA: private memory that can be written, stacks apart.
static bool is_data(uint32_t flags, vm_prot_t prot)
{
    return (flags & (ME_COW | ME_STACK)) == ME_COW && prot & PROT_WRITE;
}

// Bytes mapped outside [start, end): all, or data alone.
static size_t bytes_outside(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, bool data)
{
    size_t n = 0;

    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        vaddr_t from = max(e->start_va, start_va), to = min(e->end_va, end_va);
        if (!data || is_data(e->flags, e->prot))
            n += e->end_va - e->start_va - (from < to ? to - from : 0);
    }
    return n;
}

// Walks over the entries only where there is a limit: a map has no count of its data.
static int check_data(struct vm_map *map, size_t len, vaddr_t start_va, vaddr_t end_va)
{
    uint64_t limit = vm_limit(VM_LIMIT_DATA);

    KASSERT(rw_held(&map->lock), "map %p", map);
    if (limit >= map->max_va)
        return 0;
    return bytes_outside(map, start_va, end_va, true) + len > limit ? ENOMEM : 0;
}

int vm_map_may_add_data(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                        vaddr_t start_va, vaddr_t end_va)
{
    if (!vm_limits_used || map->kernel || !is_data(flags, prot))
        return 0;
    return check_data(map, len, start_va, end_va);
}

int vm_map_ask_limits(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                      vaddr_t start_va, vaddr_t end_va)
{
    if (map->nentries > MAP_ENTRIES_MAX && !map->kernel)
        return ENOMEM;
    if (!vm_limits_used || map->kernel)
        return 0;
    uint64_t limit = vm_limit(VM_LIMIT_AS);
    if (map->size + len > limit && bytes_outside(map, start_va, end_va, false) + len > limit)
        return ENOMEM;
    return vm_map_may_add_data(map, flags, prot, len, start_va, end_va);
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
static int map_make_room(struct vm_map *map, struct vm_map_req *req)
{
    int error = map_place(map, req);
    vaddr_t end_va = req->va + req->len;

    if (!error)
        error = vm_map_may_add(map, req->entry_flags, req->prot, req->len, req->va, end_va);
    if (!error && req->flags & MAP_FIXED_ADDR && !map_space_is_free(map, req->va, end_va))
        vm_map_clear(map, req->va, end_va, &req->spare, &req->dead);
    return error;
}

int vm_map_prepare(struct vm_map *map, struct vm_map_req *req)
{
    bool nowait = req->flags & MAP_NOWAIT;
    unsigned nspare = 1;

    KASSERT(req->len && page_aligned(req->len) && page_aligned(req->va), "va %#lx, len %#zx",
            req->va, req->len);
    list_init(&req->dead);
    list_init(&req->spare);
    if ((req->flags & (MAP_FIXED_ADDR | MAP_NOREPLACE)) == MAP_FIXED_ADDR)
        nspare += MAP_ENTRY_SPLITS;
    int error = map_entry_reserve(map, nspare, nowait ? PR_NOWAIT : PR_WAITOK, &req->spare);
    if (error)
        return error;
    if (!nowait)
        rw_lock_write(&map->lock);
    else if (!rw_trylock_write(&map->lock))
        error = EAGAIN;
    if (!error) {
        error = map_make_room(map, req);
        if (error)
            rw_unlock_write(&map->lock);
    }
    if (error)
        map_entry_unreserve(map, &req->spare);
    return error;
}

void vm_map_enter(struct vm_map *map, struct vm_map_req *req)
{
    KASSERT(rw_held_write(&map->lock), "map %p", map);
    if (map->kernel)
        noalloc_enter();
    map_entry_link(map, req);
    if (map->kernel)
        noalloc_exit();
    map->nquanta += !!(req->entry_flags & ME_QUANTUM);
    map->generation++;
    rw_unlock_write(&map->lock);
    vm_map_drop(map, &req->dead);
    map_entry_unreserve(map, &req->spare);
}

int vm_map_map(struct vm_map *map, struct vm_map_req *req)
{
    int error = vm_map_prepare(map, req);

    if (!error)
        vm_map_enter(map, req);
    return error;
}

// ---- unmapping ----

int vm_map_lock_clip(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, unsigned ngone,
                     struct list *spare)
{
    unsigned have = 0;

    list_init(spare);
    for (;;) {
        rw_lock_write(&map->lock);
        unsigned need = map_entry_need(map, start_va, end_va);
        bool many = need > ngone && map->nentries + need - ngone > MAP_ENTRIES_MAX && !map->kernel;
        if (need <= have && !many)
            return 0;
        rw_unlock_write(&map->lock);
        int error = many ? ENOMEM : map_entry_reserve(map, need - have, PR_WAITOK, spare);
        if (error) {
            map_entry_unreserve(map, spare);
            return error;
        }
        have = need;
    }
}

void vm_map_pmap_remove(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    ptshare_detach(map->pmap, start_va, end_va);
    pmap_remove(map->pmap, start_va, end_va);
}

// What is mapped in a kernel map is unmanaged and its owner's affair; here only the range goes.
void vm_map_clear(struct vm_map *map, vaddr_t start_va, vaddr_t end_va, struct list *spare,
                  struct list *dead)
{
    struct list here;

    list_init(&here);
    noalloc_enter();
    map_entry_unlink_range(map, start_va, end_va, spare, &here);
    noalloc_exit();
    map->generation++;
    list_for_each (e, &here, struct vm_map_entry, link) {
        map->nquanta -= !!(e->flags & ME_QUANTUM);
        e->flags |= ME_GONE;
        if (map->kernel)
            continue;
        if (e->wired)
            vm_fault_unwire(map, e, e->start_va, e->end_va);
        vm_map_pmap_remove(map, e->start_va, e->end_va);
    }
    list_splice(dead, &here);
}

void vm_map_drop(struct vm_map *map, struct list *dead)
{
    list_for_each (e, dead, struct vm_map_entry, link) {
        pgno_t npages = (e->end_va - e->start_va) >> PAGE_SHIFT;
        if (e->amap)
            amap_unref(e->amap, e->amap_slot, npages);
        if (e->flags & ME_WRITER && e->flags & ME_GONE)
            vm_object_claim(e->object, -(int64_t)npages);
        if (e->object)
            vm_object_unref(e->object);
    }
    map_entry_unreserve(map, dead);
}

int vm_map_unmap(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    struct list spare, dead;

    KASSERT(page_aligned(start_va) && page_aligned(end_va) && start_va <= end_va, "[%#lx, %#lx)",
            start_va, end_va);
    list_init(&dead);
    int error = vm_map_lock_clip(map, start_va, end_va, 1, &spare);
    if (error)
        return error;
    vm_map_clear(map, start_va, end_va, &spare, &dead);
    rw_unlock_write(&map->lock);
    vm_map_drop(map, &dead);
    map_entry_unreserve(map, &spare);
    return 0;
}

void vm_map_get_stats(struct vm_map_stats *st)
{
    struct map_entry_stats es;

    map_entry_get_stats(&es);
    *st = (struct vm_map_stats){
        .maps = vm_map_count(),
        .lookups = lookups,
        .hint_hits = hint_hits,
        .clips = es.clips,
        .merges = es.merges,
        .entries_allocated = es.allocated,
        .entries_live = es.live,
    };
}
