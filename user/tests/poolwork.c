// SPDX-License-Identifier: BSD-2-Clause
//
// poolwork [PIPES]: what lab 5 looks at from outside. Opens so many pipes, fills each a little and
// closes them all; then makes processes until the kernel says no, and holds them.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "judged.h"

#define MOST 400

static int opened[2 * MOST];

// The kernel's rings come to be when something is written.
static int open_pipes(int n)
{
    int i = 0;

    while (i < n && pipe(&opened[2 * i]) == 0) {
        if (write(opened[2 * i + 1], "x", 1) != 1)
            errx(1, "write");
        i++;
    }
    return i;
}

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 0, nchildren = 0;
    char c;
    pid_t pid = 1;

    if (wanted > MOST)
        errx(1, "%d pipes", wanted);
    if (pipe(go[0]) < 0)
        errx(1, "pipe");
    point("start");
    int npipes = open_pipes(wanted);
    point("piped");
    for (int i = 0; i < 2 * npipes; i++)
        close(opened[i]);
    while (nchildren < MOST && (pid = fork()) > 0)
        nchildren++;
    if (pid == 0)
        _exit(close(go[0][1]) || read(go[0][0], &c, 1) != 0);
    point("forked");
    close(go[0][1]);
    reap(nchildren);
    point("reaped");
    printf("%d pipes, then %d processes\n", npipes, nchildren);
    return 0;
}
