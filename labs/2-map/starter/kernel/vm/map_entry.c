// SPDX-License-Identifier: BSD-2-Clause
//
// Map entries in their first form: nothing ever merges. A quantum mapping keeps an entry of its
// own, so unmapping it neither splits nor allocates, and the reserve stays empty; the price is a
// kernel map as long as its list of allocations (NetBSD's uvm_map.c 1.153, the workaround for
// PR 24039). All other splits are paid for beforehand.
//
// Locking: map_entry.h.

#include "vm/map_entry.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "vm/amap.h"
#include "vm/map_space.h"
#include "vm/stat.h"
#include "vm/vm_object.h"

static struct pool entry_pool;
static struct map_entry_stats stats;

void map_entry_init(void)
{
    pool_init(&entry_pool, "map_entry", sizeof(struct vm_map_entry), 0, &pool_allocator_direct);
}

static void entries_free(struct list *entries)
{
    struct vm_map_entry *e;

    while ((e = list_pop(entries, struct vm_map_entry, link))) {
        stat_dec(stats.live);
        pool_put(&entry_pool, e);
    }
}

int map_entry_reserve(struct map_change *c, unsigned n, unsigned flags)
{
    struct list got;

    list_init(&got);
    for (unsigned i = 0; i < n; i++) {
        struct vm_map_entry *e = pool_get(&entry_pool, flags);
        if (!e) {
            entries_free(&got);
            return ENOMEM;
        }
        stat_inc(stats.allocated);
        stat_inc(stats.live);
        list_push_back(&got, &e->link);
    }
    list_splice(&c->spare, &got);
    return 0;
}

void map_entry_unreserve(struct map_change *c)
{
    entries_free(&c->dead);
    entries_free(&c->spare);
}

static bool is_quantum(const struct vm_map_entry *e)
{
    return e->flags & ME_QUANTUM;
}

// True if clipping at va splits an entry that the reserve does not pay for.
static bool splits(struct vm_map *map, vaddr_t va)
{
    struct vm_map_entry *e;

    return vm_map_lookup(map, va, &e) && e->start_va < va && !is_quantum(e);
}

unsigned map_entry_need(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    return splits(map, start_va) + splits(map, end_va);
}

// ---- linking ----

static struct vm_map_entry *entry_of(struct rb_node *n)
{
    return n ? rb_entry(n, struct vm_map_entry, node) : NULL;
}

static struct vm_map_entry *previous(struct vm_map *map, struct vm_map_entry *e)
{
    return e->link.prev == &map->entries ? NULL
                                         : list_entry(e->link.prev, struct vm_map_entry, link);
}

// Puts e between its neighbours, in the tree and in the list.
static void entry_insert(struct vm_map *map, struct vm_map_entry *e)
{
    struct vm_map_entry *parent = NULL, *before = NULL;
    int side = 0;

    for (struct rb_node *n = map->tree.root; n; n = n->child[side]) {
        parent = entry_of(n);
        side = e->start_va >= parent->start_va;
        if (side)
            before = parent;
    }
    if (before)
        list_push_front(&before->link, &e->link);
    else
        list_push_front(&map->entries, &e->link);
    struct vm_map_entry *after = vm_map_next(map, e);
    KASSERT((!before || before->end_va <= e->start_va) && (!after || e->end_va <= after->start_va),
            "[%#lx, %#lx) overlaps %#lx or %#lx", e->start_va, e->end_va,
            before ? before->end_va : 0, after ? after->start_va : 0);
    rb_insert(&map->tree, &e->node, parent ? &parent->node : NULL, side);
    map->nentries++;
    map_space_update(map, e);
    map_space_update(map, before);
}

static void entry_remove(struct vm_map *map, struct vm_map_entry *e)
{
    struct vm_map_entry *before = previous(map, e);

    if (map->hint == e)
        map->hint = NULL;
    rb_remove(&map->tree, &e->node);
    list_remove(&e->link);
    map->nentries--;
    map_space_update(map, before);
}

