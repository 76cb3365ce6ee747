// SPDX-License-Identifier: BSD-2-Clause
//
// Tests the ways between kernel and user mode below processes: two bare contexts run a program
// (test_user_code.S) in a pmap of their own, with the trap hooks replaced for the time.
#include "amd64/apic.h"
#include "amd64/context.h"
#include "amd64/cpu.h"
#include "amd64/intr.h"
#include "amd64/trap.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/irq.h"

#define CODE_VA    0x40000000ul
#define STACK_VA   0x40001000ul
#define LAZY_VA    0x50000000ul // mapped by the page fault hook
#define LAZY       0x1234567890abcdeful
#define RUNS       2
#define STORM_RUNS 3000

extern const char test_user_code[], test_user_code_end[];

struct run {
    struct cpu_context ctx;
    uint64_t base; // the program's %rdi, from which its values derive
    unsigned traps[TRAP_EXCEPTIONS];
    unsigned faults, calls;
    uint64_t rip; // where call 6 should have returned to
    bool finished;
    char kstack[PAGE_SIZE * 2] __attribute__((aligned(16)));
};

static struct run runs[RUNS];
static struct run *current;
static struct cpu_context boss; // the test's own context
static struct pmap *user_pmap;
static struct vm_page *pages[3]; // code, stack, lazy

static void leave(struct run *r)
{
    intr_off();
    context_switch(&r->ctx, &boss);
    intr_on();
}

static void check_registers(const struct run *r, const struct trapframe *tf)
{
    KTEST_CHECK(tf->rbx == r->base && tf->rbp == r->base + 1 && tf->r12 == r->base + 2 &&
                    tf->r13 == r->base + 3 && tf->r14 == r->base + 4 && tf->r15 == r->base + 5,
                "rbx %lx rbp %lx r12 %lx, base %lx", tf->rbx, tf->rbp, tf->r12, r->base);
}

static void on_syscall(struct trapframe *tf)
{
    struct run *r = current;
    r->calls++;
    KTEST_CHECK(tf == context_frame(&r->ctx), "frame %p", (void *)tf);
    check_registers(r, tf);
    if (tf->error == 1) {
        KTEST_CHECK(tf->rdi == 11 && tf->rsi == 12 && tf->rdx == 13 && tf->r10 == 14 &&
                        tf->r8 == 15 && tf->r9 == 16,
                    "arguments %lu %lu %lu", tf->rdi, tf->rsi, tf->rdx);
        tf->rax = 4711;
    } else if (tf->error == 2) {
        KTEST_CHECK(tf->rdi == 4711, "result %lu", tf->rdi);
        leave(r); // the other run uses the FPU meanwhile
    } else if (tf->error == 3) {
        KTEST_CHECK(tf->rdi == LAZY, "read %lx", tf->rdi);
    } else if (tf->error == 5) {
        KTEST_CHECK(tf->rdi == r->base, "xmm5 %lx, base %lx", tf->rdi, r->base);
    } else if (tf->error == 6) {
        r->rip = tf->rip;
    } else if (tf->error == 7) {
        r->finished = true;
        leave(r);
    }
}

static void on_exception(struct trapframe *tf, vaddr_t va, int err)
{
    static const uint8_t skip[TRAP_EXCEPTIONS] = {
        [TRAP_DIVIDE] = 2, [TRAP_INVALID_OPCODE] = 2, [TRAP_PROTECTION] = 1, [TRAP_PAGE_FAULT] = 3};
    struct run *r = current;
    r->traps[tf->vector]++;
    check_registers(r, tf);
    tf->rip = r->rip ? r->rip : tf->rip + skip[tf->vector];
    if (tf->vector == TRAP_PAGE_FAULT)
        KTEST_CHECK(err == EFAULT && va >= USER_MAX, "err %d va %lx", err, va);
}

static int on_page_fault(struct trapframe *tf, vaddr_t va, unsigned error)
{
    KTEST_CHECK(va == LAZY_VA && error == PF_USER && tf_from_user(tf), "va %lx error %x", va,
                error);
    current->faults++;
    return pmap_enter(user_pmap, LAZY_VA, pages[2], PROT_READ, PROT_READ);
}

// After call 6, returns to an address that is not canonical, as a signal handler's might be.
static void on_return(struct trapframe *tf)
{
    this_cpu()->need_resched = false;
    if (current->rip && current->traps[TRAP_PROTECTION] == 1)
        tf->rip = 1ul << 47;
}

