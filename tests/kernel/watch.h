// SPDX-License-Identifier: BSD-2-Clause
//
// Watchpoints: the CPU's debug registers call a function after each access to a few words of
// memory. For tests that ask who touches a structure, and with which locks held. They hold on the
// CPU that set them and nowhere else.
#pragma once

#include "lib/types.h"

#define WATCH_MAX 4 // words at a time

enum watch_kind {
    WATCH_WRITES = 1,
    WATCH_ALL = 3,              // reads, too
};

// From now on fn runs after each instruction of this CPU that touches one of n words in a row, in
// the trap: interrupts off, and rip is the next instruction. It may not touch the words itself.
void watch_words(const void *words, unsigned n, enum watch_kind kind, void (*fn)(vaddr_t rip));
void watch_off(void);
