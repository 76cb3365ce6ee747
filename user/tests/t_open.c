// SPDX-License-Identifier: BSD-2-Clause
/*
 * open, openat, close: flags and errors.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include "t.h"

static void errors(void)
{
    char name[NAME_MAX + 2], path[PATH_MAX + 2];
    memset(name, 'x', NAME_MAX + 1);
    name[NAME_MAX + 1] = '\0';
    memset(path, '/', PATH_MAX + 1);
    path[PATH_MAX + 1] = '\0';
    T(open("none", O_RDONLY));
    T(open("", O_RDONLY));
    T(open("none/file", O_CREAT | O_RDWR, 0666));
    T(open(name, O_CREAT | O_RDWR, 0666));
    T(open(path, O_RDONLY));
    name[NAME_MAX] = '\0';
    T(close(open(name, O_CREAT | O_RDWR, 0666)));
    T(open("dir", O_RDWR));
    T(open("dir", O_WRONLY));
    T(open("file", O_RDONLY | O_DIRECTORY));
    T(open("file/below", O_RDONLY));
    T(open("file/", O_RDONLY));
    T(open("file", O_CREAT | O_EXCL | O_RDWR, 0666));
    T(open("dir", O_CREAT | O_EXCL | O_RDWR, 0666));
    T(open("new/", O_CREAT | O_RDWR, 0666));
    T(close(-1));
    T(close(1000000));
    T(close(40));
}

static void paths(void)
{
    T(close(open(".", O_RDONLY)));
    T(close(open("..", O_RDONLY)));
    T(close(open("/", O_RDONLY | O_DIRECTORY)));
    T(close(open("dir/../file", O_RDONLY)));
    T(close(open("./dir/.././//file", O_RDONLY)));
    T(close(open("/../../dev/null", O_RDWR)));
    T(open("none/../file", O_RDONLY));
    T(open("file/../file", O_RDONLY));
}

static void at(void)
{
    int dir = T(open("dir", O_RDONLY | O_DIRECTORY));
    int file = T(open("file", O_RDONLY));
    T(close(openat(dir, "inner", O_CREAT | O_RDWR, 0666)));
    T(access("dir/inner", F_OK));
    T(close(openat(AT_FDCWD, "dir/inner", O_RDONLY)));
    T(openat(file, "inner", O_RDONLY));
    T(openat(50, "inner", O_RDONLY));
    T(close(openat(50, "/dev/null", O_RDONLY)));
    T(close(dir));
    T(close(file));
}

static void modes(void)
{
    char c = 'c';
    int r = T(open("file", O_RDONLY)), w = T(open("file", O_WRONLY));
    T(write(r, &c, 1));
    T(read(w, &c, 1));
    T(write(w, "hello", 5));
    T(read(r, &c, 1));
    CHECK(c == 'h');
    T(close(r));
    T(close(w));
    T(close(open("file", O_WRONLY | O_TRUNC)));
    r = T(open("file", O_RDONLY));
    T(lseek(r, 0, SEEK_END));
    T(close(r));
    T(close(r));
}

static void append(void)
{
    char buf[16] = "";
    int a = T(open("log", O_WRONLY | O_CREAT | O_APPEND, 0666));
    int b = T(open("log", O_RDWR));
    T(write(b, "12345", 5));
    T(write(a, "abc", 3));
    T(lseek(a, 0, SEEK_SET));
    T(write(a, "def", 3));
    T(lseek(a, 0, SEEK_CUR));
    T(pread(b, buf, sizeof buf, 0));
    say("log holds %s\n", buf);
    T(close(a));
    T(close(b));
}

/* A file opened by O_PATH can be named, and that is all. */
static void only_named(void)
{
    char c = 0;
    struct stat st;
    struct pollfd p = {.events = POLLIN};
    int fd = T(open("file", O_PATH | O_RDWR | O_TRUNC));
    T(fcntl(fd, F_GETFL) & (O_ACCMODE | O_TRUNC | O_PATH));
    T(read(fd, &c, 1));
    T(write(fd, &c, 1));
    T(lseek(fd, 0, SEEK_SET));
    T(ftruncate(fd, 5));
    T(fsync(fd));
    T(ioctl(fd, TCGETS, &st));
    T(fcntl(fd, F_SETFL, O_APPEND));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    p.fd = fd;
    T(poll(&p, 1, 0));
    T(p.revents);
    T(fstat(fd, &st));
    T(fcntl(fd, F_SETFD, FD_CLOEXEC));
    T(fcntl(fd, F_GETFD));
    int copy = T(dup(fd));
    T(fcntl(copy, F_GETFD));
    T(close(copy));
    T(fchdir(fd));
    T(close(fd));
    fd = T(open("dir", O_PATH | O_DIRECTORY));
    T(faccessat(fd, "../file", R_OK, 0));
    T(fchdir(fd));
    T(chdir(".."));
    T(close(fd));
    T(open("file", O_PATH | O_DIRECTORY));
    T(open("none", O_PATH | O_CREAT, 0666));
}

static void lowest(void)
{
    T(open("/dev/null", O_RDONLY));
    T(open("/dev/null", O_RDONLY));
    T(open("/dev/null", O_RDONLY));
    T(close(4));
    T(open("/dev/null", O_RDONLY));
    T(close(3));
    T(close(4));
    T(close(5));
}

int main(void)
{
    t_begin();
    T(mkdir("dir", 0777));
    T(close(open("file", O_CREAT | O_EXCL | O_RDWR, 0666)));
    errors();
    paths();
    at();
    modes();
    append();
    only_named();
    lowest();
    return 0;
}
