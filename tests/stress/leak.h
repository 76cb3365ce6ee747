// SPDX-License-Identifier: BSD-2-Clause
//
// Looks for what the kernel should have cleared before a program got it. A kernel built with
// POISON=1 fills its stacks and fresh memory with one byte (kernel/lib/poison.h): LEAK_RUN of them
// in a row, at any offset, are a leak. Where it is seen first is left in a page that the parent
// shares with its children.
#pragma once

#include "stress.h"
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#define POISON_BYTE   0xb5
#define LEAK_RUN      4u
#define LEAK_RANDOM   8u // in random numbers, of which there are many
#define LEAKED        77 // exit status
#define FPSTATE_BYTES 512

// What was filled that shows a leak, where it is no system call.
enum { LEAK_FRAME = 1000, LEAK_STACK };

static struct leak {
    int where; // number of the system call or one of those above; 0: none was seen
    size_t offset;
    uint64_t found; // what stands there
    uint64_t ncalls;
} *leak;

static inline void leak_start(void)
{
    leak = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_TRUE(leak != MAP_FAILED);
}

static inline size_t run_at(const uint8_t *p, size_t n, size_t at)
{
    size_t from = at, to = at;

    while (from > 0 && p[from - 1] == POISON_BYTE)
        from--;
    while (to < n && p[to] == POISON_BYTE)
        to++;
    return to - from;
}

// Each run covers one of the bytes looked at. They are compared with the complement: a signal that
// comes now would put the pattern itself, in a register, into its frame.
static inline void leak_search(int where, const void *mem, size_t n, size_t run)
{
    const uint8_t *p = mem;

    for (size_t at = LEAK_RUN - 1; at < n; at += LEAK_RUN) {
        if ((p[at] ^ (uint8_t)~POISON_BYTE) != 0xff || run_at(p, n, at) < run)
            continue;
        if (!__atomic_exchange_n(&leak->where, where, __ATOMIC_SEQ_CST)) {
            leak->offset = at;
            memcpy(&leak->found, p + (at & ~7ul), 8);
        }
        _exit(LEAKED);
    }
}

// The frame of the signal that is being handled.
static inline void leak_search_frame(const void *context)
{
    const ucontext_t *uc = context;
    const char *fpstate = (const char *)uc->uc_mcontext.fpregs;

    leak_search(LEAK_FRAME, (const uint8_t *)uc - 8, 8 + 304 + sizeof(siginfo_t), LEAK_RUN);
    leak_search(LEAK_FRAME, fpstate, FPSTATE_BYTES, LEAK_RUN);
}

// What exec put on the stack, from the arguments' pointers to the program's name.
static inline void leak_search_stack(char **argv)
{
    const char *end = (const char *)getauxval(AT_EXECFN);

    leak_search(LEAK_STACK, argv, (size_t)(end - (const char *)argv) + strlen(end) + 1, LEAK_RUN);
}

// In the parent.
static inline void leak_expect_none(void)
{
    if (leak->where)
        dprintf(1, "kernel memory seen by system call %d (%d: signal frame, %d: new stack), "
                "%#zx: %016llx\n", leak->where, LEAK_FRAME, LEAK_STACK, leak->offset,
                (unsigned long long)leak->found);
    EXPECT(leak->where, 0);
}
