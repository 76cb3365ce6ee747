// SPDX-License-Identifier: BSD-2-Clause
//
// The entries and exits. %gs discipline: in the kernel %gs is the CPU's struct cpu, in user mode
// the program's; whoever crosses swaps, exactly once. An entry that interrupted the kernel does
// not swap. NMI, double fault and machine check can hit between the crossing and its swapgs, so
// they look at the base itself and run on a stack of their own.
//
// The call-frame directives lead GDB through an entry to what it interrupted; a program is not
// followed. `signal frame': the frame's rip is an instruction itself, and not what follows a call
// (clang's assembler leaves that word out, and GDB may name the line before).
#include "amd64/asm.h"

.macro PUSH_REGISTERS
    .irp reg, %rdi, %rsi, %rdx, %rcx, %rax, %r8, %r9, %r10, %r11, %rbx, %rbp, %r12, %r13, %r14, %r15
    pushq \reg
    .endr
.endm

// Leaves %rsp at the vector field. `cfi': within CFI_TRAPFRAME.
.macro POP_REGISTERS cfi=0
    .irp reg, %r15, %r14, %r13, %r12, %rbp, %rbx, %r11, %r10, %r9, %r8, %rax, %rcx, %rdx, %rsi, %rdi
    popq \reg
    .if \cfi
    .cfi_adjust_cfa_offset -8
    .endif
    .endr
.endm

// %rsp is at a whole trapframe: where the interrupted code's registers are.
.macro CFI_TRAPFRAME
    .cfi_startproc simple
    .cfi_def_cfa %rsp, 0
    .set at, 0
    .irp reg, %r15, %r14, %r13, %r12, %rbp, %rbx, %r11, %r10, %r9, %r8, %rax, %rcx, %rdx, %rsi, %rdi
    .cfi_offset \reg, at
    .set at, at + 8
    .endr
    .cfi_offset %rip, TF_RIP
    .cfi_offset %rsp, TF_RSP
.endm

    .cfi_sections .debug_frame
    .text

// One entry of 16 bytes per vector, up to the common path; the CPU pushes an error code for some.
    .balign 16
    .globl trap_entries
trap_entries:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .else
    pushq $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

    .balign 16
trap_common:
    PUSH_REGISTERS
    CFI_TRAPFRAME
    .cfi_signal_frame
    CLAC
    cld
    testb $3, TF_CS(%rsp)
    jz 1f
    swapgs
    xorl %ebp, %ebp                 // a backtrace ends here
    movq %rsp, %rdi
    .cfi_remember_state
    .cfi_undefined %rip
    call trap_from_user
    jmp trap_return_to_user
    .cfi_restore_state
1:
    movq %rsp, %rdi
    call trap_from_kernel
trap_return_to_kernel:
    POP_REGISTERS cfi=1
    .cfi_endproc
    addq $16, %rsp
    iretq

// %ebx tells whether to swap back: the handler keeps it.
trap_paranoid:
    PUSH_REGISTERS
    CFI_TRAPFRAME
    .cfi_signal_frame
    CLAC
    cld
    xorl %ebx, %ebx
    movl $MSR_GS_BASE, %ecx
    rdmsr
    testl %edx, %edx
    js 1f                           // a kernel address
    swapgs
    incl %ebx
1:
    movq %rsp, %rdi
    call trap_paranoid_c
    testl %ebx, %ebx
    jz trap_return_to_kernel
    swapgs
    jmp trap_return_to_kernel
    .cfi_endproc

// Interrupts are off until C turns them on: MSR_SFMASK.
    .balign 16
    .globl syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_KSTACK_TOP, %rsp
    pushq $SEL_UDATA
    pushq %gs:CPU_USER_RSP
    pushq %r11
    pushq $SEL_UCODE
    pushq %rcx
    pushq %rax
    pushq $VECTOR_SYSCALL
    PUSH_REGISTERS
    CFI_TRAPFRAME
    .cfi_undefined %rip
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call trap_syscall

// With interrupts off and %rsp at the frame. SYSRET serves if the frame is as SYSCALL made it: it
// takes rip from rcx and rflags from r11. trap_syscall and trap_from_user saw to a canonical rip.
    .globl trap_return_to_user
trap_return_to_user:
    cmpl $VECTOR_SYSCALL, TF_VECTOR(%rsp)
    .cfi_endproc                    // behind the call: where it returns to is looked up
    jne 1f
    POP_REGISTERS
    cmpq 16(%rsp), %rcx             // rip
    jne 2f
    cmpq 32(%rsp), %r11             // rflags
    jne 2f
    movq 40(%rsp), %rsp
    swapgs
    sysretq
1:
    POP_REGISTERS
2:
    addq $16, %rsp
    swapgs
    iretq
