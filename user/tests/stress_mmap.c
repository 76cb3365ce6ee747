// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_mmap [seed [rounds]]: random mmap, munmap, mprotect, mremap, madvise, fork and writes in
 * one region, compared page by page with a model of it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "stress.h"

#define PAGES 64
#define RW    (PROT_READ | PROT_WRITE)

enum kind { NONE, PRIVATE, FILE_SHARED, FILE_PRIVATE };

static struct {
    enum kind kind;
    int prot;
    unsigned char value; /* of the page's first byte */
    bool written;        /* FILE_PRIVATE: a copy, no longer the file's */
    int file_page;
} model[PAGES];

static unsigned char file_value[PAGES];
static unsigned char *base;
static int file;
static sigjmp_buf out;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

/* The page's first byte, or -1 if it cannot be read. */
static int peek(int i)
{
    if (sigsetjmp(out, 1))
        return -1;
    return *(volatile unsigned char *)(base + (size_t)i * PAGE);
}

static bool poke(int i, unsigned char v)
{
    if (sigsetjmp(out, 1))
        return false;
    *(volatile unsigned char *)(base + (size_t)i * PAGE) = v;
    return true;
}

static int expected(int i)
{
    if (model[i].kind == NONE || !(model[i].prot & PROT_READ))
        return -1;
    bool from_file =
        model[i].kind == FILE_SHARED || (model[i].kind == FILE_PRIVATE && !model[i].written);
    return from_file ? file_value[model[i].file_page] : model[i].value;
}

static void verify(int round)
{
    for (int i = 0; i < PAGES; i++)
        MUST("page", round * 1000 + i, expected(i), peek(i));
}

static void map(int i, int n, enum kind kind, int round)
{
    int from = (int)stress_random((uint32_t)(PAGES - n + 1));
    int flags = MAP_FIXED | (kind == FILE_SHARED ? MAP_SHARED : MAP_PRIVATE) |
                (kind == PRIVATE ? MAP_ANONYMOUS : 0);
    unsigned char *at = base + (size_t)i * PAGE;
    void *p = mmap(at, (size_t)n * PAGE, RW, flags, kind == PRIVATE ? -1 : file,
                   kind == PRIVATE ? 0 : from * (off_t)PAGE);
    MUST("mmap", round, (long)at, (long)p);
    for (int k = 0; k < n; k++) {
        memset(&model[i + k], 0, sizeof model[i + k]);
        model[i + k].kind = kind;
        model[i + k].prot = RW;
        model[i + k].file_page = from + k;
    }
}

static void unmap(int i, int n, int round)
{
    MUST("munmap", round, 0, munmap(base + (size_t)i * PAGE, (size_t)n * PAGE));
    for (int k = 0; k < n; k++)
        model[i + k].kind = NONE;
}

static void protect(int i, int n, int prot, int round)
{
    bool hole = false;
    int r = mprotect(base + (size_t)i * PAGE, (size_t)n * PAGE, prot);
    for (int k = 0; k < n && !hole; k++) {
        hole = model[i + k].kind == NONE;
        model[i + k].prot = prot;
    }
    MUST("mprotect", round, hole ? -1 : 0, r);
}

static void discard(int i, int n)
{
    madvise(base + (size_t)i * PAGE, (size_t)n * PAGE, MADV_DONTNEED);
    for (int k = 0; k < n; k++) {
        model[i + k].value = 0;
        model[i + k].written = false;
    }
}

static void write_page(int i, int round)
{
    unsigned char v = (unsigned char)(1 + stress_random(255));
    bool can = model[i].kind != NONE && (model[i].prot & PROT_WRITE);
    MUST("write", round, can, poke(i, v));
    if (!can)
        return;
    if (model[i].kind == FILE_SHARED)
        file_value[model[i].file_page] = v;
    model[i].value = v;
    model[i].written = true;
}

static void write_file(int i, int round)
{
    unsigned char v = (unsigned char)(1 + stress_random(255));
    MUST("pwrite", round, 1, pwrite(file, &v, 1, i * (off_t)PAGE));
    file_value[i] = v;
}

/* A child sees the same; what it then writes to private pages stays its own. */
static void fork_one(int round)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        verify(round);
        for (int i = 0; i < PAGES; i++)
            if (model[i].kind == PRIVATE || model[i].kind == FILE_PRIVATE)
                poke(i, 0xee);
        _exit(0);
    }
    MUST("wait", round, pid, waitpid(pid, &status, 0));
    MUST("child", round, 0, status);
}

static void step(int round)
{
    int i = (int)stress_random(PAGES), n = 1 + (int)stress_random(12);
    static const int prots[] = {RW, RW, PROT_READ, PROT_NONE};
    if (n > PAGES - i)
        n = PAGES - i;
    switch (stress_random(16)) {
    case 0:
    case 1:
        map(i, n, PRIVATE, round);
        break;
    case 2:
        map(i, n, FILE_SHARED, round);
        break;
    case 3:
        map(i, n, FILE_PRIVATE, round);
        break;
    case 4:
        unmap(i, n, round);
        break;
    case 5:
    case 6:
        protect(i, n, prots[stress_random(4)], round);
        break;
    case 7:
        discard(i, n);
        break;
    case 8:
        write_file(i, round);
        break;
    case 9:
        if (round % 16 == 0)
            fork_one(round);
        break;
    default:
        write_page(i, round);
    }
}

int main(int argc, char **argv)
{
    int rounds = stress_begin(argc, argv, 3000);
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    file = open("file", O_CREAT | O_RDWR, 0666);
    MUST("ftruncate", 0, 0, ftruncate(file, PAGES * PAGE));
    base = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST("mmap", 0, 0, base == MAP_FAILED);
    unmap(0, PAGES, 0);
    for (int r = 1; r <= rounds; r++) {
        step(r);
        if (r % 8 == 0)
            verify(r);
    }
    say("ok\n");
    return 0;
}
