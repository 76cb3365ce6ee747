// SPDX-License-Identifier: BSD-2-Clause
//
// What is where in a map: the entries' tree, and their list. Below all other files of maps.
//
// Locking: vm_map.h. The hint is written by whoever looks something up, so it is atomic.

#include "lib/atomic.h"
#include "lib/panic.h"
#include "vm/stat.h"
#include "vm/vm_map.h"

uint64_t map_tree_lookups, map_tree_hint_hits;

static bool entry_contains(const struct vm_map_entry *e, vaddr_t va)
{
    return e->start_va <= va && va < e->end_va;
}

bool vm_map_lookup(struct vm_map *map, vaddr_t va, struct vm_map_entry **entry)
{
    struct vm_map_entry *hint = load_relaxed(&map->hint);
    struct vm_map_entry *before = NULL;

    KASSERT(rw_held(&map->lock), "map %p", map);
    stat_inc(map_tree_lookups);
    if (hint && entry_contains(hint, va)) {
        stat_inc(map_tree_hint_hits);
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
            store_relaxed(&map->hint, e);
            break;
        }
        n = n->child[1];
    }
    *entry = before;
    return before && va < before->end_va;
}

bool vm_map_continues(const struct vm_map_entry *a, const struct vm_map_entry *b)
{
    const struct vm_map_attr *aa = &a->attr, *ba = &b->attr;

    return a->end_va == b->start_va && aa->object == ba->object && aa->prot == ba->prot &&
           aa->max_prot == ba->max_prot && aa->inherit == ba->inherit &&
           !((a->flags ^ b->flags) & ~ME_NEEDSCOPY) &&
           (!aa->object || aa->offset + (a->end_va - a->start_va) == ba->offset);
}
