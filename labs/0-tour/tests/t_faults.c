// SPDX-License-Identifier: BSD-2-Clause
//
// Faults of two address spaces, one at a time: the judge looks at the page tables before each and
// at the figures after it.

#include "lab_tour.h"

#include "amd64/clock.h"
#include "dev/judge.h"
#include "lib/atomic.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/percpu.h"
#include "tests/kernel/smp_test.h"
#include "vm/vm_fault.h"

#define FAULTS        60
#define MEETINGS      3000
#define MOST_ROUNDS   12000
#define TOGETHER_NS   1000
#define MADV_DONTNEED 4
#define HOLE          (2ul * LAB_PAGES + 3) // a page that nothing is mapped at

static const vm_prot_t accesses[] = {PROT_READ, PROT_WRITE, PROT_EXEC};

static int fault(struct vm_space *vs, vaddr_t va, vm_prot_t access)
{
    lab_report.next = (struct lab_next){(uint64_t)vs->pmap, va, access};
    judge_point("before");
    int error = vm_fault(&vs->map, va, access);
    judge_point("after");
    return error;
}

// Lets mappings of the page go or change: by its owner, who shares it, or both.
static void disturb(struct rng *r, struct vm_space *vs, vaddr_t va)
{
    uint64_t how = rng_below(r, 6);
    int error = 0;

    if (how == 0) {
        error = vm_madvise(vs, va, PAGE_SIZE, MADV_DONTNEED);
    } else if (how == 1) {
        error = vm_mprotect(vs, va, PAGE_SIZE, PROT_NONE);
        error = error ? error : vm_mprotect(vs, va, PAGE_SIZE, PROT_RW);
    } else if (how == 2) {
        if (lab_space[1])
            vm_space_unref(lab_space[1]);
        lab_space[1] = NULL;
        error = vm_space_fork(lab_space[0], &lab_space[1]);
    }
    KASSERT(!error, "error %d of step %lu at %#lx", error, how, va);
}

KTEST(lab_tour_faults)
{
    struct rng r = lab_rng(1);

    lab_begin();
    for (unsigned i = 0; i < FAULTS; i++) {
        struct vm_space *vs = lab_space[lab_space[1] ? rng_below(&r, 2) : 0];
        uint64_t page = rng_below(&r, 8) ? rng_below(&r, 6) : LAB_PAGES + rng_below(&r, 2);
        disturb(&r, vs, lab_va(rng_below(&r, 6)));
        (void)!fault(vs, lab_va(page) + rng_below(&r, PAGE_SIZE), accesses[rng_below(&r, 3)]);
    }
    lab_end();
}

// Of each CPU: the rounds that it has come to (atomic); when it began the last one, and how often
// it has counted each kind, which are its own until it comes to the next.
static unsigned came[LAB_SPACES];
static uint64_t began[LAB_SPACES], ncounted[LAB_SPACES];

// Each CPU in a space of its own, at a page that is mapped: they meet in the figures alone. They
// begin each round together. However busy the host is, they go on until they have been at it at the
// same moment often enough; where it lets them take turns, not for ever.
static void count_own(unsigned cpu)
{
    unsigned meetings = 0;

    for (unsigned n = 1; meetings < MEETINGS && n < MOST_ROUNDS; n++) {
        store_release(&came[cpu], n);
        while (load_acquire(&came[!cpu]) < n)
            spin_poll();
        began[cpu] = clock_ns();
        for (unsigned i = 0; i < array_len(accesses); i++)
            fault_kinds_count(&lab_space[cpu]->map, lab_va(0), accesses[i]);
        store_release(&came[cpu], ++n);
        while (load_acquire(&came[!cpu]) < n)
            spin_poll();
        uint64_t mine = began[cpu], other = began[!cpu];
        meetings += (mine < other ? other - mine : mine - other) < TOGETHER_NS;
        ncounted[cpu]++;
    }
}

// Where CPUs have host threads of their own, the one that stops the machine goes on for a little:
// not out of this.
static __attribute__((noinline)) void lab_point(const char *name)
{
    judge_point("%s", name);
    __asm__ volatile("" ::: "memory");
}

KTEST(lab_tour_together)
{
    lab_begin();
    KASSERT(ncpus == LAB_SPACES, "%u CPUs", ncpus);
    int error = vm_space_fork(lab_space[0], &lab_space[1]);
    for (unsigned i = 0; i < LAB_SPACES; i++)
        error = error ? error : vm_fault(&lab_space[i]->map, lab_va(0), PROT_READ);
    KASSERT(!error, "error %d", error);
    lab_point("alone");
    on_all_cpus(count_own);
    lab_report.calls = ncounted[0] + ncounted[1];
    lab_point("together");
    lab_end();
}

// What vm_fault says of an access where nothing is mapped, and of one that the mapping forbids.
KTEST(lab_tour_errors)
{
    lab_begin();
    lab_report.unmapped = (uint64_t)vm_fault(&lab_space[0]->map, lab_va(HOLE), PROT_READ);
    lab_report.denied = (uint64_t)vm_fault(&lab_space[0]->map, lab_va(LAB_PAGES), PROT_WRITE);
    judge_point("asked");
    lab_end();
}
