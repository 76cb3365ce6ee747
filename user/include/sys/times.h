// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPU time in ticks of 1/100 s.
 */
#pragma once

typedef long clock_t;

struct tms {
    clock_t tms_utime, tms_stime, tms_cutime, tms_cstime;
};

clock_t times(struct tms *t);
