// SPDX-License-Identifier: BSD-2-Clause
//
// In a build with POISON=1 memory whose contents nobody has asked for yet is full of one byte: the
// free part of the kernel stack when a program enters the kernel, and pages, pool items and slab
// blocks as they are handed out. A run of that byte in what a program gets is memory that somebody
// should have cleared. In other builds all this is nothing.
#pragma once

#include "lib/string.h"

#ifndef POISON
#define POISON 0
#endif

#define POISON_BYTE 0xb5
#define POISON_WORD (0x0101010101010101ul * POISON_BYTE)

static inline void poison_fill(void *p, size_t n)
{
    if (POISON)
        memset(p, POISON_BYTE, n);
}
