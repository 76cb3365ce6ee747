// SPDX-License-Identifier: BSD-2-Clause
/*
 * checks [N [LOADS]]: reads /proc/vm/check N times (300) while LOADS children (3) map, fault, fork,
 * write files and talk through pipes. Nothing is wrong, so each must say "ok".
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

#define SIZE (1UL << 20)

static void share(void)
{
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return;
    for (size_t i = 0; i < SIZE; i += 2 * PAGE)
        p[i] = 1;
    munmap(p + SIZE / 4, SIZE / 2); /* splits the entry */
    munmap(p, SIZE);
}

static void talk(int number)
{
    char name[32], page[PAGE];
    int fds[2], fd;
    memset(page, number, sizeof page);
    snprintf(name, sizeof name, "/tmp/checks%d", number);
    if (pipe(fds) == 0) {
        write(fds[1], page, sizeof page);
        read(fds[0], page, sizeof page);
        close(fds[0]);
        close(fds[1]);
    }
    fd = open(name, O_CREAT | O_RDWR, 0666);
    for (int i = 0; fd >= 0 && i < 8; i++)
        write(fd, page, sizeof page);
    close(fd);
    unlink(name);
}

static void load(int number)
{
    for (;;) {
        char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; p != MAP_FAILED && i < SIZE; i += PAGE)
            p[i] = 1;
        pid_t pid = fork();
        if (pid == 0) {
            share();
            _exit(0);
        }
        if (p != MAP_FAILED)
            munmap(p, SIZE);
        talk(number);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 300, nloads = argc > 2 ? atoi(argv[2]) : 3, wrong = 0;
    pid_t pids[16];
    int alive[2]; /* whoever descends from here has its writing end open */
    char c;
    if (nloads > 16 || pipe(alive) != 0)
        return 2;
    for (int i = 0; i < nloads; i++)
        if ((pids[i] = fork()) == 0)
            load(i);
    for (int i = 0; i < n; i++) {
        char text[1024] = "";
        int fd = open("/proc/vm/check", O_RDONLY);
        read(fd, text, sizeof text - 1);
        close(fd);
        if (strcmp(text, "ok\n") != 0 && wrong++ < 4)
            say("%s", text);
    }
    for (int i = 0; i < nloads; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    close(alive[1]);
    read(alive[0], &c, 1); /* until the loads' orphans have ended, too */
    say("%d of %d checks found something\n", wrong, n);
    return wrong > 0;
}
