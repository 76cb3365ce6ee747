// SPDX-License-Identifier: BSD-2-Clause
/*
 * Locks on files: fcntl's record locks, OFD locks, flock. Who waits is seen in /proc/locks.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include "t.h"

static int go[2]; /* a pipe from a child to its parent */

static struct flock range(int type, int whence, off_t start, off_t len)
{
    return (struct flock){
        .l_type = (short)type, .l_whence = (short)whence, .l_start = start, .l_len = len};
}

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
    struct flock l = range(type, SEEK_SET, start, len);
    return fcntl(fd, cmd, &l);
}

static int lock_from(int fd, int type, int whence, off_t start, off_t len)
{
    struct flock l = range(type, whence, start, len);
    return fcntl(fd, F_SETLK, &l);
}

/* What a stranger finds in the way of a write lock, one after the other. */
static void show_in_child(void)
{
    int fd = open("file", O_RDWR);
    struct flock l;
    for (off_t at = 0;; at = l.l_start + l.l_len) {
        l = range(F_WRLCK, SEEK_SET, at, 0);
        if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type == F_UNLCK)
            break;
        say("  %s %ld+%ld whence %d by %s\n", l.l_type == F_RDLCK ? "read" : "write",
            (long)l.l_start, (long)l.l_len, l.l_whence,
            l.l_pid == getppid() ? "the parent"
            : l.l_pid == -1      ? "nobody"
                                 : "another");
        if (l.l_len == 0)
            break;
    }
    _exit(0);
}

static void show(void)
{
    if (fork() == 0)
        show_in_child();
    wait(NULL);
}

/* Waits until the process waits for a lock. */
static void wait_blocked(pid_t pid)
{
    char text[8192], want[32];
    bool found = false;
    snprintf(want, sizeof want, " %d ", (int)pid);
    while (!found) {
        int fd = open("/proc/locks", O_RDONLY);
        size_t n = 0;
        for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;)
            n += (size_t)got;
        close(fd);
        text[n] = '\0';
        for (char *line = text; line && *line;) {
            char *end = strchr(line, '\n');
            if (end)
                *end++ = '\0';
            found |= strstr(line, "->") && strstr(line, want);
            line = end;
        }
        sched_yield();
    }
}

static void tell(void)
{
    if (write(go[1], "x", 1) != 1)
        _exit(9);
}

static void hear(void)
{
    char c;
    if (read(go[0], &c, 1) != 1)
        say("no word from the child\n");
}

static void errors(int fd)
{
    int rd = open("file", O_RDONLY), wr = open("file", O_WRONLY), path = open("file", O_PATH);
    int dir = open(".", O_RDONLY);
    T(lock(rd, F_SETLK, F_WRLCK, 0, 1));
    T(lock(wr, F_SETLK, F_RDLCK, 0, 1));
    T(lock(path, F_SETLK, F_RDLCK, 0, 1));
    T(lock(dir, F_SETLK, F_RDLCK, 0, 1));
    T(lock(fd, F_SETLK, 3, 0, 1));
    T(lock(fd, F_GETLK, F_UNLCK, 0, 1));
    T(fcntl(fd, F_SETLK, NULL));
    T(lock_from(fd, F_RDLCK, 3, 0, 1));
    T(lock(fd, F_SETLK, F_RDLCK, -1, 1));
    T(lock(fd, F_SETLK, F_RDLCK, 10, -11));
    T(lock(fd, F_SETLK, F_RDLCK, LONG_MAX, 1));
    T(lock(fd, F_SETLK, F_RDLCK, LONG_MAX, 2));
    T(lock(fd, F_SETLK, F_RDLCK, 2, LONG_MAX));
    T(lock(fd, F_SETLK, F_RDLCK, 1, LONG_MAX));
    struct flock l = range(F_RDLCK, SEEK_SET, 0, 1);
    l.l_pid = 1;
    T(fcntl(fd, F_OFD_SETLK, &l));
    T(fcntl(fd, F_OFD_GETLK, &l));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    T(flock(fd, 0));
    T(flock(path, LOCK_SH));
    T(flock(dir, LOCK_EX));
    close(rd);
    close(wr);
    close(path);
    close(dir);
}

