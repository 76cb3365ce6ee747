// SPDX-License-Identifier: BSD-2-Clause
/*
 * Operations of the futex system call.
 */
#pragma once

#define FUTEX_WAIT         0
#define FUTEX_WAKE         1
#define FUTEX_REQUEUE      3
#define FUTEX_CMP_REQUEUE  4
#define FUTEX_WAIT_BITSET  9
#define FUTEX_PRIVATE_FLAG 128

#define FUTEX_OWNER_DIED   0x40000000
