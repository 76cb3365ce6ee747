// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program's file is written or it runs, never both at once: ETXTBSY. The claim of a file that is
 * open for writing goes on in the mappings made through it, wherever they go, until the last page
 * of the last one is gone.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define PAGES 8UL

static int fd;
static char *map;

static void copy_program(void)
{
    static char page[PAGE];
    int from = open("/proc/self/exe", O_RDONLY);
    long n;
    fd = open("prog", O_CREAT | O_RDWR, 0777);
    while ((n = read(from, page, sizeof page)) > 0)
        write(fd, page, (size_t)n);
    close(from);
    ftruncate(fd, PAGES * PAGE * 8);
    close(fd);
}

/* How an exec of the file ends: this program called with an argument exits with 9. */
static void run(const char *what)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        /* no mapping of this process's own would go with it */
        char *argv[] = {"prog", "child", NULL}, *envp[] = {NULL};
        execve("prog", argv, envp);
        say("%s: %s\n", what, t_errname());
        _exit(1);
    }
    waitpid(pid, &status, 0);
    t_status(what, status);
}

static void map_it(int mode, int type, int prot)
{
    fd = open("prog", mode);
    map = mmap(NULL, PAGES * PAGE, prot, type, fd, 0);
    CHECK(map != MAP_FAILED);
    close(fd);
}

static void unmap(unsigned long first, unsigned long n)
{
    T(munmap(map + first * PAGE, n * PAGE));
}

static void kinds_of_mappings(void)
{
    run("nothing is mapped");
    map_it(O_RDWR, MAP_SHARED, PROT_READ | PROT_WRITE);
    run("shared, writable");
    T(mprotect(map, PAGES * PAGE, PROT_READ));
    run("shared, no longer writable");
    unmap(0, PAGES);
    run("unmapped");
    map_it(O_RDWR, MAP_SHARED, PROT_READ);
    run("shared, only read, of a file open for writing");
    unmap(0, PAGES);
    map_it(O_RDWR, MAP_PRIVATE, PROT_READ | PROT_WRITE);
    run("private, of a file open for writing");
    unmap(0, PAGES);
    map_it(O_RDONLY, MAP_SHARED, PROT_READ);
    run("shared, of a file open for reading");
    unmap(0, PAGES);
    map_it(O_RDONLY, MAP_PRIVATE, PROT_READ | PROT_WRITE);
    run("private, of a file open for reading");
    unmap(0, PAGES);
}

static void splits_and_moves(void)
{
    map_it(O_RDWR, MAP_SHARED, PROT_READ | PROT_WRITE);
    T(mprotect(map + 2 * PAGE, PAGE, PROT_READ));
    T(mprotect(map + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
    unmap(0, 3);
    unmap(4, 4);
    run("one page in the middle is left");
    unmap(3, 1);
    run("that, too, is gone");

    map_it(O_RDWR, MAP_SHARED, PROT_READ | PROT_WRITE);
    T(mprotect(map + PAGE, PAGE, PROT_READ));
    char *at = mmap(NULL, 4 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map = mremap(map + 2 * PAGE, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
    CHECK(map == at);
    run("a part moved and grew");
    T_PTR(mmap(map, 6 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    run("and was mapped over; what did not move is left");
}

static void in_children(void)
{
    int fds[2], status;
    char c;
    map_it(O_RDWR, MAP_SHARED, PROT_READ | PROT_WRITE);
    pipe(fds);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        read(fds[0], &c, 1);
        _exit(0);
    }
    unmap(0, PAGES);
    close(fds[0]);
    run("a child has the mapping");
    close(fds[1]);
    waitpid(pid, &status, 0);
    run("the child is gone");
}

static void while_it_runs(void)
{
    int fds[2], back[2], status;
    char c = 0, in[8], out[8];
    pipe(fds);
    pipe(back);
    snprintf(in, sizeof in, "%d", fds[0]);
    snprintf(out, sizeof out, "%d", back[1]);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        char *argv[] = {"prog", "wait", in, out, NULL}, *envp[] = {NULL};
        execve("prog", argv, envp);
        _exit(1);
    }
    T(read(back[0], &c, 1));
    T(open("prog", O_RDWR));
    T(open("prog", O_WRONLY | O_TRUNC));
    T(truncate("prog", 0));
    fd = open("prog", O_RDONLY);
    T_PTR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
    close(fd);
    close(fds[1]);
    waitpid(pid, &status, 0);
    t_status("program", status);
    fd = open("prog", O_RDWR);
    CHECK(fd >= 0);
    close(fd);
}

int main(int argc, char **argv)
{
    char c = 0;
    if (argc == 4) {
        write(atoi(argv[3]), &c, 1);
        read(atoi(argv[2]), &c, 1);
    }
    if (argc > 1)
        return 9;
    t_begin();
    copy_program();
    kinds_of_mappings();
    while_it_runs();
    in_children();
    splits_and_moves();
    return 0;
}
