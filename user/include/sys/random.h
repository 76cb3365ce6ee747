// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random bytes from the kernel.
 */
#pragma once

#include <sys/types.h>

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2

ssize_t getrandom(void *buf, size_t n, unsigned flags);
