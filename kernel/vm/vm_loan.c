// SPDX-License-Identifier: BSD-2-Clause
//
// Loans to the kernel: finds the pages, and faults in what is not there.
//
// Locking: vm_loan.h.

#include "vm/vm_loan.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/stat.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"

struct vm_map *(*vm_loan_map)(void);
static struct vm_loan_stats stats;

// EAGAIN: the first page must be faulted in.
static int loan_once(struct vm_map *map, vaddr_t va, struct vm_page **pages, unsigned *npages)
{
    struct vm_map_entry *e;
    int error = EOPNOTSUPP;

    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, va, &e) && e->amap && !e->wired && e->attr.prot & PROT_READ) {
        *npages = (unsigned)min((uint64_t)*npages, (e->end_va - va) >> PAGE_SHIFT);
        amap_lock(e->amap);
        error =
            amap_lend(e->amap, e->amap_slot + ((va - e->start_va) >> PAGE_SHIFT), npages, pages);
        amap_unlock(e->amap);
    }
    rw_unlock_read(&map->lock);
    return error;
}

int vm_loan(vaddr_t va, struct vm_page **pages, unsigned *npages)
{
    struct vm_map *map = vm_loan_map ? vm_loan_map() : NULL;
    unsigned wanted = *npages;
    int error = map && user_range(va, wanted * PAGE_SIZE) ? EAGAIN : EOPNOTSUPP;

    assert_may_sleep("vm_loan");
    KASSERT(page_aligned(va) && wanted > 0, "%u pages at %#lx", wanted, va);
    while (error == EAGAIN) {
        *npages = wanted;
        error = loan_once(map, va, pages, npages);
        if (error == EAGAIN) {
            error = vm_fault(map, va, PROT_READ);
            error = error ? error : EAGAIN;
        }
    }
    stat_inc(stats.asked);
    if (error)
        stat_inc(stats.refused);
    else
        stat_add(stats.lent, *npages);
    return error;
}

void vm_loan_end(struct vm_page **pages, unsigned npages)
{
    for (unsigned i = 0; i < npages; i++)
        vm_page_lend_end(pages[i]);
    stat_add(stats.ended, npages);
}

void vm_loan_get_stats(struct vm_loan_stats *st)
{
    *st = stats;
}
