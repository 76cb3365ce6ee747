// SPDX-License-Identifier: BSD-2-Clause
/*
 * System calls that take a path, and stat's kin.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int stat(const char *restrict path, struct stat *restrict st)
{
    return (int)syscall(SYS_stat, path, st);
}

int lstat(const char *restrict path, struct stat *restrict st)
{
    return (int)syscall(SYS_lstat, path, st);
}

int fstat(int fd, struct stat *st)
{
    return (int)syscall(SYS_fstat, fd, st);
}

int fstatat(int dir, const char *restrict path, struct stat *restrict st, int flags)
{
    return (int)syscall(SYS_newfstatat, dir, path, st, flags);
}

int access(const char *path, int mode)
{
    return (int)syscall(SYS_access, path, mode);
}

/* The system call has no flags: only 0 works. */
int faccessat(int dir, const char *path, int mode, int flags)
{
    (void)flags;
    return (int)syscall(SYS_faccessat, dir, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
    return (int)syscall(SYS_mkdir, path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return (int)syscall(SYS_mkdirat, dir, path, mode);
}

int chmod(const char *path, mode_t mode)
{
    return (int)syscall(SYS_chmod, path, mode);
}

mode_t umask(mode_t mask)
{
    return (mode_t)syscall(SYS_umask, mask);
}

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
    return (int)syscall(SYS_utimensat, dir, path, times, flags);
}

int chdir(const char *path)
{
    return (int)syscall(SYS_chdir, path);
}

int fchdir(int fd)
{
    return (int)syscall(SYS_fchdir, fd);
}

char *getcwd(char *buf, size_t n)
{
    if (buf)
        return syscall(SYS_getcwd, buf, n) < 0 ? NULL : buf;
    char path[PATH_MAX];
    return syscall(SYS_getcwd, path, sizeof path) < 0 ? NULL : strdup(path);
}

int link(const char *from, const char *to)
{
    return (int)syscall(SYS_link, from, to);
}

int symlink(const char *target, const char *path)
{
    return (int)syscall(SYS_symlink, target, path);
}

int unlink(const char *path)
{
    return (int)syscall(SYS_unlink, path);
}

int unlinkat(int dir, const char *path, int flags)
{
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int rmdir(const char *path)
{
    return (int)syscall(SYS_rmdir, path);
}

int rename(const char *from, const char *to)
{
    return (int)syscall(SYS_rename, from, to);
}

int remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return -1;
    return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

ssize_t readlink(const char *restrict path, char *restrict buf, size_t n)
{
    return syscall(SYS_readlink, path, buf, n);
}

int statvfs(const char *restrict path, struct statvfs *restrict st)
{
    struct {
        long type, bsize;
        unsigned long blocks, bfree, bavail, files, ffree;
        int fsid[2];
        long namelen, frsize, flags, spare[4];
    } fs;
    if (syscall(SYS_statfs, path, &fs) != 0)
        return -1;
    *st = (struct statvfs){
        .f_bsize = (unsigned long)fs.bsize,
        .f_frsize = (unsigned long)(fs.frsize ? fs.frsize : fs.bsize),
        .f_blocks = fs.blocks,
        .f_bfree = fs.bfree,
        .f_bavail = fs.bavail,
        .f_files = fs.files,
        .f_ffree = fs.ffree,
        .f_namemax = (unsigned long)fs.namelen,
    };
    return 0;
}
