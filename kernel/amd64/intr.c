// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt routing: the I/O APIC's pins, the table of handlers, messages between CPUs.
#include "amd64/intr.h"

#include "amd64/apic.h"
#include "amd64/bootmap.h"
#include "amd64/cpu.h"
#include "amd64/trap.h"
#include "dev/io.h"
#include "lib/panic.h"

#define IOAPIC_PA 0xfec00000ul
#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

enum { IOAPIC_SELECT = 0x00, IOAPIC_WINDOW = 0x10 }; // where in memory
enum { IOAPIC_REDIRECTION = 0x10 };                  // two registers for each pin, from here on
enum { REDIRECT_LEVEL = 0x8000, REDIRECT_MASKED = 0x10000 };

static struct {
    void (*handler)(void *arg);
    void *arg;
} pins[INTR_PINS];                            // constant after start-up
static void (*ipi_handlers[IPI_COUNT])(void); // constant after start-up
void (*intr_tick)(void);

static void ioapic_write(unsigned reg, uint32_t value)
{
    volatile char *base = device_va(IOAPIC_PA);
    mmio_write32(base + IOAPIC_SELECT, reg);
    mmio_write32(base + IOAPIC_WINDOW, value);
}

static void set_pin(unsigned pin, uint32_t low)
{
    ioapic_write(IOAPIC_REDIRECTION + 2 * pin + 1, cpus[0].apic_id << 24);
    ioapic_write(IOAPIC_REDIRECTION + 2 * pin, low);
}

void intr_init(void)
{
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    for (unsigned pin = 0; pin < INTR_PINS; pin++)
        set_pin(pin, REDIRECT_MASKED);
}

void intr_register(unsigned pin, void (*handler)(void *arg), void *arg)
{
    KASSERT(pin < INTR_PINS && !pins[pin].handler, "pin %u", pin);
    pins[pin].arg = arg;
    pins[pin].handler = handler;
    set_pin(pin, REDIRECT_LEVEL | (INTR_PIN_FIRST + pin));
}

void ipi_register(enum ipi ipi, void (*handler)(void))
{
    ipi_handlers[ipi] = handler;
}

void ipi_send(unsigned cpu, enum ipi ipi)
{
    KASSERT(cpu < ncpus && cpu != this_cpu()->id, "message to CPU %u from %u", cpu, this_cpu()->id);
    apic_send_ipi(cpus[cpu].apic_id, INTR_IPI_FIRST + ipi);
}

void intr_dispatch(struct trapframe *tf)
{
    struct cpu *cpu = cpu_self();
    unsigned vector = tf->vector;
    cpu->interrupts++;
    cpu->percpu.in_interrupt = true;
    if (vector == INTR_TIMER) {
        if (intr_tick)
            intr_tick();
    } else if (vector >= INTR_IPI_FIRST && vector < INTR_IPI_FIRST + IPI_COUNT) {
        void (*handler)(void) = ipi_handlers[vector - INTR_IPI_FIRST];
        if (handler)
            handler();
    } else if (vector < INTR_PIN_FIRST + INTR_PINS && pins[vector - INTR_PIN_FIRST].handler) {
        pins[vector - INTR_PIN_FIRST].handler(pins[vector - INTR_PIN_FIRST].arg);
    }
    if (vector != INTR_SPURIOUS)
        apic_eoi();
    cpu->percpu.in_interrupt = false;
}
