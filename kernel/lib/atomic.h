// SPDX-License-Identifier: BSD-2-Clause
//
// Atomic operations, each with its order in its name: relaxed promises nothing about other memory;
// what one CPU wrote before a release is seen behind the acquire that saw it; all CPUs see the seq
// ones in one order. p points to the variable. Those that compute give the new value, fetch_ ones
// the old one.
#pragma once

#define load_relaxed(p)         __atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p)         __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define load_seq(p)             __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store_relaxed(p, v)     __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v)     __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define store_seq(p, v)         __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define add_relaxed(p, v)       __atomic_add_fetch(p, v, __ATOMIC_RELAXED)
#define add_release(p, v)       __atomic_add_fetch(p, v, __ATOMIC_RELEASE)
#define add_acq_rel(p, v)       __atomic_add_fetch(p, v, __ATOMIC_ACQ_REL)
#define add_seq(p, v)           __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define sub_relaxed(p, v)       __atomic_sub_fetch(p, v, __ATOMIC_RELAXED)
#define sub_acq_rel(p, v)       __atomic_sub_fetch(p, v, __ATOMIC_ACQ_REL)
#define sub_seq(p, v)           __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST)
#define or_relaxed(p, v)        __atomic_or_fetch(p, v, __ATOMIC_RELAXED)
#define or_seq(p, v)            __atomic_or_fetch(p, v, __ATOMIC_SEQ_CST)
#define and_relaxed(p, v)       __atomic_and_fetch(p, v, __ATOMIC_RELAXED)
#define and_release(p, v)       __atomic_and_fetch(p, v, __ATOMIC_RELEASE)
#define and_seq(p, v)           __atomic_and_fetch(p, v, __ATOMIC_SEQ_CST)
#define fetch_add_relaxed(p, v) __atomic_fetch_add(p, v, __ATOMIC_RELAXED)
#define fetch_sub_relaxed(p, v) __atomic_fetch_sub(p, v, __ATOMIC_RELAXED)
#define fetch_and_relaxed(p, v) __atomic_fetch_and(p, v, __ATOMIC_RELAXED)
#define fetch_and_seq(p, v)     __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
#define swap_relaxed(p, v)      __atomic_exchange_n(p, v, __ATOMIC_RELAXED)
#define swap_acquire(p, v)      __atomic_exchange_n(p, v, __ATOMIC_ACQUIRE)

// Puts v in the place of *expected and gives true; else stores what is there in *expected.
#define compare_swap(p, expected, v)                                                               \
    __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define compare_swap_relaxed(p, expected, v)                                                       \
    __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

// Says to the processor that its thread waits in a loop: kernel and host programs alike.
static inline void spin_hint(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}
