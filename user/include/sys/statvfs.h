// SPDX-License-Identifier: BSD-2-Clause
/*
 * Figures of a mounted file system.
 */
#pragma once

#include <sys/types.h>

struct statvfs {
    unsigned long f_bsize, f_frsize;
    fsblkcnt_t f_blocks, f_bfree, f_bavail; /* in units of f_frsize */
    fsblkcnt_t f_files, f_ffree;
    unsigned long f_namemax;
};

int statvfs(const char *restrict path, struct statvfs *restrict st);
