// SPDX-License-Identifier: BSD-2-Clause
/*
 * From the kernel's initial stack (argc, argv, envp, auxv) to main, and from main to exit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "libc.h"

#define MAX_ATEXIT 32

int main(int argc, char **argv, char **envp);

int errno;
char **environ;
unsigned long *__auxv;
const char *__progname = "";
void (*__flush_all)(void);

static void (*at_exit[MAX_ATEXIT])(void);
static int nat_exit;

_Noreturn void __libc_start(unsigned long *sp);

_Noreturn void __libc_start(unsigned long *sp)
{
    int argc = (int)sp[0];
    char **argv = (char **)(sp + 1);
    environ = argv + argc + 1;
    char **p = environ;
    while (*p)
        p++;
    __auxv = (unsigned long *)(p + 1);
    if (argc > 0) {
        char *slash = strrchr(argv[0], '/');
        __progname = slash ? slash + 1 : argv[0];
    }
    exit(main(argc, argv, environ));
}

unsigned long getauxval(unsigned long type)
{
    for (unsigned long *a = __auxv; a[0] != AT_NULL; a += 2)
        if (a[0] == type)
            return a[1];
    errno = ENOENT;
    return 0;
}

int atexit(void (*fn)(void))
{
    if (nat_exit == MAX_ATEXIT)
        return -1;
    at_exit[nat_exit++] = fn;
    return 0;
}

void exit(int status)
{
    while (nat_exit > 0)
        at_exit[--nat_exit]();
    if (__flush_all)
        __flush_all();
    _exit(status);
}

void _exit(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

void _Exit(int status)
{
    _exit(status);
}
