// SPDX-License-Identifier: BSD-2-Clause
//
// Counters for /proc/vm: exact in sum, readable at any time, not ordered against anything.
#pragma once

#define stat_add(counter, n) ((void)__atomic_fetch_add(&(counter), (n), __ATOMIC_RELAXED))
#define stat_inc(counter)    stat_add(counter, 1)
#define stat_dec(counter)    ((void)__atomic_fetch_sub(&(counter), 1, __ATOMIC_RELAXED))
