// SPDX-License-Identifier: BSD-2-Clause
/*
 * IRET in a program, to what it must not return to: a signal, at once or after as many faults as
 * it takes. (QEMU reads the frame as the kernel would, which SMAP forbids whatever is mapped.)
 */
#include <signal.h>
#include "t.h"

static void to_kernel_code(void)
{
    __asm__ volatile("push $0\npush $0\npush $0\npush $0x08\npush $0\niretq" ::: "memory");
}

static void to_null(void)
{
    __asm__ volatile("push $0x23\npush %%rsp\npush $0x202\npush $8\npush $0\niretq" ::: "memory");
}

static void on_fault(int sig)
{
    _exit(sig == SIGSEGV ? 3 : 4);
}

static void caught(void)
{
    signal(SIGSEGV, on_fault);
    to_kernel_code();
}

int main(void)
{
    t_begin();
    t_child("to kernel code", to_kernel_code);
    t_child("to null", to_null);
    t_child("caught", caught);
    return 0;
}
