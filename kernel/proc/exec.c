// SPDX-License-Identifier: BSD-2-Clause
//
// execve: finding the file, following scripts, and the change of address spaces.
#include "proc/exec.h"

#include "amd64/trapframe.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "pmap/pmap.h"
#include "proc/process.h"
#include "vm/vm_fault.h"
#include "vm/vm_space.h"

#define HEAD_BYTES  256 // of the file: ELF header and most program headers, or a #! line
#define MAX_SCRIPTS 4   // scripts whose interpreters are scripts
#define STACK_MAX   (64ul << 20)

enum { S_IXANY = 0111 };

// One exec on its way.
struct exec {
    struct vnode *dir;  // where relative paths start
    const char *asked;  // the path that execve got
    const char *path;   // of the program, or of the script followed last
    struct vnode *file; // the program, referenced and claimed, or NULL
    size_t head_len;
    struct exec_args args;
    struct vm_space *space; // the new one
    struct elf_image image;
    // Not cleared at the start.
    char head[HEAD_BYTES];        // the program's beginning
    char interpreter[HEAD_BYTES]; // a script's first line, taken apart
    char script[HEAD_BYTES];      // the name of an interpreter that is a script itself
};

static void begin(struct exec *x, struct vnode *dir, const char *path)
{
    memset(x, 0, offsetof(struct exec, head));
    x->dir = dir;
    x->asked = x->path = path;
}

static int check_program(struct vnode *v)
{
    struct vattr va;

    if (v->type != VREG)
        return EACCES;
    int error = vnode_getattr(v, &va);
    return !error && !(va.mode & S_IXANY) ? EACCES : error;
}

static int open_program(struct exec *x, const char *path)
{
    struct vnode *v;

    if (x->file)
        program_unref(x->file);
    x->file = NULL;
    int error = namei(x->dir, path, NAMEI_FOLLOW, &v, NULL);
    if (error)
        return error;
    error = check_program(v);
    if (!error)
        error = vnode_begin_run(v);
    if (error) {
        vnode_unref(v);
        return error;
    }
    x->file = v;
    return vnode_read_kernel(v, x->head, sizeof(x->head), 0, &x->head_len);
}

