// SPDX-License-Identifier: BSD-2-Clause
//
// What the parts of the benchmark share. bench.c measures calls, pipes and processes, memory.c
// faults and mappings.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static inline void need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static inline void report(const char *name, uint64_t value)
{
    printf("%s: %llu\n", name, (unsigned long long)value);
    fflush(stdout);
}

// Reports the ticks of one call of fn, the mean of `count' after one that is not counted.
static inline void measure(const char *name, unsigned count, void (*fn)(void))
{
    fn();
    uint64_t start = ticks();
    for (unsigned i = 0; i < count; i++)
        fn();
    report(name, (ticks() - start) / count);
}

// Faults and mappings; fork_exit forks, ends the child at once and waits for it.
void measure_memory(void (*fork_exit)(void));

// Pages through a pipe.
void measure_loans(void);

// Two processors, in so many rounds.
void measure_together(unsigned rounds);
