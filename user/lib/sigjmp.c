// SPDX-License-Identifier: BSD-2-Clause
/*
 * Jumps that also restore the signal mask: two words behind the registers keep it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

enum { SAVED = 8, MASK = 9 };

int __sigsetjmp_mask(sigjmp_buf env, int save)
{
    env[SAVED] = (unsigned long)save;
    if (save)
        sigprocmask(SIG_BLOCK, NULL, &env[MASK]);
    return 0;
}

void siglongjmp(sigjmp_buf env, int value)
{
    if (env[SAVED])
        sigprocmask(SIG_SETMASK, &env[MASK], NULL);
    longjmp(env, value);
}
