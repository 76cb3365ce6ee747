// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a program starts, the system call gate, and the few calls that cannot be written in C:
 * vfork (its return address must survive the child), clone (the child has a new stack),
 * rt_sigreturn, and setjmp.
 */
#define SYS_rt_sigreturn 15
#define SYS_clone        56
#define SYS_vfork        58
#define SYS_exit         60
#define MAX_ERRNO        4095

        .text
        .globl  _start
        .type   _start, @function
_start:
        xor     %ebp, %ebp
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    __libc_start
        hlt

/* long syscall(long number, ...): a seventh argument slot is read whether it was passed or not. */
        .globl  syscall
        .type   syscall, @function
syscall:
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        syscall
check:  cmp     $-MAX_ERRNO, %rax
        jae     1f
        ret
1:      neg     %eax
        mov     %eax, errno(%rip)
        mov     $-1, %rax
        ret

        .globl  vfork
        .type   vfork, @function
vfork:
        pop     %rdx
        mov     $SYS_vfork, %eax
        syscall
        push    %rdx
        jmp     check

/* int clone(int (*fn)(void *), void *stack, int flags, void *arg, ptid, tls, ctid) */
        .globl  clone
        .type   clone, @function
clone:
        mov     %rdi, %r11
        mov     %rcx, -16(%rsi)         /* the child pops its argument and its function */
        mov     %r11, -8(%rsi)
        sub     $16, %rsi
        mov     %edx, %edi
        mov     %r8, %rdx
        mov     8(%rsp), %r10
        mov     %r9, %r8
        mov     $SYS_clone, %eax
        syscall
        test    %rax, %rax
        jnz     check
        xor     %ebp, %ebp
        pop     %rdi
        pop     %rax
        call    *%rax
        mov     %eax, %edi
        mov     $SYS_exit, %eax
        syscall
        hlt

        .globl  __restore_rt
        .type   __restore_rt, @function
__restore_rt:
        mov     $SYS_rt_sigreturn, %eax
        syscall
        hlt

        .globl  setjmp
        .type   setjmp, @function
setjmp:
        mov     %rbx, (%rdi)
        mov     %rbp, 8(%rdi)
        mov     %r12, 16(%rdi)
        mov     %r13, 24(%rdi)
        mov     %r14, 32(%rdi)
        mov     %r15, 40(%rdi)
        lea     8(%rsp), %rax
        mov     %rax, 48(%rdi)
        mov     (%rsp), %rax
        mov     %rax, 56(%rdi)
        xor     %eax, %eax
        ret

        .globl  longjmp
        .type   longjmp, @function
longjmp:
        mov     %esi, %eax
        test    %eax, %eax
        jnz     1f
        inc     %eax
1:      mov     (%rdi), %rbx
        mov     8(%rdi), %rbp
        mov     16(%rdi), %r12
        mov     24(%rdi), %r13
        mov     32(%rdi), %r14
        mov     40(%rdi), %r15
        mov     48(%rdi), %rsp
        jmp     *56(%rdi)

        .section .note.GNU-stack, "", @progbits
