// SPDX-License-Identifier: BSD-2-Clause
//
// What the traps mean for processes: page faults are resolved, exceptions become signals, and
// before each return to user mode pending work is done. These are the machine layer's hooks.
#include "amd64/clock.h"
#include "amd64/context.h"
#include "amd64/intr.h"
#include "amd64/trap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sync/waitq.h"
#include "vm/vm_fault.h"
#include "vm/vm_space.h"

#define OOM_WAIT_NS  10000000ul // until init tries again
#define REFAULTS_MAX 100        // in a row: then the fault is none that a mapping can resolve
#define REFAULT_NS   10000000ul // what comes later is not in a row

// No memory can be had for a page that p needs to go on, and nobody is left who could give some up.
// Without init nothing goes on: it tries again. True: do so.
static bool out_of_memory(struct process *p)
{
    if (p->pid == INIT_PID) {
        waitq_block(WAIT_NOINTR, clock_ns() + OOM_WAIT_NS);
        return true;
    }
    kprintf("out of memory: process %d (%s) is killed, for it asked\n", p->pid, p->comm);
    signal_kill_group(p, W_SIGNALED(SIGKILL));
    return false;
}

// The mapping that t's fault asks for was there, unchanged. Another CPU may have been faster; but
// if that comes again and again at one instruction, the CPU refuses the access for another reason.
static int refault(struct thread *t, const struct trapframe *tf, vaddr_t va)
{
    uint64_t now_ns = clock_ns();
    bool again =
        t->refault_va == va && t->refault_rip == tf->rip && now_ns - t->refault_ns < REFAULT_NS;

    t->refault_va = va;
    t->refault_rip = tf->rip;
    t->refault_ns = now_ns;
    t->refaults = again ? t->refaults + 1 : 1;
    return t->refaults < REFAULTS_MAX ? 0 : EACCES;
}

static int page_fault(struct trapframe *tf, vaddr_t va, unsigned code)
{
    struct thread *t = thread_current();
    struct process *p = process_current();
    vm_prot_t access = code & PF_FETCH ? PROT_EXEC : code & PF_WRITE ? PROT_WRITE : PROT_READ;

    if (!p || !p->space)
        return EFAULT;
    t->kctx.refault = false;
    int error = vm_fault(&p->space->map, va, access);
    if (__builtin_expect(t->kctx.refault && !error, 0))
        return refault(t, tf, va);
    return error == ENOMEM && out_of_memory(p) ? 0 : error;
}

static int simd_code(void)
{
    const struct fpu_state *fpu = context_save_fpu(&thread_current()->context);
    uint32_t mxcsr;

    __builtin_memcpy(&mxcsr, &fpu->fxsave[24], sizeof(mxcsr));
    uint32_t raised = mxcsr & ~(mxcsr >> 7) & 0x3f; // flags whose mask bit is clear
    if (raised & 1)
        return FPE_FLTINV;
    if (raised & 4)
        return FPE_FLTDIV;
    if (raised & 8)
        return FPE_FLTOVF;
    return raised & 0x12 ? FPE_FLTUND : FPE_FLTRES;
}

static void page_fault_signal(vaddr_t va, int error)
{
    if (error == ENOMEM || error == EINTR) // killed already, or being killed
        return;
    if (error == ENXIO || error == EIO || error == ENOSPC)
        signal_fault(SIGBUS, BUS_ADRERR, va);
    else
        signal_fault(SIGSEGV, error == EACCES ? SEGV_ACCERR : SEGV_MAPERR, va);
}

// What an exception is to a program; no signal: SIGSEGV, as for all that is not listed.
static const struct {
    uint8_t sig, code;
    bool at_rip; // the signal tells where
} signals[TRAP_EXCEPTIONS] = {
    [TRAP_DIVIDE] = {SIGFPE, FPE_INTDIV, true},
    [TRAP_DEBUG] = {SIGTRAP, TRAP_TRACE, true},
    [TRAP_BREAKPOINT] = {SIGTRAP, SI_KERNEL, false},
    [TRAP_INVALID_OPCODE] = {SIGILL, ILL_ILLOPN, true},
    [TRAP_STACK] = {SIGBUS, SI_KERNEL, false},
    [TRAP_ALIGNMENT] = {SIGBUS, BUS_ADRALN, false},
};

static void exception(struct trapframe *tf, vaddr_t va, int error)
{
    struct thread *t = thread_current();
    unsigned vector = t->trap_no = (unsigned)tf->vector;

    t->trap_error = (unsigned)tf->error;
    t->trap_addr = va;
    if (vector == TRAP_PAGE_FAULT)
        page_fault_signal(va, error);
    else if (vector == TRAP_FPU || vector == TRAP_SIMD)
        signal_fault(SIGFPE, simd_code(), tf->rip);
    else if (vector < TRAP_EXCEPTIONS && signals[vector].sig)
        signal_fault(signals[vector].sig, signals[vector].code,
                     signals[vector].at_rip ? tf->rip : 0);
    else
        signal_fault(SIGSEGV, SI_KERNEL, 0);
}

static void user_return(struct trapframe *tf)
{
    struct thread *t = thread_current();

    if (this_cpu()->need_resched)
        sched_yield();
    if (__builtin_expect(load_acquire(&t->work) != 0, 0))
        signal_user_return(t, tf);
}

static void tick(void)
{
    timer_interrupt(sched_tick);
}

// As Linux does for Valgrind, a limit of no data at all is none below the hard one.
static uint64_t soft_limit(enum vm_limit which)
{
    const struct process *p = process_current();

    if (!p)
        return RLIM_INFINITY;
    const struct rlimit *l = &p->limits[which];
    return which == VM_LIMIT_DATA && l->cur == 0 ? l->max : l->cur;
}

void faults_init(void)
{
    vm_limit_hook = soft_limit;
    trap_ops.page_fault = page_fault;
    trap_ops.exception = exception;
    intr_tick = tick;
    trap_ops.user_return = user_return;
}
