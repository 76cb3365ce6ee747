// SPDX-License-Identifier: BSD-2-Clause
//
// The system-call table and what the calls share. A call gets its arguments as Linux's registers
// hold them and returns the result or -errno. Pointers from the program are vaddr_t and are only
// touched by the user copies.
//
// Locks: none held on entry; all calls may sleep.
#pragma once

#include "fs/vnode.h"
#include "lib/types.h"

struct file;
struct strbuf;

void syscall_init(void);        // registers the trap hook

// /proc/syscalls: calls, times called; then the unknown numbers that programs asked for.
int syscall_show(int pid, struct strbuf *out);
// /proc/refused: number, name, errno (0: it does nothing), and why.
int syscall_show_refused(int pid, struct strbuf *out);

// ---- helpers (helpers.c) ----

// A path from user memory. Short ones need no allocation.
struct upath {
    char *str;
    char small[128];
};
int upath_get(struct upath *p, vaddr_t va);     // EFAULT, ENAMETOOLONG, ENOMEM
void upath_put(struct upath *p);

#define AT_FDCWD            (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR        0x200
#define AT_EACCESS          0x200
#define AT_SYMLINK_FOLLOW   0x400
#define AT_NO_AUTOMOUNT     0x800
#define AT_EMPTY_PATH       0x1000

// The directory where a path of an *at call starts, referenced. EBADF, ENOTDIR.
int at_dir(int dirfd, const char *path, struct vnode **dir);

// The vnode that (dirfd, path) names, referenced; flags as the AT_ ones, also AT_EMPTY_PATH.
int at_vnode(int dirfd, vaddr_t path_va, unsigned at_flags, struct vnode **v);

// A path and the directory where it starts, referenced.
struct at_path {
    struct upath path;
    struct vnode *at;
};
int at_path_get(struct at_path *p, int dirfd, vaddr_t path_va);
void at_path_put(struct at_path *p);

// The open file behind fd, referenced, or NULL (EBADF), which it also is for what was opened with
// O_PATH: only what fd_path serves, calls that ask where a file is and not what it holds, takes
// that.
struct file *fd_file(int fd);
struct file *fd_path(int fd);

// fcntl's commands on locks, for f at fd; EINVAL for any other command (sys_lock.c).
long fcntl_lock(struct file *f, int fd, unsigned cmd, vaddr_t va);

// The I/O vector of readv and its kin, in v (room for IOV_FAST) or allocated.
#define IOV_FAST 8
#define IOV_MAX  1024
struct uiov {
    struct uio_vec *vec;
    unsigned n;
    struct uio_vec fast[IOV_FAST];
};
int uiov_get(struct uiov *v, vaddr_t iov_va, uint64_t n);
void uiov_put(struct uiov *v);

// Linux's struct timespec and timeval to nanoseconds: EFAULT, EINVAL. Times beyond 200 years are
// cut.
int timespec_in(vaddr_t va, uint64_t *ns);
int timeval_in(vaddr_t va, uint64_t *ns);
int timespec_out(vaddr_t va, uint64_t ns);
int timeval_out(vaddr_t va, uint64_t ns);
uint64_t deadline_after(uint64_t ns);           // from now, never WAIT_FOREVER