static char *skip_blanks(char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static char *end_of_word(char *p)
{
    while (*p && *p != ' ' && *p != '\t')
        p++;
    return p;
}

// The head is a #! line: the interpreter takes the script's place, its name and at most one
// argument come before the script's path.
static int follow_script(struct exec *x)
{
    const char *strings[3];
    unsigned n = 0;
    size_t len = min(x->head_len, sizeof(x->interpreter) - 1);

    memcpy(x->interpreter, x->head, len);
    x->interpreter[len] = '\0';
    char *newline = strchr(x->interpreter, '\n');
    if (!newline && x->head_len == sizeof(x->head))
        return ENOEXEC; // the line is too long
    if (newline)
        *newline = '\0';
    char *name = skip_blanks(x->interpreter + 2);
    char *end = end_of_word(name);
    char *arg = skip_blanks(end);
    *end = '\0';
    for (char *last = arg + strlen(arg); last > arg && (last[-1] == ' ' || last[-1] == '\t');)
        *--last = '\0';
    if (*name == '\0')
        return ENOEXEC;
    strings[n++] = name;
    if (*arg)
        strings[n++] = arg;
    strings[n++] = x->path;
    int error = exec_args_replace_first(&x->args, strings, n);
    if (!error)
        error = open_program(x, name);
    strlcpy(x->script, name, sizeof(x->script));
    x->path = x->script;
    return error;
}

static int find_program(struct exec *x)
{
    int error = open_program(x, x->path);

    for (unsigned n = 0; !error && x->head_len >= 2 && memcmp(x->head, "#!", 2) == 0; n++) {
        if (n == MAX_SCRIPTS)
            return ELOOP;
        error = follow_script(x);
    }
    return error;
}

// Faults [va, va + len) of the new space in, for fill_space to write to.
static int touch(struct exec *x, vaddr_t va, size_t len)
{
    int error = 0;

    for (vaddr_t at = page_trunc(va); at < va + len && !error; at += PAGE_SIZE)
        error = vm_fault(&x->space->map, at, PROT_WRITE);
    // No such part of the file, or a segment where the stack would be.
    return error == ENXIO || error == EFAULT || error == EACCES ? ENOEXEC : error;
}

// Maps the stack, of a page at least, and has what will be on it there; E2BIG.
static int prepare_stack(struct exec *x)
{
    uint64_t limit = min(vm_limit(VM_LIMIT_STACK), STACK_MAX);
    size_t size = max(page_trunc(limit), PAGE_SIZE), nbytes = exec_stack_bytes(&x->args, x->asked);
    size_t pointers = (x->args.argc + x->args.envc) * sizeof(vaddr_t);

    if (nbytes > size || x->args.len + strlen(x->asked) + 1 + pointers > x->args.limit)
        return E2BIG;
    int error = vm_stack_map(x->space, STACK_TOP, STACK_MAX);
    return error ? error : touch(x, STACK_TOP - nbytes, nbytes);
}

// The new address space with everything mapped, and no more touched than what exec writes.
static int prepare_space(struct exec *x)
{
    x->space = vm_space_create();
    if (!x->space)
        return ENOMEM;
    int error = elf_load(x->file, x->head, x->head_len, x->space, &x->image);
    if (!error)
        error = prepare_stack(x);
    for (unsigned i = 0; i < x->image.nclear && !error; i++)
        error = touch(x, x->image.clear[i].va, x->image.clear[i].len);
    x->space->brk_start = x->space->brk_end = x->image.end_va;
    return error;
}

// The point of no return: the process changes over to x's space and program.
static void change_over(struct exec *x, const char *comm)
{
    struct thread *t = thread_current();
    struct process *p = t->proc;

    mutex_lock(&p->lock);
    struct vm_space *old_space = p->space;
    struct vnode *old_exe = p->exe;
    p->space = x->space;
    p->exe = x->file;
    pmap_activate(p->space->pmap);
    strlcpy(p->comm, comm, sizeof(p->comm));
    mutex_unlock(&p->lock);
    x->space = NULL;
    x->file = NULL;
    thread_set_name(t, comm);
    t->clear_tid_va = t->robust_list_va = 0;
    vfork_release(p);
    if (old_space)
        vm_space_unref(old_space);
    if (old_exe)
        program_unref(old_exe);
    fdtable_close_on_exec(p->files);
    signal_exec(p);
}

// In the loaded new space: zeroes, stack, registers.
static int fill_space(struct exec *x)
{
    struct thread *t = thread_current();
    vaddr_t sp = 0;
    int error = 0;

    for (unsigned i = 0; i < x->image.nclear && !error; i++)
        error = clear_user(x->image.clear[i].va, x->image.clear[i].len);
    if (!error)
        error = exec_build_stack(&x->args, &x->image, x->asked, &sp);
    struct trapframe *tf = context_reset(&t->context);
    tf->rip = x->image.entry_va;
    tf->rsp = sp;
    return error;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

// Everything that can fail, and the end of the other threads.
static int prepare(struct exec *x)
{
    int error = find_program(x);

    if (!error)
        error = prepare_space(x);
    return error ? error : process_single_thread();
}

static void become(struct exec *x)
{
    struct process *p = process_current();

    mutex_lock(&proc_tree_lock);
    p->execed = true;
    p->exit_signal = SIGCHLD;
    mutex_unlock(&proc_tree_lock);
    change_over(x, last_component(x->asked));
    if (fill_space(x) != 0)
        signal_kill_group(p, W_SIGNALED(SIGKILL));
}

// error: what came of getting the arguments.
static int execute(struct exec *x, int error)
{
    if (!error)
        error = prepare(x);
    if (!error)
        become(x);
    if (x->file)
        program_unref(x->file);
    if (x->space)
        vm_space_unref(x->space);
    exec_args_free(&x->args);
    return error;
}

int exec_user(struct vnode *dir, const char *path, vaddr_t argv_va, vaddr_t envp_va)
{
    struct exec x;

    begin(&x, dir, path);
    return execute(&x, exec_args_from_user(&x.args, argv_va, envp_va));
}

int exec_kernel(const char *path, const char *const *strings, unsigned argc, unsigned envc)
{
    struct exec x;

    begin(&x, root_vnode, path);
    return execute(&x, exec_args_from_kernel(&x.args, strings, argc, envc));
}
