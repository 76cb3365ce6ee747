// SPDX-License-Identifier: BSD-2-Clause
//
// The common part of the lab's in-kernel tests: the spaces, and the report.

#include "lab_tour.h"

#include "dev/judge.h"
#include "lib/panic.h"
#include "main/cmdline.h"

struct lab_report lab_report;
struct vm_space *lab_space[LAB_SPACES];

struct rng lab_rng(uint64_t part)
{
    struct rng r = {cmdline_number("seed", 1) + (part << 32)};
    return r;
}

static void map_pages(uint64_t first, vm_prot_t prot)
{
    vaddr_t va = lab_va(first);
    int error = vm_mmap(lab_space[0], &va, LAB_PAGES * PAGE_SIZE, prot, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0);

    KASSERT(!error && va == lab_va(first), "error %d, va %#lx", error, va);
}

void lab_begin(void)
{
    fault_kinds_wanted = true;
    lab_space[0] = vm_space_create();
    KASSERT(lab_space[0], "no memory for a space");
    map_pages(0, PROT_RW);
    map_pages(LAB_PAGES, PROT_READ);
}

void lab_end(void)
{
    for (unsigned i = 0; i < LAB_SPACES; i++)
        if (lab_space[i])
            vm_space_unref(lab_space[i]);
    lab_space[0] = lab_space[1] = NULL;
}

void judge_report(void)
{
    fault_kinds_get_stats(&lab_report.stats);
}
