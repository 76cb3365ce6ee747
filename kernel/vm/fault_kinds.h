// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults by what they ask for: figures for /proc/vm/fault beside those by how they end
// (vm_fault_stats). After getrusage's minor and major faults, which say what a fault cost; these
// say why it came.
//
// A typical sequence is: vm_fault begins and calls fault_kinds_count, once, however often it starts
// over; whoever reads /proc/vm/fault, fault_kinds_get_stats.
#pragma once

#include "lib/types.h"

struct vm_map;

// Exact in sum, as all that is counted by stat_inc. reads + writes + executes is the number of
// faults; present counts some of them once more.
struct fault_kinds_stats {
    uint64_t reads, writes, executes; // by the access; what writes, too, is a write
    uint64_t present;           // a page was mapped at the address, in that map's pmap
};

// Counts a fault of a program whose map this is, before anything is done about it; also one that
// fails. va as the CPU gave it, in any part of its page. Takes the pmap's lock and gives it back.
void fault_kinds_count(const struct vm_map *map, vaddr_t va, vm_prot_t access);

void fault_kinds_get_stats(struct fault_kinds_stats *st);
