// SPDX-License-Identifier: BSD-2-Clause
/*
 * Directory streams over getdents64.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct dir {
    int fd;
    int pos, end; /* bytes in buf */
    char buf[4096] __attribute__((aligned(8)));
};

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = malloc(sizeof *dir);
    if (!dir) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    dir->fd = fd;
    dir->pos = dir->end = 0;
    return dir;
}

struct dirent *readdir(DIR *dir)
{
    if (dir->pos == dir->end) {
        dir->pos = 0;
        dir->end = (int)syscall(SYS_getdents64, dir->fd, dir->buf, sizeof dir->buf);
        if (dir->end <= 0) {
            dir->end = 0;
            return NULL;
        }
    }
    struct dirent *e = (struct dirent *)(dir->buf + dir->pos);
    dir->pos += e->d_reclen;
    return e;
}

int closedir(DIR *dir)
{
    int r = close(dir->fd);
    free(dir);
    return r;
}

int dirfd(DIR *dir)
{
    return dir->fd;
}
