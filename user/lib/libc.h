// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the files of the libc share with each other and hide from programs.
 */
#pragma once

#include <stddef.h>

extern const char *__progname;      /* last part of argv[0] */
extern unsigned long *__auxv;       /* type, value pairs */
extern void (*__flush_all)(void);   /* set by stdio when it holds output */

void __restore_rt(void);            /* where signal handlers return to */
