// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limits on memory: of the address space, of data, of the stack; and extreme values of every limit
 * and in every call on memory, after which the kernel must still be there.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "t.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MB   (1UL << 20)

static int limit(int resource, unsigned long soft)
{
    struct rlimit r;
    getrlimit(resource, &r);
    r.rlim_cur = soft;
    return setrlimit(resource, &r);
}

static void space(void)
{
    T(limit(RLIMIT_AS, 64 * MB));
    T_PTR(mmap(NULL, 128 * MB, RW, ANON, -1, 0));
    T_PTR(mmap(NULL, 128 * MB, PROT_NONE, ANON, -1, 0));
    T_PTR(mmap(NULL, 128 * MB, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    char *p = T_PTR(mmap(NULL, 40 * MB, RW, ANON, -1, 0));
    CHECK(mmap(p, 40 * MB, PROT_READ, ANON | MAP_FIXED, -1, 0) == p);
    T_PTR(mmap(p, 80 * MB, RW, ANON | MAP_FIXED, -1, 0));
    T_PTR(mremap(p, 40 * MB, 128 * MB, MREMAP_MAYMOVE));
    CHECK(p[39 * MB] == 0);
    char *q = T_PTR(mremap(p, 40 * MB, 48 * MB, MREMAP_MAYMOVE));
    CHECK(syscall(SYS_brk, syscall(SYS_brk, 0) + 32 * (long)MB) == syscall(SYS_brk, 0));
    T(munmap(q, 48 * MB));
    T_PTR(mmap(NULL, 48 * MB, RW, ANON, -1, 0));
}

static void data(void)
{
    T(limit(RLIMIT_DATA, 16 * MB));
    T_PTR(mmap(NULL, 32 * MB, RW, ANON, -1, 0));
    T_PTR(mmap(NULL, 32 * MB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    char *p = T_PTR(mmap(NULL, 32 * MB, PROT_READ, ANON, -1, 0));
    T(mprotect(p, 32 * MB, RW));
    T(mprotect(p, 8 * MB, RW));
    T(mprotect(p, 8 * MB, PROT_NONE));
    T(mprotect(p + 8 * MB, 8 * MB, RW));
    T_PTR(mremap(p + 8 * MB, 8 * MB, 24 * MB, MREMAP_MAYMOVE));
    CHECK(syscall(SYS_brk, syscall(SYS_brk, 0) + 32 * (long)MB) == syscall(SYS_brk, 0));
    T(limit(RLIMIT_DATA, 0)); /* as Valgrind sets it: the hard limit counts */
    T_PTR(mmap(NULL, 32 * MB, RW, ANON, -1, 0));
}

static void deep(void)
{
    t_recurse(64);
}

static void small_stack(void)
{
    limit(RLIMIT_STACK, MB);
    deep();
}

static void small_then_large_stack(void)
{
    limit(RLIMIT_STACK, MB);
    limit(RLIMIT_STACK, 8 * MB);
    deep();
}

/* No room for the stack to grow into. */
static void small_space(void)
{
    limit(RLIMIT_AS, 16 * MB);
    while (mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0) != MAP_FAILED)
        ;
    deep();
}

// clang-format off
static const unsigned long extremes[] = {
    0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, MB, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
    0x7fffffffffffffff, 0x8000000000000000, -2 * PAGE, -PAGE - 1, -PAGE, -2UL, -1UL,
};
// clang-format on
#define N_EXTREMES (sizeof extremes / sizeof extremes[0])

static void use_memory(void)
{
    char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    if (p != MAP_FAILED) {
        p[PAGE] = 1;
        mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    }
    syscall(SYS_brk, syscall(SYS_brk, 0) + 3 * (long)PAGE);
    if (fork() == 0)
        _exit(0);
    t_recurse(8);
}

/* What becomes of the child is not the same everywhere. */
static void every_limit(void)
{
    for (int resource = 0; resource < 16; resource++)
        for (size_t i = 0; i < N_EXTREMES; i++)
            for (int exec = 0; exec < 2; exec++) {
                pid_t pid = fork();
                if (pid == 0) {
                    limit(resource, extremes[i]);
                    if (exec)
                        execv("/proc/self/exe", (char *[]){"t_memlimits", "inner", NULL});
                    else
                        use_memory();
                    _exit(0);
                }
                CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
            }
}

/* Every pair of extremes as address and length, in a child for each call: it may lose its own. */
static void every_call(void)
{
    static const int calls[] = {SYS_mmap,    SYS_munmap,  SYS_mprotect, SYS_mremap,  SYS_msync,
                                SYS_madvise, SYS_mincore, SYS_mlock,    SYS_munlock, SYS_brk};
    int fd = open("file", O_CREAT | O_RDWR, 0666);
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++)
        for (size_t i = 0; i < N_EXTREMES; i++) {
            pid_t pid = fork();
            if (pid == 0) {
                unsigned long a = extremes[i];
                for (size_t j = 0; j < N_EXTREMES; j++)
                    for (size_t k = 0; k < N_EXTREMES; k++) {
                        unsigned long b = extremes[j], d = extremes[k];
                        if (calls[c] == SYS_mmap) {
                            syscall(SYS_mmap, a, b, RW, MAP_SHARED, fd, d);
                            syscall(SYS_mmap, a, b, RW, ANON | MAP_FIXED_NOREPLACE, -1, d);
                        } else {
                            syscall(calls[c], a, b, d & 3, 3, d);
                        }
                    }
                _exit(0);
            }
            CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
        }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 0;
    (void)argv;
    t_begin();
    t_child("space", space);
    t_child("data", data);
    t_child("deep", deep);
    t_child("small stack", small_stack);
    t_child("small, then large stack", small_then_large_stack);
    t_child("small space", small_space);
    every_limit();
    every_call();
    return 0;
}
