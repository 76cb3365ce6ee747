// SPDX-License-Identifier: BSD-2-Clause
//
// The machine and the scheduler that host tests give to the kernel's lock code: see shim.h. A
// thread's percpu is found by %gs as in the kernel; "interrupts" are a flag that nothing looks
// at; block and wake are a token under a pthread mutex, so that a wake before a block is kept.
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "amd64/clock.h"
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/irq.h"
#include "sync/lock_check.h"
#include "sync/waitq.h"

struct shim_thread {
    struct percpu cpu; // %gs
    struct kctx ctx;
    pthread_t pthread;
    pthread_mutex_t mutex; // guards the fields to signal
    pthread_cond_t changed;
    bool token; // a wake came since the last block
    bool blocked;
    enum shim_signal signal;
    void (*body)(void *arg); // constant
    void *arg;               // constant
};

uint64_t shim_seed = 1;
static const char *running_test = "start";
static unsigned yields, next_id;
static __thread bool irq_on = true;
static __thread struct shim_catch *catching;

// ---- The machine: in place of sync/irq.c ----

bool irq_enabled(void)
{
    return irq_on;
}

bool irq_disable(void)
{
    bool was_on = irq_on;

    irq_on = false;
    return was_on;
}

void irq_enable(void)
{
    irq_on = true;
}

void spin_poll(void)
{
    sched_yield();
}

void spin_poll_set(void (*poll)(void))
{
    (void)poll;
}

static struct shim_thread *self(void)
{
    return container_of(this_cpu(), struct shim_thread, cpu);
}

static void become(struct shim_thread *t)
{
    t->cpu.self = &t->cpu;
    t->cpu.kctx = &t->ctx;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, &t->cpu) != 0) {
        perror("arch_prctl");
        exit(1);
    }
}

// ---- The scheduler ----

uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ul + ts.tv_nsec;
}

void shim_sleep(uint64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000ul, .tv_nsec = ns % 1000000000ul};

    nanosleep(&ts, NULL);
}

static bool interrupted(const struct shim_thread *t, unsigned flags)
{
    if (flags & WAIT_NOINTR)
        return false;
    return t->signal == SHIM_FATAL || (t->signal == SHIM_SIGNAL && flags & WAIT_INTR);
}

static int block(unsigned flags, uint64_t deadline_ns)
{
    struct shim_thread *t = self();
    struct timespec until = {.tv_sec = deadline_ns / 1000000000ul,
                             .tv_nsec = deadline_ns % 1000000000ul};
    int err = 0;

    CHECK(t->cpu.irq_off_depth == 0 && !t->ctx.nosleep, "block with interrupts off %u, nosleep %u",
          t->cpu.irq_off_depth, t->ctx.nosleep);
    pthread_mutex_lock(&t->mutex);
    t->blocked = true;
    while (!t->token && err == 0) {
        if (interrupted(t, flags))
            err = EINTR;
        else if (deadline_ns == WAIT_FOREVER)
            pthread_cond_wait(&t->changed, &t->mutex);
        else
            err = pthread_cond_timedwait(&t->changed, &t->mutex, &until);
    }
    if (t->token)
        err = 0;
    t->token = t->blocked = false;
    pthread_mutex_unlock(&t->mutex);
    return err;
}

