// SPDX-License-Identifier: BSD-2-Clause
//
// The system-call table and what the calls share. A call gets its arguments as Linux's registers
// hold them and returns 0 or an errno, which the dispatcher negates; another answer than 0 it gives
// by answer(). What it does is in Linux's manual, section 2, and where this kernel supports less,
// its definition says so. Pointers from the program are vaddr_t
// and are only touched by the user copies.
//
// Each file of calls ends with its rows of the table. A row also says what the call's first
// arguments name: the dispatcher finds that, hands it over in their place and lets go of it.
//
// Locks: none held on entry; all calls may sleep.
#pragma once

#include "fs/file.h"
#include "amd64/trapframe.h"
#include "lib/types.h"
#include "proc/thread.h"

struct strbuf;

void syscall_init(void);        // joins the rows, registers the trap hook

// /proc/syscalls: calls, times called; then the unknown numbers that programs asked for.
int syscall_show(int pid, struct strbuf *out);
// /proc/refused: number, name, errno (0: it does nothing), and why.
int syscall_show_refused(int pid, struct strbuf *out);

// ---- rows ----

enum call_on {
    ON_NOTHING,                 // no call has this number, or no row is left
    ON_ARGS,                    // all arguments are the call's own
    ON_FILE,                    // fd: the call gets the struct file *; none opened by O_PATH
    ON_FD_VNODE,                // fd: the struct vnode * of such a file
    ON_ANY_FD_VNODE,            // fd: also of one opened by O_PATH
    ON_VNODE,                   // path: struct vnode *
    ON_VNODE_NOFOLLOW,          // path: struct vnode *, of a link itself
    ON_VNODE_AT,                // dirfd, path: struct vnode *
    ON_NAME,                    // path: const struct at_path *
    ON_NAME_AT,                 // dirfd, path: const struct at_path *
    ON_NAMES,                   // path, path: two const struct at_path *
    ON_NAMES_AT,                // dirfd, path, dirfd, path: two const struct at_path *
};

struct call {
    uint16_t nr;
    uint8_t on;                 // enum call_on; ON_NOTHING ends a file's rows
    uint8_t flags_at;           // ON_VNODE_AT: the argument (from 0) that has AT_* flags, if
    uint16_t may_flags;         //   any of these are allowed
    const char *name;
    void (*fn)(void);
};

#define CALL_FLAGS(nr, name, on, fn, flags_at, may)                                                \
    {nr, ON_##on, flags_at, may, #name, (void (*)(void))fn}
#define CALL_ON(nr, name, on, fn) CALL_FLAGS(nr, name, on, fn, 0, 0)
#define ALIAS(nr, name, as)       CALL_ON(nr, name, ARGS, sys_##as)
#define CALL(nr, name)            ALIAS(nr, name, name)

extern const struct call copy_calls[], dir_calls[], file_calls[], lock_calls[], misc_calls[],
    mm_calls[], poll_calls[], proc_calls[], signal_calls[], stat_calls[], thread_calls[],
    time_calls[];

// ---- helpers (helpers.c) ----

// What the call answers if it ends without an error: `return answer(n);'.
static inline int answer(long value)
{
    thread_frame(thread_current())->rax = (uint64_t)value;
    return 0;
}

// A path from user memory. Short ones need no allocation.
struct upath {
    char *str;
    char small[128];
};
int upath_get(struct upath *p, vaddr_t va);     // EFAULT, ENAMETOOLONG, ENOMEM
void upath_put(struct upath *p);                // also after an error

#define AT_FDCWD            (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR        0x200
#define AT_EACCESS          0x200
#define AT_SYMLINK_FOLLOW   0x400
#define AT_NO_AUTOMOUNT     0x800
#define AT_EMPTY_PATH       0x1000

// A path and the directory where it starts, referenced. ENOENT: it is empty; EBADF, ENOTDIR.
struct at_path {
    struct upath path;
    struct vnode *at;
};
int at_path_get(struct at_path *p, int dirfd, vaddr_t path_va);
void at_path_put(struct at_path *p);            // also after an error

// The vnode that (dirfd, path) names, referenced; flags as the AT_ ones, also AT_EMPTY_PATH.
int at_vnode(int dirfd, vaddr_t path_va, unsigned at_flags, struct vnode **v);

// They are put at the end of the block in which they are declared, which must get them.
#define SCOPED_UPATH   __attribute__((cleanup(upath_put)))
#define SCOPED_AT_PATH __attribute__((cleanup(at_path_put)))

// The open file behind fd, referenced, or NULL (EBADF), which it also is for what was opened with
// O_PATH: only calls that ask where a file is and not what it holds use fd_path, which takes that.
struct file *fd_file(int fd);
struct file *fd_path(int fd);

// fcntl's commands on locks, for f at fd; EINVAL for any other command (sys_lock.c).
int fcntl_lock(struct file *f, int fd, unsigned cmd, vaddr_t va);

// Linux's struct timespec and timeval to nanoseconds: EFAULT, EINVAL. Times beyond 200 years are
// cut.
int timespec_in(vaddr_t va, uint64_t *ns);
int timeval_in(vaddr_t va, uint64_t *ns);
int timespec_out(vaddr_t va, uint64_t ns);
int timeval_out(vaddr_t va, uint64_t ns);
uint64_t deadline_after(uint64_t ns);           // from now, never WAIT_FOREVER
// When a timeout in user memory ends; 1: at once, WAIT_FOREVER: there is none. in: as timespec_in.
int deadline_in(vaddr_t va, int (*in)(vaddr_t va, uint64_t *ns), uint64_t *deadline_ns);
