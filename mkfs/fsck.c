// SPDX-License-Identifier: BSD-2-Clause
//
// fsck IMAGE ...: checks file systems and names what is wrong. The images are not changed. Exit
// status 0: all clean, 1: problems were found, 2: an image cannot be read.
#include <stdio.h>
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(const char *path)
{
    struct check c;
    struct stat st;
    int fd = open(path, O_RDONLY);
    void *image = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
        image = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (image == MAP_FAILED) {
        fprintf(stderr, "fsck: %s: cannot be read\n", path);
        return 2;
    }
    unsigned problems = check_image(&c, image, st.st_size, stdout);
    if (c.transactions > 0)
        printf("%s: checked as it is after the replay of %u transactions\n", path, c.transactions);
    if (problems > 0)
        printf("%s: %u problems\n", path, problems);
    else
        printf("%s: clean, %u inodes and %lu blocks in use\n", path, c.used_inodes, c.used_blocks);
    munmap(image, st.st_size);
    close(fd);
    return problems > 0;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: fsck IMAGE ...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        int one = check_file(argv[i]);
        if (one > status)
            status = one;
    }
    return status;
}
