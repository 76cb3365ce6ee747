// SPDX-License-Identifier: BSD-2-Clause
//
// Threads that libc knows nothing of. musl's clone refuses CLONE_THREAD since 1.2.5, so this is
// the system call itself.
#pragma once

#include "stress.h"
#include <sched.h>
#include <sys/syscall.h>

// Starts fn(arg) as a thread of this process on the stack that ends at stack_end; it is over when
// fn returns. Its id, or -1 and errno.
static inline long start_thread(int (*fn)(void *), void *stack_end, void *arg)
{
    const long flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    register long tid_at __asm__("r10") = 0;
    register long tls __asm__("r8") = 0;
    void **sp = (void **)((uintptr_t)stack_end & ~15ul);
    long r;

    *--sp = arg;
    *--sp = (void *)fn;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "pop %%rax\n\t"
                     "pop %%rdi\n\t"
                     "call *%%rax\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "1:"
                     : "=a"(r)
                     : "a"(SYS_clone), "D"(flags), "S"(sp), "d"(0l), "r"(tid_at),
                       "r"(tls), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
    if (r < 0)
        errno = (int)-r;
    return r < 0 ? -1 : r;
}
