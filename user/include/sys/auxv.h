// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel tells a new program beside arguments and environment.
 */
#pragma once

#define AT_NULL     0
#define AT_PHDR     3
#define AT_PHENT    4
#define AT_PHNUM    5
#define AT_PAGESZ   6
#define AT_BASE     7
#define AT_ENTRY    9
#define AT_UID      11
#define AT_EUID     12
#define AT_GID      13
#define AT_EGID     14
#define AT_SECURE   23
#define AT_RANDOM   25
#define AT_EXECFN   31

unsigned long getauxval(unsigned long type); /* 0 and ENOENT when absent */
