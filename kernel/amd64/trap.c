// SPDX-License-Identifier: BSD-2-Clause
//
// What trap.S calls: sorts exceptions, interrupts and system calls to the registered hooks, and
// runs the last checks before user mode. Entered with interrupts off; exceptions and system calls
// turn them on if they were on where the trap came from.
#include "amd64/trap.h"

#include "amd64/cpu.h"
#include "amd64/crash.h"
#include "amd64/intr.h"
#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/poison.h"
#include "mem/memlayout.h"
#include "sync/lock_check.h"

#define GATE_PRESENT_INTERRUPT 0x8e00ul
#define GATE_DPL3              0x6000ul
#define ENTRY_SIZE             16 // of each entry in trap.S
#define VECTORS                256
#define POISON_BELOW           (PAGE_SIZE * 3 / 2) // of a kernel stack

struct gate {
    uint64_t low, high;
};

struct trap_ops trap_ops;
static struct gate idt[VECTORS]; // constant once built

static void set_gate(unsigned vector)
{
    uint64_t entry = (uint64_t)trap_entries + vector * ENTRY_SIZE;
    uint64_t flags = GATE_PRESENT_INTERRUPT;
    if (vector == TRAP_BREAKPOINT || vector == TRAP_OVERFLOW)
        flags |= GATE_DPL3;
    if (vector == TRAP_NMI || vector == TRAP_DOUBLE_FAULT || vector == TRAP_MACHINE_CHECK)
        flags |= 1; // IST 1
    idt[vector].low =
        (entry & 0xffff) | SEL_KCODE << 16 | flags << 32 | (entry >> 16 & 0xffff) << 48;
    idt[vector].high = entry >> 32;
}

// Called by trap.S and switch.S.
void trap_from_user(struct trapframe *tf);
void trap_from_kernel(struct trapframe *tf);
void trap_paranoid_c(struct trapframe *tf);
void trap_syscall(struct trapframe *tf);
void trap_leave(struct trapframe *tf);

void trap_init_cpu(void)
{
    if (!idt[0].low) {
        for (unsigned i = 0; i < VECTORS; i++)
            set_gate(i);
    }
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" ::"m"(idtr));
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
}

const char *trap_name(unsigned vector)
{
    // clang-format off
    static const char *const names[TRAP_EXCEPTIONS] = {
        "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode",
        "no FPU", "double fault", "FPU segment overrun", "invalid TSS", "segment not present",
        "stack fault", "general protection fault", "page fault", "reserved", "FPU error",
        "alignment check", "machine check", "SIMD error", "virtualization", "control protection",
    };
    // clang-format on
    if (vector >= TRAP_EXCEPTIONS)
        return vector == VECTOR_SYSCALL ? "system call" : "interrupt";
    return names[vector] ? names[vector] : "reserved";
}

void trap_sanitize(struct trapframe *tf)
{
    const uint64_t changeable = 0xcd5 | RFLAGS_TF | RFLAGS_AC; // CF PF AF ZF SF DF OF
    tf->cs = SEL_UCODE;
    tf->ss = SEL_UDATA;
    tf->rflags = (tf->rflags & changeable) | RFLAGS_IF | 2;
}

// Runs what is due before user mode, and leaves interrupts off for the way out. A reschedule
// request that comes later interrupts the program at its first instruction. SYSRET and IRETQ to an
// address that is not canonical would fault in the kernel: the program gets that fault here, after
// the hook, which may have been what set the address.
void trap_leave(struct trapframe *tf)
{
    for (;;) {
        intr_on();
        if (trap_ops.user_return)
            trap_ops.user_return(tf);
        if (__builtin_expect(tf->rip >> 47 != 0, 0)) {
            tf->rip = 0;
            tf->vector = TRAP_PROTECTION;
            trap_ops.exception(tf, 0, 0);
            continue;
        }
        intr_off();
        // The hook may have moved the thread to another CPU.
        if (!this_cpu()->need_resched || !trap_ops.user_return)
            break;
    }
    lock_assert_none_held("return to user mode");
}

// In a build with POISON=1 what the calls of this entry leave unwritten on the stack is known.
static void poison_stack(void)
{
    void *at = (char *)__builtin_frame_address(0) - POISON_BELOW;

    if (POISON)
        __asm__ volatile("movq %%rsp, %%rcx; subq %%rdi, %%rcx; shrq $3, %%rcx; rep stosq"
                         : "+D"(at)
                         : "a"(POISON_WORD)
                         : "rcx", "memory");
}

// An exception of a program, interrupts on.
static void user_exception(struct trapframe *tf, vaddr_t fault_va)
{
    int error = 0;
    if (tf->vector == TRAP_PAGE_FAULT) {
        error = fault_va < USER_MAX ? trap_ops.page_fault(tf, fault_va, tf->error) : EFAULT;
        if (error == 0)
            return;
    }
    if (!trap_ops.exception)
        crash_frame(tf, "%s in user mode, va %#lx, error %#lx", trap_name(tf->vector), fault_va,
                    tf->error);
    trap_ops.exception(tf, fault_va, error);
}

void trap_from_user(struct trapframe *tf)
{
    if (tf->vector >= TRAP_EXCEPTIONS) {
        intr_dispatch(tf);
    } else {
        vaddr_t fault_va = read_cr2();
        intr_on();
        poison_stack();
        user_exception(tf, fault_va);
    }
    trap_leave(tf);
}

// A page fault in the kernel is legitimate only in the user copy, on a user address.
static void kernel_page_fault(struct trapframe *tf, vaddr_t va)
{
    if (!usercopy_contains(tf->rip) || va >= USER_MAX)
        crash_frame(tf, "kernel page fault at %#lx: %s of %s memory%s", va,
                    tf->error & PF_FETCH   ? "execution"
                    : tf->error & PF_WRITE ? "write"
                                           : "read",
                    tf->error & PF_PRESENT ? "protected" : "unmapped",
                    va < PAGE_SIZE ? " (null pointer)" : "");
    bool resolved = false;
    if (kctx_current()->nofault == 0 && (tf->rflags & RFLAGS_IF)) {
        intr_on();
        resolved = trap_ops.page_fault(tf, va, tf->error) == 0;
        intr_off();
    }
    if (!resolved)
        tf->rip = (uint64_t)usercopy_failure;
}

void trap_from_kernel(struct trapframe *tf)
{
    if (tf->vector >= TRAP_EXCEPTIONS)
        intr_dispatch(tf);
    else if (tf->vector == TRAP_PAGE_FAULT)
        kernel_page_fault(tf, read_cr2());
    else if (tf->vector != TRAP_DEBUG || !trap_ops.debug || !trap_ops.debug(tf))
        crash_frame(tf, "%s in the kernel, error %#lx", trap_name(tf->vector), tf->error);
}

void trap_paranoid_c(struct trapframe *tf)
{
    if (tf->vector == TRAP_NMI) {
        crash_nmi(tf);
        return;
    }
    vaddr_t va = read_cr2();
    bool overflow = tf->vector == TRAP_DOUBLE_FAULT && va - tf->rsp + 1024 < 2048;
    crash_frame(tf, "%s, cr2 %#lx%s", trap_name(tf->vector), va,
                overflow ? " (kernel stack overflow)" : "");
}

void trap_syscall(struct trapframe *tf)
{
    intr_on();
    poison_stack();
    trap_ops.syscall(tf);
    trap_leave(tf);
}
