// SPDX-License-Identifier: BSD-2-Clause
/*
 * The printf conversions of the fixed-width types on amd64.
 */
#pragma once

#include <stdint.h>

#define PRId64 "ld"
#define PRIu64 "lu"
#define PRIx64 "lx"
#define PRId32 "d"
#define PRIu32 "u"
#define PRIx32 "x"
