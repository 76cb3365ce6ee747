// SPDX-License-Identifier: BSD-2-Clause
/*
 * System calls on memory, and the break.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}

int munmap(void *addr, size_t len)
{
    return (int)syscall(SYS_munmap, addr, len);
}

int mprotect(void *addr, size_t len, int prot)
{
    return (int)syscall(SYS_mprotect, addr, len, prot);
}

void *mremap(void *addr, size_t old, size_t new, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    void *to = va_arg(ap, void *);
    va_end(ap);
    return (void *)syscall(SYS_mremap, addr, old, new, flags, to);
}

int msync(void *addr, size_t len, int flags)
{
    return (int)syscall(SYS_msync, addr, len, flags);
}

int madvise(void *addr, size_t len, int advice)
{
    return (int)syscall(SYS_madvise, addr, len, advice);
}

int mincore(void *addr, size_t len, unsigned char *vec)
{
    return (int)syscall(SYS_mincore, addr, len, vec);
}

int mlock(const void *addr, size_t len)
{
    return (int)syscall(SYS_mlock, addr, len);
}

int munlock(const void *addr, size_t len)
{
    return (int)syscall(SYS_munlock, addr, len);
}

static char *cur_break;

/* The kernel answers with the break as it is then: unchanged means that it refused. */
int brk(void *end)
{
    cur_break = (char *)syscall(SYS_brk, end);
    if (cur_break == end)
        return 0;
    errno = ENOMEM;
    return -1;
}

void *sbrk(intptr_t increment)
{
    if (!cur_break)
        cur_break = (char *)syscall(SYS_brk, NULL);
    char *old = cur_break;
    if (increment != 0 && brk(old + increment) != 0)
        return (void *)-1;
    return old;
}

int getpagesize(void)
{
    return 4096;
}
