// SPDX-License-Identifier: BSD-2-Clause
/*
 * Jumps out of functions. The sig forms also keep the signal mask.
 */
#pragma once

typedef unsigned long jmp_buf[8];
typedef unsigned long sigjmp_buf[10];

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);
int __sigsetjmp_mask(sigjmp_buf env, int save);
_Noreturn void siglongjmp(sigjmp_buf env, int value);

#define sigsetjmp(env, save) (__sigsetjmp_mask(env, save), setjmp(env))
