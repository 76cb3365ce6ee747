// SPDX-License-Identifier: BSD-2-Clause
//
// Watchpoints: the CPU's debug registers call a function after each access to a few words of
// memory, or before each call of a few functions. For tests that ask who touches a structure, and
// with which locks held, or what a module is told. They hold on the CPU that set them and nowhere
// else.
#pragma once

#include "lib/types.h"

#define WATCH_MAX  4 // words, or functions, at a time
#define WATCH_ARGS 4 // arguments of a call

enum watch_kind {
    WATCH_WRITES = 1,
    WATCH_ALL = 3, // reads, too
};

// From now on fn runs after each instruction of this CPU that touches one of n words in a row, in
// the trap: interrupts off, and rip is the next instruction. It may not touch the words itself.
void watch_words(const void *words, unsigned n, enum watch_kind kind, void (*fn)(vaddr_t rip));
// From now on fn runs before each call by this CPU of functions[i], i < n, in the trap: interrupts
// off.
void watch_calls(const vaddr_t functions[], unsigned n,
                 void (*fn)(unsigned i, const uint64_t args[WATCH_ARGS]));
// For such an fn: the call is not made, and who calls gets this answer.
void watch_answer(uint64_t answer);
void watch_off(void);
// The name of the function that the instruction before rip is in.
const char *watch_function_at(vaddr_t rip);
