// SPDX-License-Identifier: BSD-2-Clause
/*
 * cat: copies files, or standard input, to standard output.
 */
#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char buf[65536];

static int copy(int fd, const char *name)
{
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) != 0;) {
        if (n < 0) {
            warn("%s", name);
            return 1;
        }
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(1, buf + done, (size_t)(n - done))) < 0)
                err(1, "standard output");
    }
    return 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc == 1)
        return copy(0, "standard input");
    for (int i = 1; i < argc; i++) {
        int fd = strcmp(argv[i], "-") == 0 ? 0 : open(argv[i], O_RDONLY);
        if (fd < 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        status |= copy(fd, argv[i]);
        if (fd > 0)
            close(fd);
    }
    return status;
}
