// SPDX-License-Identifier: BSD-2-Clause
/*
 * stat: what the system knows of a file.
 */
#include <err.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

static void print_time(const char *what, time_t t)
{
    char text[32];
    strftime(text, sizeof text, "%F %T", gmtime(&t));
    printf("%s: %s\n", what, text);
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc < 2)
        errx(2, "usage: stat file...");
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (lstat(argv[i], &st) != 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        printf("  File: %s\n", argv[i]);
        printf("  Size: %ld\tBlocks: %ld\tIO block: %ld\tMode: %06o\n", (long)st.st_size,
               (long)st.st_blocks, (long)st.st_blksize, st.st_mode);
        printf("Device: %lx\tInode: %lu\tLinks: %lu\tUid: %u\tGid: %u\n", (unsigned long)st.st_dev,
               (unsigned long)st.st_ino, (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
        print_time("Access", st.st_atime);
        print_time("Modify", st.st_mtime);
        print_time("Change", st.st_ctime);
    }
    return status;
}
