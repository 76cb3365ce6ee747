// SPDX-License-Identifier: BSD-2-Clause
//
// The ground that a fault stands on: the map, held, let go and held again, and the mapping that is
// entered at last. For vm_fault.c and fault_case.c alike.
//
// Locking: vm_fault.h.

#include "lib/panic.h"
#include "pmap/pmap.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

struct vm_fault_stats vm_fault_stats;

void fault_unlock_map(struct fault *f)
{
    KASSERT(f->locked && rw_held(&f->map->lock), "va %#lx", f->va);
    if (!f->object && f->entry->attr.object) {
        f->object = f->entry->attr.object;
        vm_object_ref(f->object);
    }
    f->locked = false;
    rw_unlock_read(&f->map->lock);
}

bool fault_relock_map(struct fault *f)
{
    KASSERT(!f->locked, "va %#lx", f->va);
    rw_lock_read(&f->map->lock);
    f->locked = true;
    return f->map->generation == f->generation;
}

int fault_enter(struct fault *f, struct vm_page *pg, vm_prot_t prot)
{
    struct pmap *pm = f->map->pmap;
    paddr_t old_pa;
    vm_prot_t old_prot;

    KASSERT(f->locked, "va %#lx", f->va);
    KASSERT(mutex_held(pg->anon ? &pg->anon->lock : &pg->object->lock), "page %p of %s at %#lx", pg,
            page_owner_name[pg->owner], f->va);
    if (!f->entry->wired)
        return pmap_enter(pm, f->va, pg, prot, f->access);
    bool was = pmap_extract(pm, f->va, &old_pa, &old_prot);
    int error = pmap_enter(pm, f->va, pg, prot, f->access | PMAP_WIRED);
    if (was && old_pa == page_to_phys(pg))
        return error;
    if (!error)
        vm_page_wire(pg);
    if (was) // it is not mapped any more, whether or not the new one is
        vm_page_unwire(phys_to_page(old_pa));
    return error;
}
