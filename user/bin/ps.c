// SPDX-License-Identifier: BSD-2-Clause
/*
 * ps: the processes, from /proc/<pid>/stat in Linux's format.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELD_STATE = 3, FIELD_PPID = 4, FIELD_VSIZE = 23, FIELD_RSS = 24 }; /* counted from 1 */

/* Field n, for n after the name, which is in parentheses and may hold anything. */
static const char *field(const char *after_name, int n)
{
    const char *s = after_name;
    for (int i = FIELD_STATE; i < n && *s; i++) {
        s += strcspn(s, " ");
        s += strspn(s, " ");
    }
    return s;
}

static void show(const char *pid)
{
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    if (n <= 0) /* it ended meanwhile */
        return;
    text[n] = '\0';
    char *open_paren = strchr(text, '('), *close_paren = strrchr(text, ')');
    if (!open_paren || !close_paren || close_paren[1] == '\0')
        return;
    const char *rest = close_paren + 2;
    printf("%5s %5ld %c %8lu %7ld %.*s\n", pid, atol(field(rest, FIELD_PPID)), rest[0],
           strtoul(field(rest, FIELD_VSIZE), NULL, 10) / 1024,
           atol(field(rest, FIELD_RSS)) * (getpagesize() / 1024),
           (int)(close_paren - open_paren - 1), open_paren + 1);
}

int main(void)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        err(1, "/proc");
    puts("  PID  PPID S   VSZ-KB  RSS-KB COMMAND");
    for (struct dirent *e; (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0]))
            show(e->d_name);
    closedir(dir);
    return 0;
}