static void set_up(void)
{
    user_pmap = pmap_create();
    for (unsigned i = 0; i < array_len(pages); i++)
        pages[i] = vm_page_alloc(PAGE_KMEM, PA_ZERO);
    KASSERT(user_pmap && pages[0] && pages[1] && pages[2], "no memory");
    memcpy(page_to_dmap(pages[0]), test_user_code, test_user_code_end - test_user_code);
    *(uint64_t *)page_to_dmap(pages[2]) = LAZY;
    int error = pmap_enter(user_pmap, CODE_VA, pages[0], PROT_READ | PROT_EXEC, 0);
    if (!error)
        error = pmap_enter(user_pmap, STACK_VA, pages[1], PROT_RW, 0);
    KASSERT(!error, "error %d", error);
}

static void begin(void *arg)
{
    (void)arg;
}

static void start(struct run *r, uint64_t base)
{
    memset(r, 0, sizeof(*r));
    r->base = base;
    struct trapframe *tf =
        context_init_user(&r->ctx, (vaddr_t)r->kstack + sizeof(r->kstack), begin, NULL);
    tf->rip = CODE_VA;
    tf->rsp = STACK_VA + PAGE_SIZE;
    tf->rdi = base;
}

// Runs until the program gives the CPU back.
static void resume(struct run *r)
{
    current = r;
    boss.kstack_top = cpu_self()->kstack_top;
    intr_off();
    context_switch(&boss, &r->ctx);
    intr_on();
}

static void check_run(const struct run *r, unsigned faults)
{
    static const uint8_t once[] = {TRAP_BREAKPOINT, TRAP_DIVIDE, TRAP_INVALID_OPCODE,
                                   TRAP_PAGE_FAULT};
    KTEST_CHECK(r->finished && r->calls == 8, "%u calls", r->calls);
    KTEST_CHECK(r->faults == faults, "%u faults", r->faults);
    KTEST_CHECK(r->traps[TRAP_PROTECTION] == 2, "%u", r->traps[TRAP_PROTECTION]);
    for (unsigned i = 0; i < array_len(once); i++)
        KTEST_CHECK(r->traps[once[i]] == 1, "%s: %u", trap_name(once[i]), r->traps[once[i]]);
    // nop, mov, (syscall itself steps or not), pushfq, and, popfq.
    KTEST_CHECK(r->traps[TRAP_DEBUG] >= 4 && r->traps[TRAP_DEBUG] <= 7, "%u steps",
                r->traps[TRAP_DEBUG]);
}

static void run_both(void)
{
    start(&runs[0], 0x1000);
    start(&runs[1], 0x2000);
    resume(&runs[0]);
    resume(&runs[1]);
    resume(&runs[0]);
    resume(&runs[1]);
    check_run(&runs[0], 1);
    check_run(&runs[1], 0);
    pmap_remove(user_pmap, LAZY_VA, LAZY_VA + PAGE_SIZE);
}

static enum { STORM_OFF, STORM_ON, STORM_END } storm_state; // atomic

// Another CPU sends this one NMIs, which hit between the entry and its swapgs as anywhere else.
static void storm(void)
{
    __atomic_store_n(&storm_state, STORM_ON, __ATOMIC_RELEASE);
    while (__atomic_load_n(&storm_state, __ATOMIC_ACQUIRE) == STORM_ON) {
        apic_send_nmi_others();
        spin_poll();
    }
    __atomic_store_n(&storm_state, STORM_OFF, __ATOMIC_RELEASE);
}

static void run_in_storm(void)
{
    ipi_register(IPI_TEST, storm);
    ipi_send(this_cpu()->id ? 0 : 1, IPI_TEST);
    while (__atomic_load_n(&storm_state, __ATOMIC_ACQUIRE) != STORM_ON)
        cpu_relax();
    for (unsigned i = 0; i < STORM_RUNS; i++)
        run_both();
    __atomic_store_n(&storm_state, STORM_END, __ATOMIC_RELEASE);
    while (__atomic_load_n(&storm_state, __ATOMIC_ACQUIRE) != STORM_OFF)
        cpu_relax();
}

KTEST(machine_user)
{
    struct trap_ops old = trap_ops;
    set_up();
    trap_ops.syscall = on_syscall;
    trap_ops.exception = on_exception;
    trap_ops.page_fault = on_page_fault;
    trap_ops.user_return = on_return;
    pmap_activate(user_pmap);
    run_both();
    if (ncpus > 1)
        run_in_storm();
    trap_ops = old;
    pmap_activate(NULL);
    pmap_remove(user_pmap, CODE_VA, STACK_VA + PAGE_SIZE);
    pmap_destroy(user_pmap);
    for (unsigned i = 0; i < array_len(pages); i++)
        vm_page_free(pages[i]);
}
