// SPDX-License-Identifier: BSD-2-Clause
//
// A small seeded random generator (SplitMix64, Steele, Lea and Flood 2014): the same seed gives
// the same numbers. Not for secrets.
#pragma once

#include "lib/types.h"

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ul;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
    return z ^ (z >> 31);
}

// A number in [0, bound); bound > 0.
static inline uint64_t rng_below(struct rng *r, uint64_t bound)
{
    return rng_next(r) % bound;
}