static void wake(struct kctx *who)
{
    struct shim_thread *t = container_of(who, struct shim_thread, ctx);

    pthread_mutex_lock(&t->mutex);
    t->token = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

// Long enough that another thread gets far into whatever window jitter has opened.
static void yield(void)
{
    __atomic_add_fetch(&yields, 1, __ATOMIC_RELAXED);
    shim_sleep(1000);
}

static bool killed(void)
{
    return false;
}

static const struct wait_ops shim_ops = {
    .block = block, .wake = wake, .yield = yield, .killed = killed};

unsigned shim_yields(void)
{
    return __atomic_load_n(&yields, __ATOMIC_RELAXED);
}

static void thread_init(struct shim_thread *t, const char *name)
{
    pthread_condattr_t attr;

    t->ctx.name = name;
    t->ctx.id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    t->cpu.id = t->ctx.id % MAX_CPUS;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
}

static void *thread_start(void *arg)
{
    struct shim_thread *t = arg;

    become(t);
    t->body(t->arg);
    lock_assert_none_held("end of a thread");
    CHECK(t->cpu.irq_off_depth == 0 && t->ctx.nosleep == 0 && t->ctx.woken == 0,
          "thread %s ends with interrupts off %u, nosleep %u, woken %u", t->ctx.name,
          t->cpu.irq_off_depth, t->ctx.nosleep, t->ctx.woken);
    return NULL;
}

struct shim_thread *shim_spawn(const char *name, void (*body)(void *arg), void *arg)
{
    struct shim_thread *t = calloc(1, sizeof(*t));

    thread_init(t, name);
    t->body = body;
    t->arg = arg;
    if (pthread_create(&t->pthread, NULL, thread_start, t) != 0)
        shim_fail("no thread for %s", name);
    return t;
}

void shim_join(struct shim_thread *t)
{
    pthread_join(t->pthread, NULL);
    free(t);
}

void shim_run_threads(unsigned n, void (*body)(void *arg))
{
    struct shim_thread *threads[n];

    for (uintptr_t i = 0; i < n; i++)
        threads[i] = shim_spawn("worker", body, (void *)i);
    for (unsigned i = 0; i < n; i++)
        shim_join(threads[i]);
}

void shim_signal(struct shim_thread *t, enum shim_signal signal)
{
    pthread_mutex_lock(&t->mutex);
    t->signal = signal;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

struct kctx *shim_kctx(struct shim_thread *t)
{
    return &t->ctx;
}

bool shim_blocked(struct shim_thread *t)
{
    pthread_mutex_lock(&t->mutex);
    bool blocked = t->blocked && !t->token;
    pthread_mutex_unlock(&t->mutex);
    return blocked;
}

void shim_wait_blocked(struct shim_thread *t)
{
    while (!shim_blocked(t))
        shim_sleep(100000);
}

// ---- Tests ----

_Noreturn void shim_fail(const char *fmt, ...)
{
    va_list ap;

    printf("not ok %s: ", running_test);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

static void on_panic(const char *message)
{
    if (!catching)
        shim_fail("panic: %s", message);
    strncpy(catching->message, message, sizeof(catching->message) - 1);
    longjmp(catching->env, 1);
}

void shim_catch_begin(struct shim_catch *c)
{
    c->outer = catching;
    c->saved_ctx = *kctx_current();
    c->saved_cpu = *this_cpu();
    memset(c->message, 0, sizeof(c->message));
    catching = c;
}

void shim_catch_end(struct shim_catch *c, const char *text)
{
    catching = c->outer;
    *kctx_current() = c->saved_ctx;
    *this_cpu() = c->saved_cpu;
    irq_on = c->saved_cpu.irq_off_depth == 0;
    if (!strstr(c->message, text))
        shim_fail("panic expected with `%s', got `%s'", text, c->message);
}

static void to_stderr(const char *text, size_t len)
{
    fwrite(text, 1, len, stderr);
}

// Before main, so that also a test without shim_main may take locks.
__attribute__((constructor)) static void start(void)
{
    static struct shim_thread main_thread;

    thread_init(&main_thread, "main");
    become(&main_thread);
    waitq_set_ops(&shim_ops);
    panic_set_handler(on_panic);
    kprintf_set_sink(to_stderr);
}

void shim_main(int argc, char **argv)
{
    if (argc > 1)
        shim_seed = strtoull(argv[1], NULL, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static void *watch(void *arg)
{
    unsigned seconds = (uintptr_t)arg, idle = 0;
    clock_t before = clock();

    while (idle < seconds && before < (clock_t)seconds * CLOCKS_PER_SEC) {
        sleep(1);
        clock_t now = clock();
        idle = now - before < CLOCKS_PER_SEC / 1000 ? idle + 1 : 0;
        before = now;
    }
    shim_fail("no end after %u s", seconds);
}

void shim_watchdog(unsigned seconds)
{
    pthread_t dog;

    pthread_create(&dog, NULL, watch, (void *)(uintptr_t)seconds);
    pthread_detach(dog);
}

void shim_run(const char *name, void (*test)(void))
{
    running_test = name;
    test();
    lock_assert_none_held(name);
    printf("ok %s\n", name);
}

int shim_done(void)
{
    return 0;
}
