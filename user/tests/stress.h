// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the stress programs share: arguments (seed, rounds), a generator of their own, a verdict.
 * A stress program checks itself; its last line is "ok" or says what was wrong, and so does its
 * exit status.
 */
#pragma once

#include <stdint.h>
#include "t.h"

static uint64_t stress_state;

static inline uint32_t stress_random(uint32_t below)
{
    stress_state = stress_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((stress_state >> 33) % below);
}

/* argv: seed, rounds. Returns the rounds. */
static inline int stress_begin(int argc, char **argv, int rounds)
{
    stress_state = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
    if (argc > 2)
        rounds = atoi(argv[2]);
    t_begin();
    return rounds;
}

static inline _Noreturn void stress_fail(const char *what, long round, long expected, long got)
{
    say("%s: round %ld: expected %ld, got %ld (%s)\n", what, round, expected, got, t_errname());
    exit(1);
}

#define MUST(what, round, expected, got)                                                           \
    do {                                                                                           \
        long must_got = (long)(got), must_expected = (long)(expected);                             \
        if (must_got != must_expected)                                                             \
            stress_fail(what, round, must_expected, must_got);                                     \
    } while (0)
