// SPDX-License-Identifier: BSD-2-Clause
//
// Page faults by what they ask for: figures for /proc/vm/fault beside those by how they end
// (vm_fault_stats). After getrusage's minor and major faults, which say what a fault cost; these
// say why it came.
//
// A typical sequence is: somebody reads /proc/vm/fault, which sets fault_kinds_wanted; from then
// on vm_fault calls fault_kinds_count as it begins, once, however often it starts over; the next
// reader calls fault_kinds_get_stats and sees what came in between. So a fault costs nothing more
// as long as nobody asks.
#pragma once

#include "lib/types.h"

struct vm_map;

extern bool fault_kinds_wanted; // atomic; defined and looked at by vm_fault

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
