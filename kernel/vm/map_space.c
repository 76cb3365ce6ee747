// SPDX-License-Identifier: BSD-2-Clause
//
// Finding free space in its first form: walk from entry to entry and take the first gap that is
// large enough. It takes time in proportion to the entries passed, and keeps nothing in them; only
// the first gap below the last search's end is remembered (Mach's first_free, upside down). An
// alignment is served by asking for the length plus the alignment, so a tighter fit is missed.
//
// Locking: map_space.h.

#include "vm/map_space.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"

void map_space_init(struct vm_map *map)
{
    map->tree.update = NULL;
}

// The bytes to look for, so that len bytes at a multiple of align are among them; 0: too many.
static size_t padded(size_t len, size_t align)
{
    size_t extra = align > PAGE_SIZE ? align - PAGE_SIZE : 0;

    KASSERT(align <= 1 || page_aligned(align), "align %#zx", align);
    return len + extra < len ? 0 : len + extra;
}

static vaddr_t align_up(vaddr_t va, size_t align)
{
    return align <= PAGE_SIZE ? va : (va + align - 1) / align * align;
}

static vaddr_t align_down(vaddr_t va, size_t align)
{
    return align <= PAGE_SIZE ? va : va / align * align;
}

int map_space_find(struct vm_map *map, vaddr_t start_va, size_t len, size_t align, vaddr_t *va)
{
    size_t want = padded(len, align);
    vaddr_t at = max(start_va, map->min_va);
    struct vm_map_entry *e;

    KASSERT(rw_held_write(&map->lock) && page_aligned(start_va), "map %p from %#lx", map, start_va);
    if (!want)
        return ENOMEM;
    if (vm_map_lookup(map, at, &e))
        at = e->end_va;
    e = e ? vm_map_next(map, e) : vm_map_first(map);
    for (;; e = vm_map_next(map, e)) {
        vaddr_t limit = e ? e->start_va : map->max_va;
        if (at <= limit && limit - at >= want) {
            *va = align_up(at, align);
            return 0;
        }
        if (!e)
            return ENOMEM;
        at = e->end_va;
    }
}

int map_space_find_down(struct vm_map *map, vaddr_t end_va, size_t len, size_t align, vaddr_t *va)
{
    size_t want = padded(len, align);
    vaddr_t top = min(end_va, map->max_va), limit = map->full_to == top ? map->full_from : top;
    struct vm_map_entry *e;

    KASSERT(rw_held_write(&map->lock) && page_aligned(end_va), "map %p below %#lx", map, end_va);
    if (!want || limit <= map->min_va)
        return ENOMEM;
    vm_map_lookup(map, limit - 1, &e);
    for (bool full = true;;) {
        vaddr_t at = e ? e->end_va : map->min_va;
        if (full && at < limit) {
            full = false;
            map->full_from = limit;
            map->full_to = top;
        }
        if (at <= limit && limit - at >= want) {
            *va = align_down(limit - len, align);
            return 0;
        }
        if (!e)
            return ENOMEM;
        limit = e->start_va;
        e = list_prev(e, &map->entries, struct vm_map_entry, link);
    }
}

bool map_space_is_free(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map_entry *e;

    KASSERT(start_va <= end_va, "[%#lx, %#lx)", start_va, end_va);
    if (vm_map_lookup(map, start_va, &e))
        return false;
    e = e ? vm_map_next(map, e) : vm_map_first(map);
    return !e || e->start_va >= end_va;
}

// A gap that opens inside the full range ends it there.
void map_space_update(struct vm_map *map, struct vm_map_entry *e)
{
    struct vm_map_entry *next = e ? vm_map_next(map, e) : vm_map_first(map);
    vaddr_t at = e ? e->end_va : map->min_va, limit = next ? next->start_va : map->max_va;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    if (at < limit && limit > map->full_from)
        map->full_from = min(limit, map->full_to);
}

unsigned map_space_check(struct vm_map *map, struct strbuf *out)
{
    vaddr_t at = map->full_from;
    struct vm_map_entry *e;

    while (at < map->full_to && vm_map_lookup(map, at, &e))
        at = e->end_va;
    if (at >= map->full_to)
        return 0;
    strbuf_printf(out, "map %p: nothing is mapped at %#lx, in the full [%#lx, %#lx)\n", map, at,
                  map->full_from, map->full_to);
    return 1;
}
