// SPDX-License-Identifier: BSD-2-Clause
/*
 * tee: copies standard input to standard output and to files. -a: appends to them.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char buf[4096];
    int append = argc > 1 && strcmp(argv[1], "-a") == 0, status = 0, n = 0;
    int *fds = malloc((size_t)argc * sizeof *fds);
    if (!fds)
        errx(1, "out of memory");
    fds[n++] = 1;
    for (int i = 1 + append; i < argc; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
        if (fd < 0) {
            warn("%s", argv[i]);
            status = 1;
        } else {
            fds[n++] = fd;
        }
    }
    for (ssize_t got; (got = read(0, buf, sizeof buf)) > 0;) {
        for (int i = 0; i < n; i++) {
            if (write(fds[i], buf, (size_t)got) != got) {
                warn("write");
                status = 1;
            }
        }
    }
    free(fds);
    return status;
}
