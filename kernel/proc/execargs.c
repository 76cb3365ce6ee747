// SPDX-License-Identifier: BSD-2-Clause
//
// Exec's arguments in kernel memory. Most fit in one page, so the buffer starts that small; when it
// does not do, a larger one takes its place. Both come from the bounded kmem_map: when many
// programs start at once, some wait or get ENOMEM.
#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/process.h"
#include "vm/kmem.h"

static int start(struct exec_args *a)
{
    uint64_t stack = process_current()->limits[RLIMIT_STACK].cur;

    *a = (struct exec_args){.size = PAGE_SIZE};
    a->limit = page_round(min(max(stack / 4, ARG_BYTES_MIN), ARG_BYTES_MAX));
    a->buf = kmem_alloc(kmem_map, a->size, 0, KM_WAITOK);
    return a->buf ? 0 : ENOMEM;
}

void exec_args_free(struct exec_args *a)
{
    if (a->buf)
        kmem_free(kmem_map, a->buf, a->size);
    a->buf = NULL;
}

static int grow(struct exec_args *a)
{
    size_t size = min(max(2 * a->size, ARG_BYTES_MIN), a->limit);

    if (size == a->size)
        return E2BIG;
    char *bigger = kmem_alloc(kmem_map, size, 0, KM_WAITOK);
    if (!bigger)
        return ENOMEM;
    memcpy(bigger, a->buf, a->len);
    kmem_free(kmem_map, a->buf, a->size);
    a->buf = bigger;
    a->size = size;
    return 0;
}

static int add_user(struct exec_args *a, vaddr_t string_va)
{
    for (;;) {
        size_t len, room = min(a->size - a->len, ARG_STRING_MAX);
        int error = copyinstr(a->buf + a->len, string_va, room, &len);
        if (error == 0) {
            a->len += len + 1;
            return 0;
        }
        if (error == ENAMETOOLONG)
            error = room == ARG_STRING_MAX ? E2BIG : grow(a);
        if (error)
            return error;
    }
}

// Grows until `len' bytes fit in all.
static int make_room(struct exec_args *a, size_t len)
{
    int error = 0;

    while (len > a->size && !error)
        error = grow(a);
    return error;
}

static int add_kernel(struct exec_args *a, const char *string)
{
    size_t len = strlen(string) + 1;
    int error = make_room(a, a->len + len);

    if (error)
        return error;
    memcpy(a->buf + a->len, string, len);
    a->len += len;
    return 0;
}

static int add_user_vector(struct exec_args *a, vaddr_t vector_va, unsigned *count)
{
    vaddr_t string_va;
    int error = 0;

    for (*count = 0; vector_va && !error; (*count)++) {
        error = copyin(&string_va, vector_va + *count * sizeof(vaddr_t), sizeof(vaddr_t));
        if (!error && string_va == 0)
            break;
        if (!error)
            error = add_user(a, string_va);
    }
    return error;
}

int exec_args_from_user(struct exec_args *a, vaddr_t argv_va, vaddr_t envp_va)
{
    int error = start(a);

    if (!error)
        error = add_user_vector(a, argv_va, &a->argc);
    // As Linux does since 5.18: a program always has a name.
    if (!error && a->argc == 0) {
        error = add_kernel(a, "");
        a->argc = 1;
    }
    a->env_at = a->len;
    return error ? error : add_user_vector(a, envp_va, &a->envc);
}

int exec_args_from_kernel(struct exec_args *a, const char *const *strings, unsigned argc,
                          unsigned envc)
{
    int error = start(a);

    for (unsigned i = 0; i < argc + envc && !error; i++) {
        if (i == argc)
            a->env_at = a->len;
        error = add_kernel(a, strings[i]);
    }
    a->argc = argc;
    a->envc = envc;
    return error;
}

int exec_args_replace_first(struct exec_args *a, const char *const *strings, unsigned n)
{
    size_t added = 0, dropped = strlen(a->buf) + 1;

    for (unsigned i = 0; i < n; i++)
        added += strlen(strings[i]) + 1;
    int error = make_room(a, a->len - dropped + added);
    if (error)
        return error;
    memmove(a->buf + added, a->buf + dropped, a->len - dropped);
    char *to = a->buf;
    for (unsigned i = 0; i < n; i++)
        to += strlcpy(to, strings[i], added) + 1;
    a->len += added - dropped;
    a->env_at += added - dropped;
    a->argc += n - 1;
    return 0;
}
