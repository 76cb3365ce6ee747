// SPDX-License-Identifier: BSD-2-Clause
//
// The initial stack of a program, after the System V ABI: from the top down the path, the random
// bytes, the platform's name, the strings; then, ending at the stack pointer, the auxiliary
// vector, envp, argv and argc.
#include <cpuid.h>
#include "amd64/usercopy.h"
#include "dev/random.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/process.h"

enum { AT_NULL, AT_PHDR = 3, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY };
enum { AT_UID = 11, AT_EUID, AT_GID, AT_EGID, AT_PLATFORM, AT_HWCAP, AT_CLKTCK };
enum { AT_SECURE = 23, AT_RANDOM = 25, AT_EXECFN = 31 };

#define PHDR_SIZE    56
#define CLOCK_TICKS  100
#define RANDOM_BYTES 16
#define AUXV_MAX     18

struct auxv {
    uint64_t type, value;
};

// Where things are put, from the top down.
struct layout {
    vaddr_t path_va, random_va, platform_va, strings_va;
};

static vaddr_t push(vaddr_t *sp, const void *data, size_t len, int *error)
{
    *sp -= len;
    if (*error == 0)
        *error = copyout(*sp, data, len);
    return *sp;
}

static int push_data(vaddr_t *sp, const struct exec_args *a, const char *path, struct layout *at)
{
    uint8_t random[RANDOM_BYTES];
    int error = 0;

    random_bytes(random, sizeof(random));
    *sp -= sizeof(uint64_t); // the top word is zero
    at->path_va = push(sp, path, strlen(path) + 1, &error);
    at->strings_va = push(sp, a->buf, a->len, &error);
    at->platform_va = push(sp, "x86_64", sizeof("x86_64"), &error);
    *sp &= ~15ul;
    at->random_va = push(sp, random, sizeof(random), &error);
    return error;
}

static uint32_t cpuid_features(void)
{
    unsigned eax, ebx, ecx, edx = 0;

    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    return edx;
}

// Writes pointers to the n strings from offset `from' of the buffer, then a zero.
static int put_pointers(vaddr_t *to, const struct exec_args *a, size_t from, unsigned n,
                        vaddr_t strings_va)
{
    vaddr_t batch[32];
    unsigned filled = 0;

    for (unsigned i = 0; i <= n; i++) {
        batch[filled++] = i < n ? strings_va + from : 0;
        if (i < n)
            from += strlen(a->buf + from) + 1;
        if (filled < array_len(batch) && i < n)
            continue;
        if (copyout(*to, batch, filled * sizeof(vaddr_t)) != 0)
            return EFAULT;
        *to += filled * sizeof(vaddr_t);
        filled = 0;
    }
    return 0;
}

// argc, argv, envp and their ends.
static size_t vector_words(const struct exec_args *a)
{
    return 1 + a->argc + 1 + a->envc + 1;
}

size_t exec_stack_bytes(const struct exec_args *a, const char *path)
{
    size_t data = sizeof(uint64_t) + strlen(path) + 1 + a->len + sizeof("x86_64") + RANDOM_BYTES;

    // Twice the stack pointer is rounded down to 16 bytes.
    return data + vector_words(a) * sizeof(uint64_t) + AUXV_MAX * sizeof(struct auxv) + 2 * 16;
}

int exec_build_stack(const struct exec_args *a, const struct elf_image *image, const char *path,
                     vaddr_t *sp_out)
{
    struct layout at;
    vaddr_t sp = STACK_TOP;
    int error = push_data(&sp, a, path, &at);
    const struct auxv aux[AUXV_MAX] = {{AT_PHDR, image->phdr_va},
                                       {AT_PHENT, PHDR_SIZE},
                                       {AT_PHNUM, image->phnum},
                                       {AT_PAGESZ, PAGE_SIZE},
                                       {AT_BASE, 0},
                                       {AT_FLAGS, 0},
                                       {AT_ENTRY, image->entry_va},
                                       {AT_UID, 0},
                                       {AT_EUID, 0},
                                       {AT_GID, 0},
                                       {AT_EGID, 0},
                                       {AT_HWCAP, cpuid_features()},
                                       {AT_CLKTCK, CLOCK_TICKS},
                                       {AT_SECURE, 0},
                                       {AT_RANDOM, at.random_va},
                                       {AT_EXECFN, at.path_va},
                                       {AT_PLATFORM, at.platform_va},
                                       {AT_NULL, 0}};
    const uint64_t argc = a->argc;
    size_t words = vector_words(a);

    if (error)
        return error;
    sp = (sp - words * sizeof(uint64_t) - sizeof(aux)) & ~15ul;
    vaddr_t to = sp;
    error = copyout(to, &argc, sizeof(argc));
    to += sizeof(argc);
    if (!error)
        error = put_pointers(&to, a, 0, a->argc, at.strings_va);
    if (!error)
        error = put_pointers(&to, a, a->env_at, a->envc, at.strings_va);
    if (!error)
        error = copyout(to, aux, sizeof(aux));
    struct process *p = process_current();
    p->arg_start = at.strings_va;
    p->arg_end = p->env_start = at.strings_va + a->env_at;
    p->env_end = at.strings_va + a->len;
    *sp_out = sp;
    return error;
}