static void ranges(int fd)
{
    T(lock(fd, F_SETLK, F_RDLCK, 10, 10));
    T(lock(fd, F_SETLK, F_RDLCK, 20, 5));
    show();
    T(lock(fd, F_SETLK, F_RDLCK, 30, 5));
    T(lock(fd, F_SETLK, F_WRLCK, 14, 2));
    show();
    T(lock(fd, F_SETLK, F_UNLCK, 12, 3));
    show();
    T(lock(fd, F_SETLK, F_RDLCK, 8, 24));
    show();
    T(lock(fd, F_SETLK, F_WRLCK, 20, 0));
    show();
    T(lock(fd, F_SETLK, F_UNLCK, 1000, 1));
    show();
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    show();
    T(ftruncate(fd, 100));
    T(lseek(fd, 50, SEEK_SET));
    T(lock_from(fd, F_WRLCK, SEEK_CUR, -10, 5));
    T(lock_from(fd, F_RDLCK, SEEK_END, 0, -10));
    T(lock_from(fd, F_WRLCK, SEEK_END, 0, 0));
    T(lock_from(fd, F_RDLCK, SEEK_CUR, 10, -1));
    show();
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

/* In a child: what it may lock beside its parent, and that its close is not the parent's. */
static void beside(void)
{
    int fd = open("file", O_RDWR);
    T(lock(fd, F_SETLK, F_WRLCK, 0, 5));
    T(lock(fd, F_SETLK, F_RDLCK, 0, 5));
    T(lock(fd, F_SETLK, F_RDLCK, 15, 5));
    T(lock(fd, F_SETLK, F_WRLCK, 15, 5));
    T(lock(fd, F_SETLK, F_WRLCK, 20, 5));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 100));
    T(lock(3, F_SETLK, F_WRLCK, 0, 5));
    T(close(fd));
    T(close(3));
}

