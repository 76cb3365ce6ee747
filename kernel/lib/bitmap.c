// SPDX-License-Identifier: BSD-2-Clause
//
// Searches in bitmaps, a word at a time. Bits beyond nbits in the last word may have any value.
#include "lib/bitmap.h"

// The lowest set bit at or after `from' in the map xor flip (flip all ones: the lowest clear one).
static size_t find(const uint64_t *map, size_t nbits, size_t from, uint64_t flip)
{
    if (from >= nbits)
        return nbits;
    size_t i = from / 64;
    uint64_t word = (map[i] ^ flip) & (~0ul << (from % 64));

    while (!word) {
        if (++i >= BITMAP_WORDS(nbits))
            return nbits;
        word = map[i] ^ flip;
    }
    return min(i * 64 + __builtin_ctzl(word), nbits);
}

size_t bitmap_find_set(const uint64_t *map, size_t nbits, size_t from)
{
    return find(map, nbits, from, 0);
}

size_t bitmap_find_clear(const uint64_t *map, size_t nbits, size_t from)
{
    return find(map, nbits, from, ~0ul);
}

// Adds neighbouring fields of 1, 2, then 4 bits, and the bytes by a multiplication; written out
// because without the popcnt instruction the compiler would call its run-time library.
static unsigned count_word(uint64_t w)
{
    w -= w >> 1 & 0x5555555555555555ul;
    w = (w & 0x3333333333333333ul) + (w >> 2 & 0x3333333333333333ul);
    w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0ful;
    return w * 0x0101010101010101ul >> 56;
}

size_t bitmap_count(const uint64_t *map, size_t nbits)
{
    size_t count = 0;

    for (size_t i = 0; i < nbits / 64; i++)
        count += count_word(map[i]);
    if (nbits % 64)
        count += count_word(map[nbits / 64] & ((1ul << nbits % 64) - 1));
    return count;
}
