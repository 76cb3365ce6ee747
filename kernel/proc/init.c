// SPDX-License-Identifier: BSD-2-Clause
//
// The first process.
#include "dev/power.h"
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "proc/exec.h"
#include "proc/process.h"
#include "sync/scoped.h"

// Descriptors 0, 1 and 2: the console.
static int open_console(struct process *p)
{
    struct file *f;
    int fd, error = file_open(root_vnode, "/dev/console", O_RDWR, 0, &f);

    if (error)
        return error;
    for (unsigned i = 0; i < 3 && !error; i++) {
        file_ref(f);
        error = fdtable_install(p->files, f, 0, OPEN_MAX, false, &fd);
    }
    file_unref(f);
    return error;
}

// The first program, on its own stack.
static void run_init(void *arg)
{
    const char *path = arg;

    kctx_current()->reserve = RESERVE_KERNEL; // what it must do at the end it can
    int console_err = open_console(process_current());

    if (console_err)
        kprintf("init has no console: error %d\n", console_err);
    const char *const strings[] = {path, "HOME=/", "TERM=linux", "PATH=/bin"};
    int error = exec_kernel(path, strings, 1, array_len(strings) - 1);

    if (error)
        power_cannot_start("cannot run %s: error %d", path, error);
}

int process_start_init(const char *path)
{
    struct process *p = process_alloc();

    if (!p)
        return ENOMEM;
    vnode_ref(root_vnode);
    p->dirs = dirs_create(root_vnode, 022);
    limits_default(p);
    p->grouped = true;
    int error = p->dirs ? fdtable_create(&p->files) : ENOMEM;
    struct thread *t = error ? NULL : thread_create(p, "init", run_init, (void *)path);
    if (!t) {
        process_discard(p);
        return ENOMEM;
    }
    SCOPED_MUTEX(&proc_tree_lock);
    process_enter(p, NULL);
    KASSERT(p->pid == INIT_PID, "init is process %d", p->pid);
    init_process = p;
    thread_set_id(t, p->pid);
    SCOPED_SPIN(&p->sig_lock);
    thread_join_process(t);
    sched_start(t);
    return 0;
}
