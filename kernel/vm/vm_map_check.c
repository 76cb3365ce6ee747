// SPDX-License-Identifier: BSD-2-Clause
//
// The list of all maps, and the checks that verify a map from scratch.
//
// Locking: maps_lock guards the list; a map on it is looked at under its own lock, by try-lock.

#include "lib/atomic.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/spinlock.h"
#include "vm/map_entry.h"
#include "vm/map_space.h"
#include "vm/vm_map.h"

static struct spinlock maps_lock = SPINLOCK_INIT("maps", LOCK_VM_LISTS, 0);
static struct list maps = LIST_INIT(maps);
static uint64_t nmaps;

void vm_map_check_add(struct vm_map *map)
{
    spin_lock(&maps_lock);
    list_push_back(&maps, &map->all_link);
    nmaps++;
    spin_unlock(&maps_lock);
}

void vm_map_check_remove(struct vm_map *map)
{
    spin_lock(&maps_lock);
    list_remove(&map->all_link);
    nmaps--;
    spin_unlock(&maps_lock);
}

uint64_t vm_map_count(void)
{
    return nmaps;
}

// What must hold of one entry, whatever its neighbours.
static unsigned entry_check(struct vm_map *map, struct vm_map_entry *e, struct strbuf *out)
{
    const char *wrong = NULL;

    if (e->start_va >= e->end_va || !page_aligned(e->start_va) || !page_aligned(e->end_va))
        wrong = "is no range of pages";
    else if (e->start_va < map->min_va || e->end_va > map->max_va)
        wrong = "is outside the map";
    else if (e->attr.prot & ~e->attr.max_prot)
        wrong = "has more rights than its maximum";
    else if (e->attr.object && !page_aligned(e->attr.offset))
        wrong = "has an unaligned offset";
    else if (e->amap && !(e->flags & ME_COW))
        wrong = "has an amap but is not private";
    else if ((e->flags & ME_QUANTUM) && !map->kernel)
        wrong = "is a quantum in a user map";
    if (!wrong)
        return 0;
    strbuf_printf(out, "map %p: [%#lx, %#lx) %s: prot %u of %u, offset %#lx, flags %#x\n", map,
                  e->start_va, e->end_va, wrong, e->attr.prot, e->attr.max_prot, e->attr.offset,
                  e->flags);
    return 1;
}

unsigned vm_map_check(struct vm_map *map, struct strbuf *out)
{
    unsigned faults = 0, nentries = 0;
    size_t size = 0;
    vaddr_t end_va = map->min_va;
    struct rb_node *n = rb_first(&map->tree);
    struct vm_map_entry *hint = load_relaxed(&map->hint);

    KASSERT(rw_held(&map->lock), "map %p", map);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        faults += entry_check(map, e, out);
        if (e->start_va < end_va || n != &e->node) {
            strbuf_printf(out,
                          "map %p: [%#lx, %#lx) after %#lx: out of order, or not in the tree\n",
                          map, e->start_va, e->end_va, end_va);
            faults++;
        }
        end_va = e->end_va;
        size += e->end_va - e->start_va;
        nentries++;
        n = n ? rb_next(n) : NULL;
        hint = hint == e ? NULL : hint;
    }
    if (hint) {
        strbuf_printf(out, "map %p: its hint %p is none of its entries\n", map, hint);
        faults++;
    }
    if (n || nentries != map->nentries || size != map->size || !rb_valid(&map->tree)) {
        strbuf_printf(out, "map %p: %u entries of %u, %zu bytes of %zu, tree %s%s\n", map, nentries,
                      map->nentries, size, map->size, rb_valid(&map->tree) ? "valid" : "broken",
                      n ? " with more nodes" : "");
        faults++;
    }
    return faults + map_space_check(map, out) + map_entry_check(map, out);
}

unsigned map_check(struct strbuf *out)
{
    unsigned faults = 0;

    spin_lock(&maps_lock);
    list_for_each (map, &maps, struct vm_map, all_link) {
        if (!rw_trylock_read(&map->lock))
            continue;
        faults += vm_map_check(map, out);
        rw_unlock_read(&map->lock);
    }
    spin_unlock(&maps_lock);
    return faults;
}