static void processes(int fd)
{
    T(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    T(lock(fd, F_SETLK, F_RDLCK, 10, 10));
    t_child("beside", beside);
    show();
    int other = open("file", O_RDONLY);
    T(lock(other, F_SETLK, F_RDLCK, 0, 10));
    show();
    struct rlimit old, few = {.rlim_cur = (rlim_t)other + 1};
    getrlimit(RLIMIT_NOFILE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    T(open("file", O_RDONLY));
    setrlimit(RLIMIT_NOFILE, &old);
    T(close(open("file", O_PATH)));
    show();
    T(close(other));
    show();
    T(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    T(dup2(0, dup(fd)));
    show();
    T(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    T(unlink("file"));
    int fresh = open("file", O_CREAT | O_RDWR, 0600);
    T(lock(fresh, F_SETLK, F_WRLCK, 0, 1));
    T(close(fresh));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static pid_t start(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    return pid;
}

static void end(const char *what, pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    t_status(what, status);
}

/* A process that ends gives up its locks; one that executes a program keeps them. */
static void holder(void)
{
    int fd = open("file", O_RDWR), gone = open("more", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    char *const argv[] = {"t_lock", "hold", NULL};
    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    lock(gone, F_SETLK, F_WRLCK, 0, 1);
    dup2(go[1], 20);
    execve("/proc/self/exe", argv, NULL);
    _exit(8);
}

static void exec_and_exit(int fd)
{
    pid_t pid = start(holder);
    hear();
    int more = open("more", O_RDWR);
    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    T(lock(more, F_SETLK, F_WRLCK, 0, 1));
    kill(pid, SIGKILL);
    end("holder", pid);
    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 1));
    close(more);
}

static void waits(void)
{
    int fd = open("file", O_RDWR);
    T(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
}

static void on_signal(int number)
{
    (void)number;
    tell();
}

static int sa_flags;
static bool whole;

static void interrupted(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = sa_flags};
    int fd = open("file", O_RDWR);
    sigaction(SIGUSR1, &sa, NULL);
    if (whole)
        T(flock(fd, LOCK_EX));
    else
        T(lock(fd, F_SETLKW, F_RDLCK, 0, 1));
}

/* What lets a child go on is done without a word: the child has one. */
static void waiting(int fd)
{
    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t pid = start(waits);
    wait_blocked(pid);
    lock(fd, F_SETLK, F_UNLCK, 0, 1);
    end("waits", pid);

    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid = start(interrupted);
    wait_blocked(pid);
    kill(pid, SIGUSR1);
    hear();
    end("no restart", pid);

    sa_flags = SA_RESTART;
    pid = start(interrupted);
    wait_blocked(pid);
    kill(pid, SIGUSR1);
    hear();
    wait_blocked(pid);
    lock(fd, F_SETLK, F_UNLCK, 0, 1);
    end("restart", pid);

    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid = start(waits);
    wait_blocked(pid);
    kill(pid, SIGKILL);
    end("killed", pid);
    T(lock(fd, F_SETLK, F_UNLCK, 0, 1));
}

/* Each of a circle has its own byte and waits for the next one's. */
static int number, circle;

static void member(void)
{
    int fd = open("file", O_RDWR);
    lock(fd, F_SETLK, F_WRLCK, number, 1);
    tell();
    if (lock(fd, F_SETLKW, F_WRLCK, (number + 1) % circle, 1) != 0)
        _exit(1);
}

static void deadlock(int fd, int n)
{
    pid_t pid[8];
    circle = n;
    T(lock(fd, F_SETLK, F_WRLCK, n - 1, 1));
    for (number = n - 2; number >= 0; number--) {
        pid[number] = start(member);
        hear();
        wait_blocked(pid[number]);
    }
    T(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    for (int i = n - 2; i >= 0; i--)
        end("member", pid[i]);
}

static void flock_beside(void)
{
    int fd = open("file", O_RDONLY);
    T(flock(fd, LOCK_SH | LOCK_NB));
    T(flock(fd, LOCK_EX | LOCK_NB));
    T(flock(3, LOCK_EX | LOCK_NB));
}

static void flock_unlock(void)
{
    T(flock(3, LOCK_UN));
}

static void flock_wait(void)
{
    int fd = open("file", O_RDONLY);
    T(flock(fd, LOCK_EX));
}

static void whole_files(int fd)
{
    int other = open("file", O_RDONLY);
    T(flock(fd, LOCK_EX));
    T(flock(other, LOCK_SH | LOCK_NB));
    T(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    t_child("beside", flock_beside);
    T(flock(fd, LOCK_SH));
    T(flock(other, LOCK_SH | LOCK_NB));
    T(flock(other, LOCK_EX | LOCK_NB));
    T(flock(fd, LOCK_EX | LOCK_NB)); /* other has lost its own */
    T(flock(other, LOCK_UN));
    int copy = dup(fd);
    T(close(copy));
    T(flock(other, LOCK_SH | LOCK_NB));
    t_child("unlock", flock_unlock);
    T(flock(other, LOCK_EX | LOCK_NB));
    pid_t pid = start(flock_wait);
    wait_blocked(pid);
    T(close(other));
    wait_blocked(pid);
    sa_flags = 0;
    whole = true;
    pid_t second = start(interrupted);
    wait_blocked(second);
    kill(second, SIGUSR1);
    hear();
    end("flock without restart", second);
    kill(pid, SIGTERM);
    end("flock waits", pid);
}

static void ofd_in_child(void)
{
    T(lock(3, F_OFD_SETLK, F_WRLCK, 0, 5));
    T(lock(3, F_SETLK, F_WRLCK, 0, 5));
    T(close(3));
}

static void ofd_wait(void)
{
    int fd = open("file", O_RDWR);
    tell();
    T(lock(fd, F_OFD_SETLKW, F_WRLCK, 0, 1));
}

static void ofd(int fd)
{
    int other = open("file", O_RDWR);
    T(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
    T(lock(other, F_OFD_SETLK, F_RDLCK, 5, 10));
    T(lock(other, F_OFD_SETLK, F_RDLCK, 10, 10));
    T(lock(fd, F_SETLK, F_RDLCK, 0, 1));
    struct flock l = range(F_RDLCK, SEEK_SET, 0, 0);
    T(fcntl(other, F_OFD_GETLK, &l));
    T(l.l_type);
    T(l.l_start);
    T(l.l_len);
    T(l.l_pid == -1);
    l = range(F_RDLCK, SEEK_SET, 0, 0);
    T(fcntl(fd, F_OFD_GETLK, &l));
    T(l.l_type);
    show();
    t_child("child", ofd_in_child);
    T(close(open("file", O_RDONLY)));
    show();
    T(close(other));
    show();
    pid_t pid = start(ofd_wait);
    hear();
    lock(fd, F_OFD_SETLK, F_UNLCK, 0, 4);
    end("waits", pid);
    show();
    T(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "hold") == 0) {
        go[1] = 20;
        tell();
        for (;;)
            pause();
    }
    t_begin();
    int fd = T(open("file", O_CREAT | O_RDWR, 0600));
    pipe(go);
    errors(fd);
    ranges(fd);
    processes(fd);
    close(fd);
    fd = T(open("file", O_RDWR));
    exec_and_exit(fd);
    waiting(fd);
    deadlock(fd, 2);
    deadlock(fd, 3);
    deadlock(fd, 6);
    ofd(fd);
    whole_files(fd);
    return 0;
}
