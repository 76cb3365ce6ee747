// SPDX-License-Identifier: BSD-2-Clause
//
// Access to device registers: I/O ports, and memory-mapped registers through the uncached window.
#pragma once

#include "lib/types.h"

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}

// Writes len bytes to one port, in order.
static inline void outsb(uint16_t port, const void *data, size_t len)
{
    __asm__ volatile("rep outsb" : "+S"(data), "+c"(len) : "d"(port) : "memory");
}

static inline uint32_t mmio_read32(const volatile void *reg)
{
    return *(const volatile uint32_t *)reg;
}

static inline void mmio_write32(volatile void *reg, uint32_t v)
{
    *(volatile uint32_t *)reg = v;
}
