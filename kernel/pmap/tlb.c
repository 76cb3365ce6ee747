// SPDX-License-Identifier: BSD-2-Clause
//
// TLB shootdown. Each CPU has one request at a time, since it waits with interrupts off until all
// targets have answered; a word per target says whose requests are new to it.
//
// pmap->active against a CPU that just loads the pmap: the loader sets its bit and then loads CR3,
// the shooter changes the tables and then reads the bits, with full barriers between. Either the
// shooter sees the bit, or the loader's TLB is filled from the changed tables.

#include "pmap/tlb.h"

#include "amd64/intr.h"
#include "lib/atomic.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "sync/irq.h"
#include "sync/percpu.h"

struct tlb_request {
    struct pmap *pm;
    const struct tlb_batch *batch; // NULL: let go of pm
    uint64_t waiting;              // bit per CPU that has not answered; atomic
};

static struct tlb_request requests[MAX_CPUS]; // by the CPU that asks
static uint64_t inbox[MAX_CPUS];              // per target, bit per CPU that asks; atomic
static struct pmap *loaded[MAX_CPUS];         // what is in CR3; own CPU only
static uint64_t shootdowns, shootdown_ipis;   // atomic

// A CPU's request and what it has loaded are its own while it takes no interrupts.
static void assert_irqs_off(void)
{
    KASSERT(this_cpu()->irq_off_depth > 0, "CPU %u", this_cpu()->id);
}

static void load_cr3(paddr_t pml4_pa)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(pml4_pa) : "memory");
}

static void flush_local(unsigned cpu, const struct tlb_batch *b)
{
    assert_irqs_off();
    if (b->n > TLB_BATCH_MAX) {
        load_cr3(loaded[cpu]->pml4_pa);
        return;
    }
    for (unsigned i = 0; i < b->n; i++)
        __asm__ volatile("invlpg (%0)" ::"r"(b->va[i]) : "memory");
}

// Interrupts off.
static void load(unsigned cpu, struct pmap *pm)
{
    struct pmap *old = loaded[cpu];
    uint64_t bit = 1ul << cpu;

    assert_irqs_off();
    if (old == pm)
        return;
    or_seq(&pm->active, bit);
    load_cr3(pm->pml4_pa);
    loaded[cpu] = pm;
    // The kernel's mappings are part of every pmap: its bit stays.
    if (old && old != &kernel_pmap)
        and_seq(&old->active, ~bit);
}

static void serve(unsigned cpu, const struct tlb_request *r)
{
    if (!r->batch) {
        if (loaded[cpu] == r->pm)
            load(cpu, &kernel_pmap);
    } else if (r->pm == &kernel_pmap || loaded[cpu] == r->pm) {
        flush_local(cpu, r->batch);
    }
}

void tlb_interrupt(void)
{
    unsigned cpu = this_cpu()->id;

    if (!load_relaxed(&inbox[cpu]))
        return;
    irq_push();
    uint64_t from = swap_acquire(&inbox[cpu], 0);
    for (; from; from &= from - 1) {
        struct tlb_request *r = &requests[__builtin_ctzl(from)];
        serve(cpu, r);
        and_release(&r->waiting, ~(1ul << cpu));
    }
    irq_pop();
}

// Has the request carried out by the given CPUs, and waits for them. Interrupts off.
static void ask(unsigned cpu, uint64_t targets, struct pmap *pm, const struct tlb_batch *b)
{
    struct tlb_request *r = &requests[cpu];

    assert_irqs_off();
    KASSERT(!(targets & 1ul << cpu) && !r->waiting, "CPU %u asks %lx, and waits for %lx", cpu,
            targets, r->waiting);
    r->pm = pm;
    r->batch = b;
    store_release(&r->waiting, targets);
    add_relaxed(&shootdowns, 1);
    for (uint64_t left = targets; left; left &= left - 1) {
        unsigned target = (unsigned)__builtin_ctzl(left);
        or_seq(&inbox[target], 1ul << cpu);
        ipi_send(target, IPI_TLB);
        add_relaxed(&shootdown_ipis, 1);
    }
    while (load_acquire(&r->waiting)) {
        cpu_relax();
        tlb_interrupt();
    }
}

void tlb_flush(struct pmap *pm, struct tlb_batch *b)
{
    if (b->n == 0)
        return;
    if (pm->shared) { // its tables are at other addresses, and wherever they are linked
        tlb_batch_all(b);
        pm = &kernel_pmap;
    }
    irq_push();
    unsigned cpu = this_cpu()->id;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the tables' change before the look at active
    uint64_t active = load_relaxed(&pm->active);
    uint64_t others = active & ~(1ul << cpu);

    if (pm == &kernel_pmap || active != others)
        flush_local(cpu, b);
    if (others)
        ask(cpu, others, pm, b);
    irq_pop();
    b->n = 0;
}

void tlb_load(struct pmap *pm)
{
    irq_push();
    load(this_cpu()->id, pm);
    irq_pop();
}

bool tlb_loaded(void)
{
    return loaded[this_cpu()->id];
}

void tlb_drop(struct pmap *pm)
{
    KASSERT(pm != &kernel_pmap, "pmap %p", (void *)pm);
    irq_push();
    unsigned cpu = this_cpu()->id;
    if (loaded[cpu] == pm)
        load(cpu, &kernel_pmap);
    uint64_t others = load_seq(&pm->active);
    if (others)
        ask(cpu, others, pm, NULL);
    KASSERT(pm->active == 0, "pmap %p is in use on CPUs %lx", (void *)pm, pm->active);
    irq_pop();
}

void tlb_init(void)
{
    spin_poll_set(tlb_interrupt);
    ipi_register(IPI_TLB, tlb_interrupt);
    tlb_load(&kernel_pmap);
}

void tlb_get_stats(uint64_t *nshootdowns, uint64_t *nipis)
{
    *nshootdowns = load_relaxed(&shootdowns);
    *nipis = load_relaxed(&shootdown_ipis);
}
