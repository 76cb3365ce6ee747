// SPDX-License-Identifier: BSD-2-Clause
//
// What a user's map may have: entries, address space, data. Asked only where something is added;
// what only takes away never fails for a limit. The limits themselves are the process's (vm_limit).

#include "lib/errno.h"
#include "lib/panic.h"
#include "vm/vm_map.h"

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

    KASSERT(rw_held_write(&map->lock) && !map->kernel, "map %p", map);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        vaddr_t from = max(e->start_va, start_va), to = min(e->end_va, end_va);
        if (!data || is_data(e->flags, e->attr.prot))
            n += e->end_va - e->start_va - (from < to ? to - from : 0);
    }
    return n;
}

// Walks over the entries only where there is a limit: a map has no count of its data.
int vm_map_ask_data_limit(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                          vaddr_t start_va, vaddr_t end_va)
{
    uint64_t limit = vm_limit(VM_LIMIT_DATA);

    KASSERT(rw_held_write(&map->lock) && !(prot & ~PROT_ALL), "map %p, prot %#x", map, prot);
    if (limit >= map->max_va || map->kernel || !is_data(flags, prot))
        return 0;
    return bytes_outside(map, start_va, end_va, true) + len > limit ? ENOMEM : 0;
}

int vm_map_ask_limits(struct vm_map *map, uint32_t flags, vm_prot_t prot, size_t len,
                      vaddr_t start_va, vaddr_t end_va)
{
    KASSERT(rw_held_write(&map->lock), "map %p", map);
    if (map->kernel)
        return 0;
    if (map->nentries > MAP_ENTRIES_MAX)
        return ENOMEM;
    uint64_t limit = vm_limit(VM_LIMIT_AS);
    if (map->size + len > limit && bytes_outside(map, start_va, end_va, false) + len > limit)
        return ENOMEM;
    return vm_map_may_add_data(map, flags, prot, len, start_va, end_va);
}
