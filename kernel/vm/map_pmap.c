// SPDX-License-Identifier: BSD-2-Clause
//
// What the pmap shows of a part of a map, taken away; and wiring, which only faults begin, ended.
//
// Locking: vm_map.h.

#include "lib/panic.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "vm/amap.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

void vm_map_pmap_remove(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    KASSERT(rw_held_write(&map->lock) && !map->kernel, "map %p", map);
    ptshare_detach(map->pmap, start_va, end_va);
    pmap_remove(map->pmap, start_va, end_va);
}

// The owners are locked, so that no page can be freed between being found and being unwired.
void vm_map_pmap_unwire(struct vm_map *map, struct vm_map_entry *e, vaddr_t start_va,
                        vaddr_t end_va)
{
    paddr_t pa;

    KASSERT(rw_held_write(&map->lock), "map %p", map);
    KASSERT(e->wired && e->start_va <= start_va && end_va <= e->end_va, "[%#lx, %#lx) wired %u",
            e->start_va, e->end_va, e->wired);
    if (e->amap)
        amap_lock(e->amap);
    if (e->attr.object)
        mutex_lock(&e->attr.object->lock);
    for (vaddr_t va = start_va; pmap_next(map->pmap, &va, end_va, &pa); va += PAGE_SIZE) {
        pmap_unwire(map->pmap, va);
        vm_page_unwire(phys_to_page(pa));
    }
    if (e->attr.object)
        mutex_unlock(&e->attr.object->lock);
    if (e->amap)
        amap_unlock(e->amap);
}
