// SPDX-License-Identifier: BSD-2-Clause
//
// Random bytes: RDRAND where the CPU has it, else a generator seeded from the time-stamp counter.
// With a seed (boot parameter seed=) the bytes are the same in every run. Any context.
#pragma once

#include "lib/types.h"

// seeded: use `seed' and nothing else.
void random_init(bool seeded, uint64_t seed);
void random_bytes(void *buf, size_t len);
