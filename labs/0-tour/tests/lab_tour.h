// SPDX-License-Identifier: BSD-2-Clause
//
// What the lab's in-kernel tests share: two address spaces, the fault that comes next, and what the
// kernel says of itself at a point. The tests use the frozen interfaces alone.
#pragma once

#include "lib/rng.h"
#include "vm/fault_kinds.h"
#include "vm/vm_space.h"

#define LAB_SPACES 2
#define LAB_PAGES  16
#define LAB_VA     0x40000000ul

// Of the fault between two points.
struct lab_next {
    uint64_t pmap, va, access;
};

struct lab_report {
    struct fault_kinds_stats stats;
    struct lab_next next;
    uint64_t unmapped, denied;  // what vm_fault said of such faults
    uint64_t calls;             // so often all CPUs together count each kind at once
};

extern struct lab_report lab_report;
extern struct vm_space *lab_space[LAB_SPACES];

struct rng lab_rng(uint64_t part);
static inline vaddr_t lab_va(uint64_t page)
{
    return LAB_VA + page * PAGE_SIZE;
}

// Space 0 with LAB_PAGES pages that may be read and written, and as many that may only be read.
void lab_begin(void);
void lab_end(void);
