// SPDX-License-Identifier: BSD-2-Clause
//
// CRC-32 by tables, eight bytes a step (the slicing of Kounavis and Berry 2005). The tables are
// computed at first use; two CPUs that both find them missing write the same values.
#include "lib/crc32.h"

#define POLYNOMIAL 0xedb88320u

// table[k][b]: the remainder of byte b followed by k zero bytes.
static uint32_t table[8][256];
static bool table_ready;

static void make_tables(void)
{
    for (unsigned b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
        table[0][b] = c;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned b = 0; b < 256; b++)
            table[k][b] = table[0][table[k - 1][b] & 0xff] ^ table[k - 1][b] >> 8;
    store_release(&table_ready, true);
}

static uint32_t step8(uint64_t x)
{
    return table[7][x & 0xff] ^ table[6][x >> 8 & 0xff] ^ table[5][x >> 16 & 0xff] ^
           table[4][x >> 24 & 0xff] ^ table[3][x >> 32 & 0xff] ^ table[2][x >> 40 & 0xff] ^
           table[1][x >> 48 & 0xff] ^ table[0][x >> 56];
}

uint32_t crc32(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    if (!load_acquire(&table_ready))
        make_tables();
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        __builtin_memcpy(&word, p, sizeof(word));
        crc = step8(word ^ crc);
    }
    for (; len; len--)
        crc = table[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
    return ~crc;
}
