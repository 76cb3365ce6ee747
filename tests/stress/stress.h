// SPDX-License-Identifier: BSD-2-Clause
//
// What the stress programs share: a seeded generator, failure reports that name the seed, and
// pages whose contents can be checked from their address and a tag. Plain Linux programs.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static uint64_t seed, rng_state;

static inline void rng_start(uint64_t s)
{
    seed = s;
    rng_state = s * 0x9e3779b97f4a7c15u + 1;
}

// xorshift64* (Vigna 2014).
static inline uint64_t rng(void)
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545f4914f6cdd1du;
}

static inline uint64_t rng_below(uint64_t n)
{
    return rng() % n;
}

static int own_group;

// The program's processes are a group of their own: a failure ends them all.
static inline void lead_group(void)
{
    if (setpgid(0, 0) == 0)
        own_group = 1;
}

_Noreturn static inline void fail(const char *what, long got, long expected)
{
    dprintf(1, "FAIL seed %llu: %s: got %ld, expected %ld (errno %d)\n", (unsigned long long)seed,
            what, got, expected, errno);
    if (own_group)
        kill(0, SIGKILL);
    _exit(1);
}

#define EXPECT(got, expected)                                                                      \
    do {                                                                                           \
        long got_ = (long)(got), expected_ = (long)(expected);                                     \
        if (got_ != expected_)                                                                     \
            fail(#got, got_, expected_);                                                           \
    } while (0)

#define EXPECT_TRUE(cond)                                                                          \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail(#cond, 0, 1);                                                                     \
    } while (0)

static inline void fill_page(void *page, uint64_t tag)
{
    uint64_t *word = page;
    for (size_t i = 0; i < PAGE / 8; i++)
        word[i] = tag * 0x100000001b3u + i;
}

static inline void check_page(const void *page, uint64_t tag)
{
    const uint64_t *word = page;
    for (size_t i = 0; i < PAGE / 8; i++)
        if (word[i] != tag * 0x100000001b3u + i)
            fail("a word of a page", (long)word[i], (long)(tag * 0x100000001b3u + i));
}

// Waits for `child', which must end with exit status 0.
static inline void reap(pid_t child)
{
    int status = -1;
    EXPECT(waitpid(child, &status, 0), child);
    EXPECT(status, 0);
}
