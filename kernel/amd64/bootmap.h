// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's page tables at start-up: the direct map of all RAM (2 MiB pages, 4 KiB at ragged
// edges and over the kernel's text), the image by 4 KiB pages under W^X, the device window. After
// bootmap_init the tables belong to the pmap module.
#pragma once

#include "lib/types.h"

// The root, in the direct map. Set by bootmap_init.
extern uint64_t *boot_pml4;

// Builds the tables and loads them on the boot CPU.
void bootmap_init(void);

// Loads them on this CPU.
void bootmap_load(void);

// Takes one page of the image out of the map: a guard below a static stack. Before other CPUs run.
void bootmap_guard(const void *page);

// Where a device's registers appear. Physical addresses from 3 to 4 GiB only.
volatile void *device_va(paddr_t pa);
