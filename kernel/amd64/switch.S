// SPDX-License-Identifier: BSD-2-Clause
//
// The switch of kernel stacks, and a thread's first instructions.
#include "amd64/asm.h"

    .text

// void context_swap_stacks(uint64_t *save_rsp, uint64_t load_rsp)
// The registers that a call preserves are on the stack that is left. New threads are laid out by
// context.c as if they had come through here.
    .globl context_swap_stacks
context_swap_stacks:
    .irp reg, %rbp, %rbx, %r12, %r13, %r14, %r15
    pushq \reg
    .endr
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    .irp reg, %r15, %r14, %r13, %r12, %rbx, %rbp
    popq \reg
    .endr
    ret

// Where context_swap_stacks returns to in a new thread: %r12(%r13), then the program, if it is a
// thread that has one. %rsp is at the trapframe, or for a kernel thread where one would be.
    .globl context_start
context_start:
    movq %r13, %rdi
    call *%r12
    movq %rsp, %rdi
    call trap_leave
    jmp trap_return_to_user
