// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of interrupted code, as trap.S stores them at the top of the kernel stack. For a
// thread in the kernel on behalf of its program this is the program's state: changing it changes
// what the program resumes with.
#pragma once

#include "amd64/asm.h"
#include "lib/types.h"

struct trapframe {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t vector;            // exception or interrupt vector; VECTOR_SYSCALL for system calls
    uint64_t error;             // the CPU's error code, or 0; for system calls their number
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct trapframe) == TF_SIZE, "trap.S and C agree on the frame");
_Static_assert(sizeof(struct trapframe) % 16 == 0, "the stack stays aligned");
_Static_assert(offsetof(struct trapframe, rdi) == TF_RDI, "TF_RDI");
_Static_assert(offsetof(struct trapframe, vector) == TF_VECTOR, "TF_VECTOR");
_Static_assert(offsetof(struct trapframe, rip) == TF_RIP, "TF_RIP");
_Static_assert(offsetof(struct trapframe, cs) == TF_CS, "TF_CS");
_Static_assert(offsetof(struct trapframe, rsp) == TF_RSP, "TF_RSP");

static inline bool tf_from_user(const struct trapframe *tf)
{
    return tf->cs & 3;
}
