// SPDX-License-Identifier: BSD-2-Clause
//
// See ram.h. The host's headers stay here: they define what the kernel's types.h defines, too.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "tests/host/lib/ram.h"

void ram_map(unsigned long address, unsigned long size)
{
    void *p = mmap((void *)address, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != (void *)address) {
        perror("the machine's memory cannot be mapped");
        exit(1);
    }
}
