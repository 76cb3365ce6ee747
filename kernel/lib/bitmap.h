// SPDX-License-Identifier: BSD-2-Clause
//
// Bitmaps of 64-bit words, bit i in word i / 64. The caller's lock guards a bitmap.
#pragma once

#include "lib/types.h"

#define BITMAP_WORDS(nbits) (((nbits) + 63) / 64)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= 1ul << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / 64] &= ~(1ul << (bit % 64));
}

// The lowest set (or clear) bit at or after `from', or nbits if there is none.
size_t bitmap_find_set(const uint64_t *map, size_t nbits, size_t from);
size_t bitmap_find_clear(const uint64_t *map, size_t nbits, size_t from);
size_t bitmap_count(const uint64_t *map, size_t nbits);
