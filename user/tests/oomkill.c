// SPDX-License-Identifier: BSD-2-Clause
/*
 * oomkill [KIND ...]: somebody takes all memory in one of many ways and then sleeps; others who
 * need some must get it, and who has most must be killed for that, not who asks. Without arguments
 * all kinds; "none" does nothing. A hog has all signals but SIGUSR1 blocked.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)

enum { LEFT = 160 << 10, ASKERS = 4, NEED = 3 << 20 };

static int ready[2];      /* a hog writes a byte when it has all */
static int got[2], go[2]; /* who asked writes a byte when it has its share, and waits for the end */

static bool enough(void)
{
    struct sysinfo s;
    sysinfo(&s);
    return s.freeram < LEFT;
}

/* Each takes a little, time and again; false when it gets no more. */

static bool take_private(void)
{
    char *p = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        memset(p, 1, 16 * PAGE);
    return p != MAP_FAILED;
}

static bool take_shared(void)
{
    char *p = mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        memset(p, 1, 16 * PAGE);
    return p != MAP_FAILED;
}

static bool take_entries(void)
{
    static size_t n; /* below the limit on entries, so that other memory can still be taken */
    for (int i = 0; i < 100; i++, n++)
        if (n == 50000 ||
            mmap((void *)(0x200000000000 + n * 2 * PAGE), PAGE, n % 2 ? RW : PROT_READ,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return false;
    return true;
}

static bool take_tables(void)
{
    static size_t n;
    size_t step = 2 << 20;
    char *p = mmap((void *)(0x200000000000 + n++ * 8 * step), 8 * step, RW,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (size_t i = 0; p != MAP_FAILED && i < 8; i++)
        p[i * step] = 1;
    return p != MAP_FAILED;
}

static bool take_signals(void)
{
    for (int i = 0; i < 100; i++)
        if (syscall(SYS_tgkill, getpid(), getpid(), 40) != 0) /* each is kept, up to the limit */
            return false;
    return true;
}

static bool take_pipes(void)
{
    int fds[2];
    static char page[PAGE];
    static int n; /* the map of the kernel's that pipes share with exec is not to be full */
    if (n++ == 64 || pipe2(fds, O_NONBLOCK) != 0)
        return false;
    for (int i = 0; i < 16 && write(fds[1], page, PAGE) > 0; i++)
        ;
    return true;
}

static int sleep_on(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}

static bool take_threads(void)
{
    static int n; /* some tasks are to be left for those who ask */
    if (n++ == 200)
        return false;
    char *stack = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return stack != MAP_FAILED &&
           clone(sleep_on, stack + PAGE,
                 CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) > 0;
}

static void take_all(bool (*take)(void))
{
    /* What pools and caches keep of the hog before this one would be there for the askers. */
    int fd = open("/proc/vm/reclaim", O_WRONLY);
    write(fd, "100000", 6);
    close(fd);
    while (!enough() && take())
        ;
    while (!enough() && take_private()) /* where a limit came first */
        ;
    write(ready[1], "r", 1);
}

static void sleep_for_good(void)
{
    for (;;)
        pause();
}

static void hog(bool (*take)(void))
{
    take_all(take);
    sleep_for_good();
}

/* A child that shares the memory has taken it; the parent waits for it. */
static void hog_by_vfork(bool (*take)(void))
{
    if (vfork() == 0)
        hog(take);
    sleep_for_good();
}

static void hog_stopped(bool (*take)(void))
{
    take_all(take);
    raise(SIGSTOP);
    sleep_for_good();
}

static const struct kind {
    const char *name;
    void (*hog)(bool (*take)(void));
    bool (*take)(void);
} kinds[] = {
    {"private memory", hog, take_private},  {"shared memory", hog, take_shared},
    {"map entries", hog, take_entries},     {"page tables", hog, take_tables},
    {"signals", hog, take_signals},         {"pipes", hog, take_pipes},
    {"threads", hog, take_threads},         {"vfork", hog_by_vfork, take_private},
    {"stopped", hog_stopped, take_private},
};

/* Needs memory by fork, mmap, faults, and in the kernel; all must succeed. */
static void ask(void)
{
    char *const argv[] = {"true", NULL};
    int fds[2], status;
    char c;

    if (pipe(fds) != 0)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        execv("/bin/true", argv);
        _exit(1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        _exit(2);
    char *p = mmap(NULL, NEED, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(3);
    memset(p, 1, NEED);
    close(go[1]);
    write(got[1], "g", 1);
    close(got[1]);
    read(go[0], &c, 1); /* keeps it until all have theirs */
    _exit(0);
}

static bool try(const struct kind *k)
{
    pid_t asker[ASKERS], hog, small;
    int status, served = 0;
    char c;

    if (pipe(ready) != 0 || (small = fork()) < 0)
        return false;
    if (small == 0)
        sleep_for_good();
    hog = fork();
    if (hog == 0) {
        sigset_t all;
        sigfillset(&all);
        sigdelset(&all, SIGUSR1);
        sigprocmask(SIG_BLOCK, &all, NULL);
        k->hog(k->take);
    }
    bool taken = hog > 0 && read(ready[0], &c, 1) == 1;
    if (pipe(got) != 0 || pipe(go) != 0)
        return false;
    for (int i = 0; i < ASKERS; i++)
        if ((asker[i] = fork()) == 0)
            ask();
    close(got[1]);
    while (read(got[0], &c, 1) == 1) /* until each has its share or is gone */
        ;
    close(go[1]);
    for (int i = 0; i < ASKERS; i++)
        if (asker[i] > 0 && waitpid(asker[i], &status, 0) == asker[i] && status != 0)
            t_status("an asker", status);
        else
            served += asker[i] > 0;
    bool small_lives = waitpid(small, &status, WNOHANG) == 0;
    kill(small, SIGKILL);
    waitpid(small, &status, 0);
    kill(hog, SIGUSR1); /* ends it if nothing else has begun to */
    kill(hog, SIGCONT);
    waitpid(hog, &status, 0);
    bool hog_lives = !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
    close(ready[0]);
    close(ready[1]);
    close(got[0]);
    close(go[0]);
    say("%s: %s; %d of %d served; the small one %s, the large one %s\n", k->name,
        taken ? "taken" : "not taken", served, ASKERS, small_lives ? "lives" : "is gone",
        hog_lives ? "LIVES" : "is gone");
    return taken && served == ASKERS && small_lives && !hog_lives;
}

int main(int argc, char **argv)
{
    bool right = true;

    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool wanted = argc == 1;
        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], kinds[i].name) == 0;
        if (wanted)
            right &= try(&kinds[i]);
    }
    return !right;
}
