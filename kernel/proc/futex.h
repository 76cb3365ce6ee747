// SPDX-License-Identifier: BSD-2-Clause
//
// Futexes (Franke, Russell and Kirkwood 2002): sleeping until a word in user memory changes. A word
// in private memory is named by its address space and address, one in a shared mapping by its
// object and offset, so that processes meet there.
//
// Locks: a mutex for each hash bucket (LOCK_FUTEX), held while the word is read, which may fault.
// No lock is held on entry. Addresses are aligned to 4, else EINVAL.
#pragma once

#include "lib/types.h"

#define FUTEX_MATCH_ANY 0xffffffffu

// Sleeps if the word is `expect', until a wake-up whose bits meet `bits': 0; EAGAIN: it was not;
// ETIMEDOUT, EINTR. deadline_ns: monotonic, 0: none. shared: the word may be in a shared mapping.
int futex_wait(vaddr_t va, uint32_t expect, uint32_t bits, uint64_t deadline_ns, bool shared);

// Wakes at most `most' sleepers whose bits meet: how many, in *n if that is not NULL; EFAULT,
// EINVAL.
int futex_wake(vaddr_t va, unsigned most, uint32_t bits, bool shared, unsigned *n);

// Wakes `wake' and moves `move' more to the other word; with compare, only if the word is *expect
// (EAGAIN). In *n the number woken and moved.
int futex_requeue(vaddr_t va, vaddr_t to_va, unsigned wake, unsigned move, const uint32_t *expect,
                  bool shared, unsigned *n);

// A thread ends: marks the robust mutexes on its list as owned by the dead, and wakes for each.
void futex_exit_robust(vaddr_t list_va, uint32_t tid);

void futex_init(void);
