// SPDX-License-Identifier: BSD-2-Clause
//
// The table of CPUs. The machine layer fills it as it starts each CPU.
#include "sync/percpu.h"

unsigned ncpus = 1;
struct percpu *percpu_of[MAX_CPUS];
