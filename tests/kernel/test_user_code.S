// SPDX-License-Identifier: BSD-2-Clause
//
// A program for test_user.c, copied to a user page. It makes the CPU trap in each way a program
// can, and reports with system calls whether its registers came through.

    .section .rodata.test_user, "a"
    .globl test_user_code, test_user_code_end
test_user_code:
    // Each call-preserved register, and xmm5, gets a value from %rdi, which tells the runs apart.
    movq %rdi, %rbx
    leaq 1(%rdi), %rbp
    leaq 2(%rdi), %r12
    leaq 3(%rdi), %r13
    leaq 4(%rdi), %r14
    leaq 5(%rdi), %r15
    movq %rdi, %xmm5
    movl $1, %eax               // arguments
    movl $11, %edi
    movl $12, %esi
    movl $13, %edx
    movl $14, %r10d
    movl $15, %r8d
    movl $16, %r9d
    syscall
    movq %rax, %rdi
    movl $2, %eax               // %rdi: the result of call 1
    syscall
    int3                        // 3
    xorl %ecx, %ecx
    divl %ecx                   // 0, two bytes
    ud2                         // 6, two bytes
    movl $0, %eax
    hlt                         // 13, one byte
    movq 0x50000000, %rax       // page fault that the hook resolves
    movq %rax, %rdi
    movl $3, %eax               // %rdi: the word read
    syscall
    movabsq $0xffffffff80106000, %rcx
    movb $0, (%rcx)             // 14, three bytes
    pushfq                      // step through a system call
    orl $0x100, (%rsp)
    popfq
    nop
    movl $4, %eax
    syscall
    pushfq
    andl $~0x100, (%rsp)
    popfq
    pushfq                      // alignment checks on must not let the kernel down
    orl $0x40000, (%rsp)
    popfq
    movl $4, %eax
    syscall
    pushfq
    andl $~0x40000, (%rsp)
    popfq
    movq %xmm5, %rdi
    movl $5, %eax               // %rdi: xmm5; the rest as set above
    syscall
    movl $6, %eax               // the hook sends this one back to an address that cannot be
    syscall
    movl $7, %eax               // exit
    syscall
    hlt
test_user_code_end:
