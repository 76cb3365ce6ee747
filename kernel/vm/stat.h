// SPDX-License-Identifier: BSD-2-Clause
//
// Counters for /proc/vm: exact in sum, readable at any time, not ordered against anything.
#pragma once

#include "lib/atomic.h"

#define stat_add(counter, n) ((void)fetch_add_relaxed(&(counter), (n)))
#define stat_inc(counter)    stat_add(counter, 1)
#define stat_dec(counter)    ((void)fetch_sub_relaxed(&(counter), 1))
