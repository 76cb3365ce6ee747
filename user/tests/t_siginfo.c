// SPDX-License-Identifier: BSD-2-Clause
/*
 * SA_SIGINFO: who sent it, where a fault was; alternate stacks; SIGCHLD; changing the context.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

static siginfo_t info;
static volatile int count;
static sigjmp_buf out;
static char *fault_base;

static void keep(int sig, siginfo_t *si, void *context)
{
    (void)sig, (void)context;
    info = *si;
    count++;
}

static void keep_and_leave(int sig, siginfo_t *si, void *context)
{
    keep(sig, si, context);
    siglongjmp(out, 1);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(sig, &sa, NULL);
}

static void senders(void)
{
    handle(SIGUSR1, keep, 0);
    T(kill(getpid(), SIGUSR1));
    T(info.si_signo);
    T(info.si_code == SI_USER);
    CHECK(info.si_pid == getpid() && info.si_uid == getuid());
    T(raise(SIGUSR1));
    T(info.si_code == SI_TKILL);
    CHECK(info.si_pid == getpid());
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        kill(parent, SIGUSR1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    CHECK(info.si_pid == pid);
}

/* Touches the address; says which signal came, with which code and at which distance. */
static void touch(const char *what, char *p, bool write)
{
    info = (siginfo_t){0};
    if (sigsetjmp(out, 1) == 0) {
        if (write)
            *(volatile char *)p = 1;
        else
            (void)*(volatile char *)p;
        say("%s: no fault\n", what);
        return;
    }
    say("%s: signal %d code %d at +%ld\n", what, info.si_signo, info.si_code,
        (char *)info.si_addr - fault_base);
}

static void faults(void)
{
    handle(SIGSEGV, keep_and_leave, 0);
    handle(SIGBUS, keep_and_leave, 0);
    fault_base = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(fault_base + PAGE, PAGE, PROT_NONE);
    munmap(fault_base + 2 * PAGE, PAGE);
    touch("read of a readable page", fault_base + 5, false);
    touch("write of a read-only page", fault_base + 7, true);
    touch("read of a page without access", fault_base + PAGE + 100, false);
    touch("write of a page without access", fault_base + PAGE + 4095, true);
    touch("read of no page", fault_base + 2 * PAGE + 1, false);
    touch("write of no page", fault_base + 2 * PAGE, true);
    touch("write of the last page", fault_base + 3 * PAGE, true);
    fault_base = NULL;
    touch("null", (char *)0, false);
    touch("near null", (char *)123, true);
    touch("kernel address", (char *)0xffffffff80000000, false);
    touch("non-canonical address", (char *)0x1234567890abcdef, false);
}

static void run_data(void)
{
    static unsigned char ret[] = {0xc3};
    unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, ret, 1);
    fault_base = (char *)p;
    if (sigsetjmp(out, 1) == 0) {
        ((void (*)(void))p)();
        say("data was executed\n");
    } else {
        say("execution of data: signal %d code %d at +%ld\n", info.si_signo, info.si_code,
            (char *)info.si_addr - fault_base);
    }
    T(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    ((void (*)(void))p)();
    say("executed after mprotect\n");
}

/* The handler repairs the cause and the instruction is run again. */
static void repair(int sig, siginfo_t *si, void *context)
{
    keep(sig, si, context);
    mprotect((void *)((unsigned long)si->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

static void repaired(void)
{
    char *p = mmap(NULL, 10 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    handle(SIGSEGV, repair, 0);
    count = 0;
    for (int i = 0; i < 10; i++)
        p[i * PAGE + i] = (char)i;
    T(count);
    T(p[9 * PAGE + 9]);
}

/* The handler moves the program over the faulting instruction, and changes a register. */
static void skip(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    keep(sig, si, context);
    uc->uc_mcontext.gregs[REG_RIP] += 2; /* mov (%rdi), %eax */
    uc->uc_mcontext.gregs[REG_RAX] = 99;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void context_changed(void)
{
    unsigned result = 0;
    sigset_t mask;
    handle(SIGSEGV, skip, 0);
    __asm__ volatile(".byte 0x8b, 0x07" : "=a"(result) : "D"(8L));
    T(result);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    CHECK(sigismember(&mask, SIGUSR2));
    sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
    handle(SIGFPE, keep_and_leave, 0);
    if (sigsetjmp(out, 1) == 0)
        __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx" ::
                             : "eax", "ecx", "edx");
    say("division: signal %d code %d\n", info.si_signo, info.si_code);
    handle(SIGILL, keep_and_leave, 0);
    if (sigsetjmp(out, 1) == 0)
        __asm__ volatile("ud2");
    say("illegal: signal %d\n", info.si_signo);
}

static char stack[64 * 1024] __attribute__((aligned(16)));
static volatile bool on_stack;
static volatile int flags_inside;

static void where(int sig, siginfo_t *si, void *context)
{
    char here;
    stack_t now;
    keep(sig, si, context);
    on_stack = &here >= stack && &here < stack + sizeof stack;
    sigaltstack(NULL, &now);
    flags_inside = now.ss_flags;
}

static void alternate(void)
{
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    T(sigaltstack(NULL, &old));
    T(old.ss_flags);
    T(sigaltstack(&alt, NULL));
    T(sigaltstack(NULL, &old));
    CHECK(old.ss_sp == stack && old.ss_size == sizeof stack && old.ss_flags == 0);
    handle(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(on_stack);
    T(flags_inside);
    handle(SIGUSR1, where, 0);
    raise(SIGUSR1);
    CHECK(!on_stack);
    alt.ss_size = 100;
    T(sigaltstack(&alt, NULL));
    alt.ss_flags = 77;
    T(sigaltstack(&alt, NULL));
}

static void stack_overflow(void)
{
    handle(SIGSEGV, keep_and_leave, SA_ONSTACK);
    if (sigsetjmp(out, 1) == 0)
        t_recurse(T_FOREVER);
    say("stack overflow: signal %d\n", info.si_signo);
}

/* No way to deliver: the stack pointer is bad and there is no other stack. */
static void no_stack(void)
{
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    handle(SIGSEGV, keep, 0);
    __asm__ volatile("mov $64, %rsp; push %rax");
}

static void children(void)
{
    int status;
    handle(SIGCHLD, keep, SA_RESTART);
    count = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(6);
    CHECK(waitpid(pid, &status, 0) == pid);
    T(count);
    T(info.si_signo);
    CHECK(info.si_pid == pid);
    say("code %d status %d\n", info.si_code, info.si_status);
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    say("code %d status %d\n", info.si_code, info.si_status);
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    if (pid == 0)
        _exit(0);
    T(waitpid(pid, &status, 0));
    signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
    t_begin();
    senders();
    faults();
    run_data();
    repaired();
    context_changed();
    alternate();
    t_child("overflow", stack_overflow);
    t_child("no stack", no_stack);
    children();
    return 0;
}
