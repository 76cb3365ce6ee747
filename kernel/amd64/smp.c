// SPDX-License-Identifier: BSD-2-Clause
//
// Starting the other CPUs: INIT and STARTUP to all at once. Each draws a number in boot.S.
#include "amd64/smp.h"

#include "amd64/apic.h"
#include "amd64/bootmap.h"
#include "amd64/clock.h"
#include "amd64/cpu.h"
#include "amd64/intr.h"
#include "amd64/trap.h"
#include "dev/io.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "sync/irq.h"
#include "sync/kctx.h"

#define FW_CFG_SELECT  0x510
#define FW_CFG_DATA    0x511
#define FW_CFG_NB_CPUS 0x05

#define AP_SLOW_NS 1000000000ul // the wait for a CPU is told of after this time

extern const char ap_trampoline[], ap_trampoline_end[]; // boot.S

uint32_t ap_next_id = 1;                 // boot.S counts it up
static void (*ap_continue)(unsigned id); // constant before the others start
static bool all_started;                 // ncpus is final; atomic
static bool alone;                       // some CPU is or wants to be; atomic
static unsigned nparked;                 // CPUs that stand still; atomic

// How many CPUs the machine has; at least 1.
static unsigned cpus_present(void)
{
    outw(FW_CFG_SELECT, FW_CFG_NB_CPUS);
    unsigned n = inb(FW_CFG_DATA);
    n |= inb(FW_CFG_DATA) << 8;
    return n == 0 || n == 0xffff ? 1 : n;
}

// Called by boot.S on each other CPU, on the boot tables.
_Noreturn void ap_main(unsigned id);
void ap_main(unsigned id)
{
    bootmap_load();
    cpu_init(id);
    trap_init_cpu();
    apic_init();
    cpus[id].apic_id = apic_id();
    store_release(&cpus[id].online, true);
    while (!load_acquire(&all_started))
        cpu_relax();
    ap_continue(id);
    panic("CPU %u has nothing to do", id);
}

// However late a busy host runs it: there is no time after which a CPU would not come any more.
static void wait_online(unsigned id)
{
    uint64_t slow = clock_ns() + AP_SLOW_NS;

    while (!load_acquire(&cpus[id].online)) {
        if (clock_ns() > slow) {
            kprintf("waiting for CPU %u\n", id);
            slow = UINT64_MAX;
        }
        cpu_relax();
    }
}

// ---- one CPU alone ----

static void park(void)
{
    add_acq_rel(&nparked, 1);
    while (load_acquire(&alone)) {
        cpu_relax();
        spin_poll(); // somebody not yet here may wait for this CPU
    }
    sub_acq_rel(&nparked, 1);
}

// Until the last one has left, a CPU that stands still for the one before would be counted.
static bool begin_alone(void)
{
    bool busy = false;

    if (load_acquire(&nparked) > 0)
        return false;
    return compare_swap(&alone, &busy, true);
}

void smp_alone(void (*fn)(void *arg), void *arg)
{
    assert_may_sleep("smp_alone");
    for (;;) {
        irq_push();
        if (begin_alone())
            break;
        irq_pop(); // here the one that is alone may make this CPU stand still
        cpu_relax();
    }
    unsigned self = this_cpu()->id;
    for (unsigned id = 0; id < ncpus; id++) {
        if (id != self)
            ipi_send(id, IPI_PARK);
    }
    while (load_acquire(&nparked) < ncpus - 1) {
        cpu_relax();
        spin_poll();
    }
    fn(arg);
    store_release(&alone, false);
    irq_pop();
}

void smp_start(void (*entry)(unsigned id))
{
    unsigned present = cpus_present();
    unsigned wanted = min(present, (unsigned)MAX_CPUS);
    cpus[0].online = true;
    if (wanted == 1)
        return;
    ap_continue = entry;
    ipi_register(IPI_PARK, park);
    memcpy(phys_to_dmap(AP_TRAMPOLINE_PA), ap_trampoline, ap_trampoline_end - ap_trampoline);
    apic_send_init_others();
    clock_spin(100000);
    apic_send_startup_others(AP_TRAMPOLINE_PA);
    for (unsigned id = 1; id < wanted; id++)
        wait_online(id);
    ncpus = wanted;
    store_release(&all_started, true);
    if (present > MAX_CPUS)
        kprintf("%u CPUs are there, %u are used\n", present, MAX_CPUS);
}
