// SPDX-License-Identifier: BSD-2-Clause
//
// Map entries in their final form: neighbours that agree are one entry. Each quantum brings an
// entry with it; one that merging makes superfluous stays with the map, for the day when that
// quantum goes and the entry must be split. So a kernel map is as short as its attributes allow,
// and no unmap of a quantum needs memory. All other splits are paid for beforehand.
//
// Quanta that meet at a multiple of 8 pages stay apart; so do private pages that were written and
// others, but for the parts of what was one entry.
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

#define CELL (8 * PAGE_SIZE)

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

// True if clipping at va splits e, and the reserve does not pay for it.
static bool splits(const struct vm_map_entry *e, vaddr_t va)
{
    return e->start_va < va && va < e->end_va && !is_quantum(e);
}

unsigned map_entry_need(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map_entry *e;

    bool found = vm_map_lookup(map, start_va, &e);
    unsigned need = found && splits(e, start_va);
    if (found && end_va <= e->end_va)
        return need + splits(e, end_va);
    return need + (vm_map_lookup(map, end_va, &e) && splits(e, end_va));
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

// Where an entry that begins at va belongs.
struct place {
    struct rb_node *parent; // in the tree
    int side;
    struct vm_map_entry *before, *after; // in the list; NULL: none
};

static struct place find_place(struct vm_map *map, vaddr_t va)
{
    struct place p = {0};

    for (struct rb_node *n = map->tree.root; n; n = n->child[p.side]) {
        p.parent = n;
        p.side = va >= entry_of(n)->start_va;
        if (p.side)
            p.before = entry_of(n);
    }
    p.after = p.before ? vm_map_next(map, p.before) : vm_map_first(map);
    return p;
}

static void entry_insert(struct vm_map *map, struct vm_map_entry *e, const struct place *p)
{
    list_push_front(p->before ? &p->before->link : &map->entries, &e->link);
    rb_insert(&map->tree, &e->node, p->parent, p->side);
    map->nentries++;
    map_space_update(map, e);
    map_space_update(map, p->before);
}

// ---- merging ----

static pgno_t npages(const struct vm_map_entry *e)
{
    return (e->end_va - e->start_va) >> PAGE_SHIFT;
}

// Quanta do not merge where a cell of the map ends.
static bool ends_cell(const struct vm_map_entry *e)
{
    return is_quantum(e) && e->end_va % CELL == 0;
}

// True if b goes on with what a maps, but for the amap. A submap's entry says which range is
// that submap's, so it stays as it is.
static bool agree(const struct vm_map_entry *a, const struct vm_map_entry *b)
{
    uint64_t offset = a->attr.object ? a->attr.offset + (a->end_va - a->start_va) : a->attr.offset;

    return a->flags == b->flags && a->attr.prot == b->attr.prot &&
           a->attr.max_prot == b->attr.max_prot && a->attr.inherit == b->attr.inherit &&
           a->attr.advice == b->attr.advice && a->wired == b->wired &&
           a->attr.object == b->attr.object && offset == b->attr.offset &&
           !(a->flags & ME_SUBMAP) && !ends_cell(a);
}

// True if one amap serves both a and b, or none: parts of what was one entry. They are joined.
static bool share_amap(const struct vm_map_entry *a, const struct vm_map_entry *b)
{
    if (a->amap != b->amap || (a->amap && a->amap_slot + npages(a) != b->amap_slot))
        return false;
    if (a->amap)
        amap_join(a->amap, a->amap_slot, b->amap_slot, b->amap_slot + npages(b));
    return true;
}

// True if a and b are to be one entry: each of them then knows all that it needs but its new ends.
static inline bool may_merge(const struct vm_map_entry *a, const struct vm_map_entry *b)
{
    return a && b && a->end_va == b->start_va && agree(a, b) && share_amap(a, b);
}

// Another entry now stands for this one, too.
static void retire(struct map_change *c, struct vm_map_entry *e)
{
    stat_inc(stats.merges);
    e->amap = NULL;
    if (!is_quantum(e)) {
        list_push_back(&c->dead, &e->link);
        return;
    }
    list_push_back(&c->map->reserve, &e->link);
    c->map->nreserve++;
}

// b, the next one after a, becomes a part of it.
static void swallow_next(struct map_change *c, struct vm_map_entry *a, struct vm_map_entry *b)
{
    a->end_va = b->end_va;
    entry_remove(c->map, b);
    retire(c, b);
}

// Puts the new entry in its place, or makes a neighbour serve for it; returns the one that does.
static struct vm_map_entry *entry_place(struct map_change *c, struct vm_map_entry *e)
{
    struct vm_map *map = c->map;
    struct place p = find_place(map, e->start_va);

    KASSERT((!p.before || p.before->end_va <= e->start_va) &&
                (!p.after || e->end_va <= p.after->start_va),
            "[%#lx, %#lx) overlaps %#lx or %#lx", e->start_va, e->end_va,
            p.before ? p.before->end_va : 0, p.after ? p.after->start_va : 0);
    if (may_merge(p.before, e)) {
        p.before->end_va = e->end_va;
        map_space_update(map, p.before);
        if (may_merge(p.before, p.after))
            swallow_next(c, p.before, p.after);
        retire(c, e);
        return p.before;
    }
    if (may_merge(e, p.after)) {
        p.after->start_va = e->start_va;
        p.after->attr.offset = e->attr.offset;
        p.after->amap_slot = e->amap_slot;
        map_space_update(map, p.before);
        retire(c, e);
        return p.after;
    }
    entry_insert(map, e, &p);
    return e;
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
    KASSERT(!is_quantum(e) || (!e->attr.object && !e->amap), "quantum at %#lx: object %p, amap %p",
            e->start_va, e->attr.object, e->amap);
    map->size += req->len;
    return entry_place(c, e);
}

struct vm_map_entry *map_entry_simplify(struct map_change *c, struct vm_map_entry *e)
{
    struct vm_map_entry *before = previous(c->map, e), *after = vm_map_next(c->map, e);

    KASSERT(rw_held_write(&c->map->lock), "map %p", c->map);
    if (may_merge(e, after))
        swallow_next(c, e, after);
    if (!may_merge(before, e))
        return e;
    swallow_next(c, before, e);
    return before;
}

// ---- splitting ----

// Who splits a quantum entry unmaps a quantum that was merged, and so left an entry behind.
static struct vm_map_entry *entry_for_split(struct map_change *c, const struct vm_map_entry *e)
{
    struct list *from = is_quantum(e) ? &c->map->reserve : &c->spare;
    struct vm_map_entry *n = list_pop(from, struct vm_map_entry, link);

    KASSERT(n || !is_quantum(e), "[%#lx, %#lx): a part of a quantum is unmapped", e->start_va,
            e->end_va);
    KASSERT(n, "no entry reserved to split [%#lx, %#lx)", e->start_va, e->end_va);
    c->map->nreserve -= is_quantum(e);
    return n;
}

// Splits e at va. e keeps its place in the tree as the part above or the one below.
static void entry_split(struct map_change *c, struct vm_map_entry *e, vaddr_t va, bool keep_upper)
{
    struct vm_map *map = c->map;
    pgno_t npages_below = (va - e->start_va) >> PAGE_SHIFT;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e->start_va < va && va < e->end_va, "%#lx in [%#lx, %#lx)", va, e->start_va, e->end_va);
    struct vm_map_entry *n = entry_for_split(c, e);
    stat_inc(stats.clips);
    if (e->attr.object)
        vm_object_ref(e->attr.object);
    if (e->amap)
        amap_split(e->amap, e->amap_slot, e->amap_slot + npages_below, e->amap_slot + npages(e));
    *n = *e;
    struct vm_map_entry *upper = keep_upper ? e : n, *lower = keep_upper ? n : e;
    lower->end_va = va;
    upper->start_va = va;
    upper->amap_slot += npages_below;
    if (e->attr.object)
        upper->attr.offset += npages_below << PAGE_SHIFT;
    struct place p = find_place(map, n->start_va);
    entry_insert(map, n, &p);
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

// ---- unlinking ----

// A quantum that goes takes an entry along: the piece that is clipped out. To trim its entry in
// place instead would leave one in the reserve for ever.
void map_entry_unlink_range(struct map_change *c, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map *map = c->map;
    struct vm_map_entry *e;
    bool whole_map = start_va == map->min_va && end_va == map->max_va;

    if (!vm_map_lookup(map, start_va, &e))
        e = e ? vm_map_next(map, e) : vm_map_first(map);
    while (e && e->start_va < end_va) {
        KASSERT(!is_quantum(e) || whole_map || (e->start_va <= start_va && end_va <= e->end_va),
                "[%#lx, %#lx) is no quantum: [%#lx, %#lx)", start_va, end_va, e->start_va,
                e->end_va);
        if (e->start_va < start_va)
            map_entry_clip_start(c, e, start_va);
        if (e->end_va > end_va)
            map_entry_clip_end(c, e, end_va);
        struct vm_map_entry *next = vm_map_next(map, e);
        entry_remove(map, e);
        map->size -= e->end_va - e->start_va;
        list_push_back(&c->dead, &e->link);
        e = next;
    }
}

// ---- checks ----

static unsigned check_law(struct vm_map *map, struct strbuf *out)
{
    unsigned nquantum_entries = 0, nreserve = 0;

    list_for_each (e, &map->entries, struct vm_map_entry, link)
        nquantum_entries += is_quantum(e);
    list_for_each (e, &map->reserve, struct vm_map_entry, link)
        nreserve++;
    if (nreserve == map->nreserve && nquantum_entries + nreserve == map->nquanta)
        return 0;
    strbuf_printf(out, "map %p: %u quantum entries + %u in reserve (%u counted), %u live quanta\n",
                  map, nquantum_entries, nreserve, map->nreserve, map->nquanta);
    return 1;
}

// Neighbours that agree are one entry. Only where there are amaps may it be otherwise, as one that
// could not be extended at the time may become extensible later.
static unsigned check_merged(struct vm_map *map, struct strbuf *out)
{
    unsigned faults = 0;

    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        struct vm_map_entry *next = vm_map_next(map, e);
        if (!next || e->end_va < next->start_va || !agree(e, next) || e->amap || next->amap)
            continue;
        strbuf_printf(out, "map %p: [%#lx, %#lx) and [%#lx, %#lx) are not merged\n", map,
                      e->start_va, e->end_va, next->start_va, next->end_va);
        faults++;
    }
    return faults;
}

unsigned map_entry_check(struct vm_map *map, struct strbuf *out)
{
    return check_law(map, out) + check_merged(map, out);
}

void map_entry_get_stats(struct map_entry_stats *st)
{
    *st = stats;
}
