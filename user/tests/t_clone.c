// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes that clone makes and that share what threads share, or that are their maker's siblings;
 * and what finds a process by the id of one of its threads.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "t.h"

#define STACK (16 * PAGE)
#define SHARE (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND)

static volatile int word, parent, caught, tid, go;
static int fds[2];

static char *stack_top(void)
{
    char *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p + STACK;
}

static void catch (int sig)
{
    caught = sig;
}

static int change_all(void *arg)
{
    (void)arg;
    word = 1;
    parent = getppid();
    umask(0123);
    mkdir("d", 0777);
    CHECK(chdir("d") == 0);
    CHECK(close(fds[0]) == 0);
    signal(SIGUSR1, catch);
    _exit(7);
}

static int wait_for(int pid, int options)
{
    int status = -1;
    return waitpid(pid, &status, options) == pid ? status : -1;
}

static void sharing(void)
{
    char cwd[PATH_MAX], *slash;

    T(pipe(fds));
    int pid = clone(change_all, stack_top(), SHARE | SIGCHLD, NULL);
    t_status("sharing all", wait_for(pid, 0));
    CHECK(word == 1 && parent == getpid());
    slash = getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') : NULL;
    CHECK(slash && strcmp(slash, "/d") == 0);
    T(close(fds[0]));
    CHECK(umask(022) == 0123);
    raise(SIGUSR1);
    CHECK(caught == SIGUSR1);
    chdir("..");
}

static int change_some(void *arg)
{
    (void)arg;
    word = 2;
    umask(077);
    CHECK(chdir("d") == 0);
    signal(SIGUSR1, SIG_DFL);
    _exit(8);
}

static int only_files(void *arg)
{
    (void)arg;
    word = 3;
    dup2(fds[1], fds[0]);
    CHECK(chdir("d") == 0);
    _exit(9);
}

static void parts(void)
{
    char cwd[PATH_MAX], *slash;

    int pid = clone(change_some, stack_top(), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
    t_status("sharing memory and actions", wait_for(pid, 0));
    slash = getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') : NULL;
    CHECK(slash && strcmp(slash, "/d") != 0);
    CHECK(word == 2 && umask(022) == 022);
    struct sigaction act;
    T(sigaction(SIGUSR1, NULL, &act));
    CHECK(act.sa_handler == SIG_DFL);
    pid = clone(only_files, stack_top(), CLONE_FILES | SIGCHLD, NULL);
    t_status("sharing descriptors", wait_for(pid, 0));
    CHECK(word == 2 && close(fds[0]) == 0);
    T(clone(only_files, stack_top(), CLONE_SIGHAND | SIGCHLD, NULL));
    T(clone(only_files, stack_top(), CLONE_THREAD | CLONE_VM, NULL));
}

static int end_at_once(void *arg)
{
    (void)arg;
    _exit(8);
}

/* The child's child tells nobody but this process of its end. */
static int make_sibling(void *arg)
{
    (void)arg;
    word = clone(end_at_once, stack_top(), CLONE_PARENT | SIGUSR2, NULL);
    CHECK(word > 0 && waitpid(word, NULL, __WALL) == -1 && errno == ECHILD);
    _exit(0);
}

static void siblings(void)
{
    int pid = clone(make_sibling, stack_top(), CLONE_VM | SIGCHLD, NULL);
    t_status("makes a sibling", wait_for(pid, 0));
    t_status("the sibling", wait_for(word, 0));
}

/* ---- thread ids ---- */

static int tell_id(void *arg)
{
    (void)arg;
    tid = (int)syscall(SYS_gettid);
    while (!go)
        syscall(SYS_sched_yield);
    syscall(SYS_exit, 0);
    return 0;
}

static void by_thread_id(void)
{
    clone(tell_id, stack_top(), SHARE | CLONE_THREAD | CLONE_SYSVSEM, NULL);
    while (!tid)
        sched_yield();
    signal(SIGUSR1, catch);
    caught = 0;
    T(kill(tid, 0));
    T(kill(tid, SIGUSR1));
    while (!caught)
        sched_yield();
    CHECK(getpgid(tid) == getpgid(0));
    CHECK(getsid(tid) == getsid(0));
    T(kill(tid, 99));
    T(kill(-1, -1) == -1 && errno == EINVAL);
    T(kill(999999, 99));
    T(kill(999999, 0));
    T(syscall(SYS_tgkill, getpid(), tid, 0));
    T(syscall(SYS_tgkill, getpid(), 999999, 99));
    T(syscall(SYS_tgkill, getpid(), tid, 99));
    T(syscall(SYS_tkill, tid, 0));
    T(waitpid(tid, NULL, 0));
    struct rlimit r;
    T(syscall(SYS_prlimit64, tid, RLIMIT_NOFILE, NULL, &r));
    go = 1;
}

int main(void)
{
    t_begin();
    sharing();
    parts();
    siblings();
    by_thread_id();
    return 0;
}
