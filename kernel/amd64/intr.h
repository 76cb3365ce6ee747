// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupts: devices on the I/O APIC's pins, messages between CPUs, the local timer. Handlers run
// with interrupts off on the stack of whatever was interrupted, with percpu.in_interrupt set; they
// take spinlocks only and do not nest.
#pragma once

#include "lib/types.h"

struct trapframe;

// Vectors. Higher ones have higher priority at the local APIC.
enum intr_vector {
    INTR_PIN_FIRST = 32,            // I/O APIC pin n has vector INTR_PIN_FIRST + n
    INTR_IPI_FIRST = 0xe0,
    INTR_TIMER = 0xf0,
    INTR_SPURIOUS = 0xff,
};
#define INTR_PINS 24

// Messages between CPUs.
enum ipi {
    IPI_RESCHEDULE,     // look at need_resched; wakes an idle CPU
    IPI_TLB,            // serve the TLB shootdown requests for this CPU
    IPI_PARK,           // stand still while another CPU is alone (smp_alone)
    IPI_TEST,           // in-kernel tests: run the test's part for this CPU
    IPI_COUNT,
};

// Masks everything; finds the I/O APIC. Boot CPU, after bootmap_init.
void intr_init(void);

// Routes a device's pin (level-triggered, active high) to the boot CPU and calls handler(arg) for
// it. The handler must quiet the device. At start-up only.
void intr_register(unsigned pin, void (*handler)(void *arg), void *arg);

// What a CPU does at a message; IPI_RESCHEDULE needs no handler. At start-up only.
void ipi_register(enum ipi ipi, void (*handler)(void));

// Sends to one CPU by number, not the sender itself. Any context.
void ipi_send(unsigned cpu, enum ipi ipi);

// The CPU's timer event came, or possibly nothing yet (see clock_set_event). In the interrupt. Set
// at start-up, by the floors above.
extern void (*intr_tick)(void);

// For trap.c: handles vector tf->vector >= 32.
void intr_dispatch(struct trapframe *tf);
