// SPDX-License-Identifier: BSD-2-Clause
/*
 * df: space on the file system of each path (/), in KiB.
 */
#include <err.h>
#include <stdio.h>
#include <sys/statvfs.h>

static int show(const char *path)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    unsigned long unit = st.f_frsize / 512;
    unsigned long total = st.f_blocks * unit / 2, free_kib = st.f_bfree * unit / 2;
    printf("%10lu %10lu %10lu %9lu %9lu %s\n", total, total - free_kib, st.f_bavail * unit / 2,
           (unsigned long)st.f_files, (unsigned long)st.f_ffree, path);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    puts("       KiB       used  available    inodes    ifree path");
    if (argc < 2)
        return show("/");
    for (int i = 1; i < argc; i++)
        status |= show(argv[i]);
    return status;
}
