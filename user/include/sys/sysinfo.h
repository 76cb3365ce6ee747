// SPDX-License-Identifier: BSD-2-Clause
/*
 * Figures of the whole system.
 */
#pragma once

struct sysinfo {
    long uptime; /* seconds */
    unsigned long loads[3];
    unsigned long totalram, freeram, sharedram, bufferram, totalswap, freeswap; /* in mem_unit */
    unsigned short procs;
    unsigned long totalhigh, freehigh;
    unsigned mem_unit; /* bytes */
};

_Static_assert(sizeof(struct sysinfo) == 112, "Linux's struct sysinfo");

int sysinfo(struct sysinfo *info);
