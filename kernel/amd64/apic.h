// SPDX-License-Identifier: BSD-2-Clause
//
// The local APIC: each CPU's interrupt controller and timer, in xAPIC mode (uncached registers).
// All functions act on the calling CPU.
#pragma once

#include "lib/types.h"

#define APIC_TIMER_HZ 1000000000ul  // QEMU's and KVM's: a bus clock of 1 GHz, divided by 1

void apic_init(void);               // enables it; timer stopped
uint32_t apic_id(void);
void apic_eoi(void);

void apic_timer_set(uint32_t count);    // one interrupt in count ticks; 0 stops it
uint32_t apic_timer_count(void);        // ticks left

void apic_send_ipi(uint32_t to_apic_id, uint8_t vector);
void apic_send_nmi_others(void);
void apic_send_init_others(void);
void apic_send_startup_others(paddr_t code_pa);     // below 1 MiB, page aligned
