// SPDX-License-Identifier: BSD-2-Clause
//
// Random bytes. The state is advanced by one atomic addition, so no lock is needed.
#include "dev/random.h"

#include <cpuid.h>
#include "lib/rng.h"
#include "lib/string.h"

#define RNG_STEP 0x9e3779b97f4a7c15ul // SplitMix64's increment, see lib/rng.h

static uint64_t state;   // atomic
static bool have_rdrand; // constant after start-up

void random_init(bool seeded, uint64_t seed)
{
    unsigned eax, ebx, ecx, edx;
    state = seeded ? seed : __builtin_ia32_rdtsc();
    if (!seeded && __get_cpuid(1, &eax, &ebx, &ecx, &edx))
        have_rdrand = ecx & bit_RDRND;
}

static bool rdrand(uint64_t *value)
{
    bool ok;
    __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok));
    return ok;
}

static uint64_t random_u64(void)
{
    struct rng r = {fetch_add_relaxed(&state, RNG_STEP)};
    uint64_t hardware = 0;
    if (have_rdrand)
        rdrand(&hardware);
    return rng_next(&r) ^ hardware;
}

void random_bytes(void *buf, size_t len)
{
    uint8_t *p = buf;
    while (len > 0) {
        uint64_t v = random_u64();
        size_t n = min(len, sizeof(v));
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}
