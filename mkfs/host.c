// SPDX-License-Identifier: BSD-2-Clause
//
// What the kernel's modules call in a host tool: see host.h. With one thread a lock that is taken
// twice, or a wait, would never end, so both are fatal.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "host.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/kctx.h"
#include "sync/mutex.h"

const char *program_name = "tool";
bool host_quiet;

void die(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

void kprintf(const char *fmt, ...)
{
    va_list ap;

    if (host_quiet)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    return vsnprintf(buf, size, fmt, ap);
}

// ---- Locks ----

static struct kctx only_thread = {.name = "tool"};

void mutex_lock(struct mutex *m)
{
    KASSERT(!m->lock.owner, "%s is held", m->lock.name);
    m->lock.owner = &only_thread;
}

void mutex_unlock(struct mutex *m)
{
    KASSERT(m->lock.owner, "%s is not held", m->lock.name);
    m->lock.owner = NULL;
}

int waitq_wait_mutex(struct waitq *q, struct mutex *m, unsigned flags, uint64_t deadline_ns)
{
    (void)q, (void)flags, (void)deadline_ns;
    panic("a wait under %s has nobody to end it", m->lock.name);
}

unsigned waitq_wake_all(struct waitq *q)
{
    (void)q;
    return 0;
}

// ---- Memory and time ----

static void *host_alloc(size_t size)
{
    size_t align = size % PAGE_SIZE == 0 ? PAGE_SIZE : 16;
    void *p = aligned_alloc(align, (size + align - 1) / align * align);

    if (p)
        __builtin_memset(p, 0, size);
    return p;
}

static void host_free(void *p, size_t size)
{
    (void)size;
    free(p);
}

// The same image comes out whenever it is made.
static uint64_t host_now(void)
{
    return 1735689600ul * 1000000000ul; // 2025-01-01
}

const struct sfs_env host_env = {.alloc = host_alloc, .free = host_free, .now = host_now};
