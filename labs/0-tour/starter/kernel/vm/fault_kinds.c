// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults by what they ask for.
//
// Locking: none; the figures are counted by stat_inc.

#include "vm/fault_kinds.h"

#include "vm/stat.h"

static struct fault_kinds_stats stats;

// The figure that an access belongs to.
static uint64_t *kind_of(vm_prot_t access)
{
    if (access & PROT_WRITE)
        return &stats.writes;
    return access & PROT_EXEC ? &stats.executes : &stats.reads;
}

void fault_kinds_count(const struct vm_map *map UNUSED, vaddr_t va UNUSED, vm_prot_t access)
{
    stat_inc(*kind_of(access));
}

void fault_kinds_get_stats(struct fault_kinds_stats *st)
{
    *st = stats;
}
