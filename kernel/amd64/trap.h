// SPDX-License-Identifier: BSD-2-Clause
//
// Traps: every way into the kernel but start-up, and the ways back to user mode. The upper floors
// register what they do at each; an unregistered hook means that the event cannot happen yet, and
// it panics.
#pragma once

#include "amd64/trapframe.h"
#include "lib/types.h"

// Bits of a page fault's error code.
enum page_fault_error {
    PF_PRESENT = 1, // protection violation, not a missing page
    PF_WRITE = 2,
    PF_USER = 4, // the access was made in user mode
    PF_RESERVED = 8,
    PF_FETCH = 16,
};

// Exception vectors that have a meaning outside trap.c.
enum trap_vector {
    TRAP_DIVIDE,
    TRAP_DEBUG,
    TRAP_NMI,
    TRAP_BREAKPOINT,
    TRAP_OVERFLOW,
    TRAP_BOUND,
    TRAP_INVALID_OPCODE,
    TRAP_NO_FPU,
    TRAP_DOUBLE_FAULT,
    TRAP_STACK = 12,
    TRAP_PROTECTION,
    TRAP_PAGE_FAULT,
    TRAP_FPU = 16,
    TRAP_ALIGNMENT,
    TRAP_MACHINE_CHECK,
    TRAP_SIMD,
    TRAP_EXCEPTIONS = 32, // vectors below are the CPU's
};

// Each hook but debug runs with interrupts on and may sleep.
struct trap_ops {
    // A fault at user address va, by the program or by a user copy on its behalf (tf_from_user
    // tells). 0: mapped now, the instruction runs again. An errno: a user copy returns EFAULT, a
    // program gets `exception'. With no spinlock held; kctx->nofault faults do not come here.
    int (*page_fault)(struct trapframe *tf, vaddr_t va, unsigned code);

    // The program did what the CPU refuses: va and error (page_fault's errno) for a page fault,
    // else 0. Posts a signal, which user_return then delivers.
    void (*exception)(struct trapframe *tf, vaddr_t va, int error);

    // A system call: number in tf->error, arguments in rdi, rsi, rdx, r10, r8, r9; sets tf->rax.
    void (*syscall)(struct trapframe *tf);

    // A debug exception came in the kernel, before tf->rip: for tests that set the debug registers.
    // Interrupts off. False: it was none of theirs. Without the hook, a panic.
    bool (*debug)(struct trapframe *tf);

    // Before every return to user mode: signals, rescheduling, death. Called again for as long as
    // it returns with need_resched set.
    void (*user_return)(struct trapframe *tf);
};

extern struct trap_ops trap_ops; // set at start-up, by the floors above

// Loads the interrupt table on this CPU, after cpu_init, and says where system calls enter; the
// first call builds it.
void trap_init_cpu(void);

// Text for a vector, for reports.
const char *trap_name(unsigned vector);

// Makes a frame fit to return to user mode with: selectors, flags that a program may not change.
// For sigreturn and the like, after registers came from the program.
void trap_sanitize(struct trapframe *tf);

// trap.S: the system-call entry, for MSR_LSTAR; the way from a kernel stack whose top is a
// trapframe to user mode; and the vectors' entries, trap_entry_size bytes each.
extern const char syscall_entry[], trap_return_to_user[], trap_entries[];
