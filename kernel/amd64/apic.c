// SPDX-License-Identifier: BSD-2-Clause
//
// The local APIC.
#include "amd64/apic.h"

#include "amd64/bootmap.h"
#include "amd64/intr.h"
#include "dev/io.h"
#include "sync/irq.h"

#define APIC_PA 0xfee00000ul

enum { REG_ID = 0x020, REG_TASK_PRIORITY = 0x080, REG_EOI = 0x0b0 };
enum { REG_SPURIOUS = 0x0f0, SPURIOUS_ENABLE = 0x100 };
enum { REG_LVT_TIMER = 0x320, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360, REG_LVT_ERROR = 0x370 };
enum { LVT_MASKED = 0x10000 };
enum { REG_TIMER_INITIAL = 0x380, REG_TIMER_CURRENT = 0x390, REG_TIMER_DIVIDE = 0x3e0 };
enum { DIVIDE_BY_1 = 0xb };
enum { REG_COMMAND_LOW = 0x300, REG_COMMAND_HIGH = 0x310 };
enum { COMMAND_NMI = 0x400, COMMAND_INIT = 0x500, COMMAND_STARTUP = 0x600 };
enum { COMMAND_PENDING = 0x1000, COMMAND_ASSERT = 0x4000, COMMAND_OTHERS = 0xc0000 };

static uint32_t read(unsigned reg)
{
    return mmio_read32((volatile char *)device_va(APIC_PA) + reg);
}

static void write(unsigned reg, uint32_t value)
{
    mmio_write32((volatile char *)device_va(APIC_PA) + reg, value);
}

void apic_init(void)
{
    write(REG_TASK_PRIORITY, 0);
    write(REG_LVT_LINT0, LVT_MASKED);
    write(REG_LVT_LINT1, LVT_MASKED);
    write(REG_LVT_ERROR, LVT_MASKED);
    write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    write(REG_LVT_TIMER, INTR_TIMER);
    write(REG_TIMER_INITIAL, 0);
    write(REG_SPURIOUS, SPURIOUS_ENABLE | INTR_SPURIOUS);
}

uint32_t apic_id(void)
{
    return read(REG_ID) >> 24;
}

void apic_eoi(void)
{
    write(REG_EOI, 0);
}

void apic_timer_set(uint32_t count)
{
    write(REG_TIMER_INITIAL, count);
}

uint32_t apic_timer_count(void)
{
    return read(REG_TIMER_CURRENT);
}

// The command is two registers: an interrupt between the writes must not send another one.
static void send(uint32_t to_apic_id, uint32_t command)
{
    irq_push();
    while (read(REG_COMMAND_LOW) & COMMAND_PENDING)
        cpu_relax();
    write(REG_COMMAND_HIGH, to_apic_id << 24);
    write(REG_COMMAND_LOW, command | COMMAND_ASSERT);
    irq_pop();
}

void apic_send_ipi(uint32_t to_apic_id, uint8_t vector)
{
    send(to_apic_id, vector);
}

void apic_send_nmi_others(void)
{
    send(0, COMMAND_NMI | COMMAND_OTHERS);
}

void apic_send_init_others(void)
{
    send(0, COMMAND_INIT | COMMAND_OTHERS);
}

void apic_send_startup_others(paddr_t code_pa)
{
    send(0, COMMAND_STARTUP | COMMAND_OTHERS | code_pa >> PAGE_SHIFT);
}
