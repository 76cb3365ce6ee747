// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults by what they ask for.
//
// Locking: none but the pmap's, in pmap_extract; the figures are counted by stat_inc.

#include "vm/fault_kinds.h"

#include "pmap/pmap.h"
#include "vm/stat.h"
#include "vm/vm_map.h"

static struct fault_kinds_stats stats;

// The figure that an access belongs to.
static uint64_t *kind_of(vm_prot_t access)
{
    if (access & PROT_WRITE)
        return &stats.writes;
    return access & PROT_EXEC ? &stats.executes : &stats.reads;
}

void fault_kinds_count(const struct vm_map *map, vaddr_t va, vm_prot_t access)
{
    paddr_t pa;
    vm_prot_t prot;

    stat_inc(*kind_of(access));
    if (pmap_extract(map->pmap, va, &pa, &prot))
        stat_inc(stats.present);
}

void fault_kinds_get_stats(struct fault_kinds_stats *st)
{
    *st = stats;
}