struct vm_map_entry *map_entry_link(struct map_change *c, const struct vm_map_req *req)
{
    struct vm_map_entry *e = list_pop(&c->spare, struct vm_map_entry, link);
    struct vm_map *map = c->map;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e, "no entry reserved for %#lx", req->va);
    *e = (struct vm_map_entry){
        .start_va = req->va,
        .end_va = req->va + req->len,
        .attr = req->attr,
        .amap = req->amap,
        .amap_slot = req->amap_slot,
        .wired = req->wired,
        .flags = req->entry_flags,
    };
    map->size += req->len;
    entry_insert(map, e);
    return e;
}

// ---- splitting ----

// Splits e at va. e keeps its place in the tree as the part above or the one below.
static void entry_split(struct map_change *c, struct vm_map_entry *e, vaddr_t va, bool keep_upper)
{
    struct vm_map *map = c->map;
    pgno_t npages_below = (va - e->start_va) >> PAGE_SHIFT;
    pgno_t npages = (e->end_va - e->start_va) >> PAGE_SHIFT;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e->start_va < va && va < e->end_va, "%#lx in [%#lx, %#lx)", va, e->start_va, e->end_va);
    KASSERT(!is_quantum(e), "[%#lx, %#lx) was mapped whole", e->start_va, e->end_va);
    struct vm_map_entry *n = list_pop(&c->spare, struct vm_map_entry, link);
    KASSERT(n, "no entry reserved to split at %#lx", va);
    stat_inc(stats.clips);
    if (e->attr.object)
        vm_object_ref(e->attr.object);
    if (e->amap)
        amap_split(e->amap, e->amap_slot, e->amap_slot + npages_below, e->amap_slot + npages);
    *n = *e;
    struct vm_map_entry *upper = keep_upper ? e : n, *lower = keep_upper ? n : e;
    lower->end_va = va;
    upper->start_va = va;
    upper->amap_slot += npages_below;
    if (e->attr.object)
        upper->attr.offset += npages_below << PAGE_SHIFT;
    entry_insert(map, n);
    map_space_update(map, e);
}

void map_entry_clip_start(struct map_change *c, struct vm_map_entry *e, vaddr_t va)
{
    entry_split(c, e, va, true);
}

void map_entry_clip_end(struct map_change *c, struct vm_map_entry *e, vaddr_t va)
{
    entry_split(c, e, va, false);
}

void map_entry_unlink_range(struct map_change *c, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map *map = c->map;
    struct vm_map_entry *e;

    if (vm_map_lookup(map, start_va, &e)) {
        if (e->start_va < start_va)
            map_entry_clip_start(c, e, start_va);
    } else {
        e = e ? vm_map_next(map, e) : vm_map_first(map);
    }
    while (e && e->start_va < end_va) {
        if (e->end_va > end_va)
            map_entry_clip_end(c, e, end_va);
        struct vm_map_entry *next = vm_map_next(map, e);
        entry_remove(map, e);
        map->size -= e->end_va - e->start_va;
        list_push_back(&c->dead, &e->link);
        e = next;
    }
}

// Where entries never merge, there is nothing to make simpler.
struct vm_map_entry *map_entry_simplify(struct map_change *c, struct vm_map_entry *e)
{
    KASSERT(rw_held_write(&c->map->lock), "map %p", c->map);
    return e;
}

// ---- checks ----

unsigned map_entry_check(struct vm_map *map, struct strbuf *out)
{
    unsigned nquantum_entries = 0;

    list_for_each (e, &map->entries, struct vm_map_entry, link)
        nquantum_entries += is_quantum(e);
    if (nquantum_entries == map->nquanta && map->nreserve == 0 && list_empty(&map->reserve))
        return 0;
    strbuf_printf(out, "map %p: %u quantum entries, %u in reserve, %u live quanta\n", map,
                  nquantum_entries, map->nreserve, map->nquanta);
    return 1;
}

void map_entry_get_stats(struct map_entry_stats *st)
{
    *st = stats;
}
