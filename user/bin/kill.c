// SPDX-License-Identifier: BSD-2-Clause
/*
 * kill: sends a signal (TERM) to processes; a negative number is a process group.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "common/signame.h"

int main(int argc, char **argv)
{
    int sig = SIGTERM, i = 1, status = 0;
    if (argc > 2 && argv[1][0] == '-') {
        sig = signal_number(argv[1] + 1);
        i = 2;
    }
    if (i >= argc || sig < 0)
        errx(2, "usage: kill [-signal] pid...");
    for (; i < argc; i++) {
        if (kill(atoi(argv[i]), sig) != 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
