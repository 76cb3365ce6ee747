// SPDX-License-Identifier: BSD-2-Clause
//
// The instructions that touch user memory. They use no stack and call nothing, so that a fault
// anywhere between the two labels can go on at usercopy_failure, which returns EFAULT in %rax.
// In %rdx, the second word of a result, is how far the destination was written.
#include "amd64/asm.h"

#define EFAULT 14

    .text
    .globl usercopy_text_start
usercopy_text_start:

// struct copy_result usercopy_bytes(void *dst, const void *src, size_t len)
    .globl usercopy_bytes
usercopy_bytes:
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
    STAC
    rep movsq
    movl %edx, %ecx
    rep movsb
    CLAC
    xorl %eax, %eax
    movq %rdi, %rdx
    ret

// int usercopy_zero(void *dst, size_t len)
    .globl usercopy_zero
usercopy_zero:
    movq %rsi, %rcx
    shrq $3, %rcx
    andl $7, %esi
    xorl %eax, %eax
    STAC
    rep stosq
    movl %esi, %ecx
    rep stosb
    CLAC
    ret

// int usercopy_string(char *dst, const char *src, size_t size, size_t *len)
// *len = bytes before the terminator, or size if there is none.
    .globl usercopy_string
usercopy_string:
    xorl %eax, %eax
    STAC
1:
    cmpq %rdx, %rax
    je 2f
    movb (%rsi, %rax), %r8b
    movb %r8b, (%rdi, %rax)
    testb %r8b, %r8b
    jz 2f
    incq %rax
    jmp 1b
2:
    CLAC
    movq %rax, (%rcx)
    xorl %eax, %eax
    ret

// int usercopy_fetch32(const uint32_t *src, uint32_t *value)
    .globl usercopy_fetch32
usercopy_fetch32:
    STAC
    movl (%rdi), %ecx
    CLAC
    movl %ecx, (%rsi)
    xorl %eax, %eax
    ret

// int usercopy_cmpxchg32(uint32_t *dst, uint32_t expect, uint32_t desired, uint32_t *old)
    .globl usercopy_cmpxchg32
usercopy_cmpxchg32:
    movl %esi, %eax
    STAC
    lock cmpxchgl %edx, (%rdi)
    CLAC
    movl %eax, (%rcx)
    xorl %eax, %eax
    ret

    .globl usercopy_text_end, usercopy_failure
usercopy_text_end:
usercopy_failure:
    CLAC
    movl $EFAULT, %eax
    movq %rdi, %rdx
    ret
