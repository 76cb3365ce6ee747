// SPDX-License-Identifier: BSD-2-Clause
//
// Segments of RAM: which struct vm_page stands for which address. Below all other files of vm_page.
// Locking: none; all of it is constant after start-up.

#include "mem/vm_page.h"

const char *const page_owner_name[PAGE_OWNERS] = {
    [PAGE_FREE] = "free",     [PAGE_KERNEL] = "kernel", [PAGE_PT] = "pt",
    [PAGE_PV] = "pv",         [PAGE_POOL] = "pool",     [PAGE_KMEM] = "kmem",
    [PAGE_OBJECT] = "object", [PAGE_ANON] = "anon",     [PAGE_BUF] = "buf",
};

struct vm_page_seg vm_page_segs[VM_PAGE_MAX_SEGS];
unsigned vm_page_nsegs;

struct vm_page *phys_to_page(paddr_t pa)
{
    for (unsigned i = 0; i < vm_page_nsegs; i++) {
        struct vm_page_seg *seg = &vm_page_segs[i];
        if (pa >= seg->start_pa && pa < seg->end_pa)
            return &seg->pages[(pa - seg->start_pa) >> PAGE_SHIFT];
    }
    return NULL;
}
