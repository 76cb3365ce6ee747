// SPDX-License-Identifier: BSD-2-Clause
/*
 * assert(): prints the expression and aborts.
 */
#pragma once

_Noreturn void __assert_fail(const char *expr, const char *file, unsigned line, const char *func);

#define assert(e) ((e) ? (void)0 : __assert_fail(#e, __FILE__, __LINE__, __func__))
#define static_assert _Static_assert
