// SPDX-License-Identifier: BSD-2-Clause
//
// Running a program: static ELF files, also position-independent ones, and #! scripts. Everything
// that can fail is done in a new address space before the old one goes: its pages that exec writes
// are faulted in there. Should one be paged out since and not come back (no memory, a broken swap
// device), the process is killed.
//
// Locks: none held on entry; may sleep.
#pragma once

#include "lib/types.h"

struct vm_space;
struct vnode;

// Linux's limits. Of all strings and pointers: a quarter of RLIMIT_STACK, between these two.
#define ARG_BYTES_MIN (128ul << 10)
#define ARG_BYTES_MAX (6ul << 20)
#define ARG_STRING_MAX (128ul << 10)    // of one string, its terminator included

// execve: path is kernel memory, the vectors are in user memory. On success the running thread's
// frame is the new program's. ENOENT, EACCES, ENOEXEC, E2BIG, ENOMEM, ETXTBSY, EFAULT and what
// namei returns.
int exec_user(struct vnode *dir, const char *path, vaddr_t argv_va, vaddr_t envp_va);

// The same with everything in kernel memory, for init: argc strings, then envc.
int exec_kernel(const char *path, const char *const *strings, unsigned argc, unsigned envc);

// ---- execargs.c: the strings on their way ----

// argv's strings, then envp's, each with its terminator, in a buffer of kmem_map that starts small.
struct exec_args {
    char *buf;
    size_t size;                // of buf
    size_t limit;               // of size; E2BIG beyond
    size_t len;                 // used
    size_t env_at;              // where envp's strings start
    unsigned argc, envc;
};

int exec_args_from_user(struct exec_args *a, vaddr_t argv_va, vaddr_t envp_va);
int exec_args_from_kernel(struct exec_args *a, const char *const *strings, unsigned argc,
                          unsigned envc);
void exec_args_free(struct exec_args *a);       // in any case, also after an error
// Puts strings in the place of argv's first one, as a script needs: E2BIG, ENOMEM.
int exec_args_replace_first(struct exec_args *a, const char *const *strings, unsigned n);

// ---- elf.c: what is in the file ----

struct elf_image {
    vaddr_t entry_va;
    vaddr_t phdr_va;            // AT_PHDR
    unsigned phnum;
    vaddr_t end_va;             // behind the highest segment: the heap starts there
    struct elf_clear {          // the ends of file pages that must be zeroed, once the space is
                                // loaded
        vaddr_t va;
        size_t len;
    } clear[8];
    unsigned nclear;
};

// Maps the program v, whose first bytes are `head', into vs. ENOEXEC, ENOMEM, EINVAL, EIO.
int elf_load(struct vnode *v, const char *head, size_t head_len, struct vm_space *vs,
             struct elf_image *image);

// ---- execstack.c: what the program finds on its stack ----

#define STACK_TOP (0x7ffffffff000ul)

// At least what exec_build_stack will write.
size_t exec_stack_bytes(const struct exec_args *a, const char *path);
// Writes strings, vectors and the auxiliary vector below STACK_TOP of the loaded space; *sp is
// where the program's stack pointer starts. EFAULT.
int exec_build_stack(const struct exec_args *a, const struct elf_image *image, const char *path,
                     vaddr_t *sp);
