// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on open files: reading and writing, descriptors, fcntl, ioctl.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define IOV_FAST 8 // vectors that need no memory
#define IOV_MAX  1024
#define RW_MAX   0x7ffff000ul // bytes that one call moves at most, as on Linux

enum { F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 1030 };
enum { FD_CLOEXEC = 1 };
enum { FIONCLEX = 0x5450, FIOCLEX = 0x5451, FIONBIO = 0x5421 };

// ---- reading and writing ----

// What was moved counts before what went wrong.
static int transfer(struct file *f, struct uio_vec *vec, unsigned n, const off_t *pos, bool write)
{
    size_t moved = 0;
    int error = file_transfer(f, vec, n, pos, write, &moved);

    if (!error || moved > 0)
        return answer((long)moved);
    if (error == EPIPE)
        signal_thread(thread_current(), SIGPIPE, NULL);
    return error;
}

static int sys_read(struct file *f, vaddr_t buf_va, size_t len)
{
    return transfer(f, &(struct uio_vec){buf_va, min(len, RW_MAX)}, 1, NULL, false);
}

static int sys_write(struct file *f, vaddr_t buf_va, size_t len)
{
    return transfer(f, &(struct uio_vec){buf_va, min(len, RW_MAX)}, 1, NULL, true);
}

static int sys_pread64(struct file *f, vaddr_t buf_va, size_t len, off_t pos)
{
    return transfer(f, &(struct uio_vec){buf_va, min(len, RW_MAX)}, 1, &pos, false);
}

static int sys_pwrite64(struct file *f, vaddr_t buf_va, size_t len, off_t pos)
{
    return transfer(f, &(struct uio_vec){buf_va, min(len, RW_MAX)}, 1, &pos, true);
}

static int vector_transfer(struct file *f, vaddr_t iov_va, uint64_t n, const off_t *pos, bool write)
{
    struct uio_vec fast[IOV_FAST], *vec = fast;
    struct uio_vec *more SCOPED_SLAB = NULL;

    if (n > IOV_MAX)
        return EINVAL;
    if (n > IOV_FAST && !(vec = more = slab_alloc(n * sizeof(*vec), 0)))
        return ENOMEM;
    if (copyin(vec, iov_va, n * sizeof(*vec)) != 0)
        return EFAULT;
    return transfer(f, vec, (unsigned)n, pos, write);
}

static int sys_readv(struct file *f, vaddr_t iov_va, uint64_t n)
{
    return vector_transfer(f, iov_va, n, NULL, false);
}

static int sys_writev(struct file *f, vaddr_t iov_va, uint64_t n)
{
    return vector_transfer(f, iov_va, n, NULL, true);
}

static int sys_preadv(struct file *f, vaddr_t iov_va, uint64_t n, off_t pos)
{
    return vector_transfer(f, iov_va, n, &pos, false);
}

static int sys_pwritev(struct file *f, vaddr_t iov_va, uint64_t n, off_t pos)
{
    return vector_transfer(f, iov_va, n, &pos, true);
}

static int sys_lseek(struct file *f, off_t offset, int whence)
{
    off_t result;
    int error = file_seek(f, offset, whence, &result);

    return error ? error : answer(result);
}

// ---- opening and closing ----

// Gives f, whose reference it takes, a descriptor.
static int install(struct file *f, int min_fd, bool cloexec, int *fd)
{
    struct process *p = process_current();
    int error = fdtable_install(p->files, f, min_fd, p->limits[RLIMIT_NOFILE].cur, cloexec, fd);

    if (error)
        file_unref(f);
    return error;
}

static int answer_with(struct file *f, int min_fd, bool cloexec)
{
    int fd;
    int error = install(f, min_fd, cloexec, &fd);

    return error ? error : answer(fd);
}

static int sys_open(const struct at_path *p, unsigned flags, uint32_t mode)
{
    struct file *f;

    mode &= 07777 & ~process_current()->dirs->umask;
    int error = file_open(p->at, p->path.str, flags, mode, &f);
    return error ? error : answer_with(f, 0, flags & O_CLOEXEC);
}

static int sys_creat(const struct at_path *p, uint32_t mode)
{
    return sys_open(p, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int sys_close(int fd)
{
    return fdtable_close(process_current()->files, fd);
}

static int sys_dup(int fd)
{
    struct file *f = fd_path(fd);

    return f ? answer_with(f, 0, false) : EBADF;
}

static int dup_to(int fd, int to, bool cloexec)
{
    struct process *p = process_current();
    struct file *f = fd_path(fd);
    int error = EBADF;

    if (!f)
        return EBADF;
    if (to >= 0 && (uint64_t)to < p->limits[RLIMIT_NOFILE].cur)
        error = fdtable_install_at(p->files, f, to, cloexec);
    if (error)
        file_unref(f);
    return error ? error : answer(to);
}

static int sys_dup2(int fd, int to)
{
    if (fd != to)
        return dup_to(fd, to, false);
    struct file *f SCOPED_FILE = fd_path(fd);
    return f ? answer(fd) : EBADF;
}

static int sys_dup3(int fd, int to, unsigned flags)
{
    if (fd == to || (flags & ~(unsigned)O_CLOEXEC))
        return EINVAL;
    return dup_to(fd, to, flags & O_CLOEXEC);
}

static int sys_pipe2(vaddr_t fds_va, unsigned flags)
{
    struct file *rd, *wr;
    int fds[2];

    if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return EINVAL;
    int error = pipe_create(flags, &rd, &wr);
    if (error)
        return error;
    error = install(rd, 0, flags & O_CLOEXEC, &fds[0]);
    if (error) {
        file_unref(wr);
        return error;
    }
    error = install(wr, 0, flags & O_CLOEXEC, &fds[1]);
    if (!error && (error = copyout(fds_va, fds, sizeof(fds))) != 0)
        sys_close(fds[1]);
    if (error)
        sys_close(fds[0]);
    return error;
}

static int sys_pipe(vaddr_t fds_va)
{
    return sys_pipe2(fds_va, 0);
}

// ---- attributes of descriptors ----

static void set_status_flags(struct file *f, unsigned flags)
{
    const uint32_t changeable = O_APPEND | O_NONBLOCK;
    uint32_t old = load_relaxed(&f->flags);

    while (!compare_swap_relaxed(&f->flags, &old, (old & ~changeable) | (flags & changeable)))
        ;
}

static int sys_fcntl(int fd, unsigned cmd, uint64_t arg)
{
    struct process *p = process_current();
    struct file *f SCOPED_FILE = fd_path(fd);
    bool cloexec;

    if (!f || ((f->flags & O_PATH) && cmd > F_GETFL && cmd != F_DUPFD_CLOEXEC))
        return EBADF;
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (arg >= p->limits[RLIMIT_NOFILE].cur)
            return EINVAL;
        file_ref(f);
        return answer_with(f, (int)arg, cmd == F_DUPFD_CLOEXEC);
    case F_GETFD:
        if (fdtable_get_cloexec(p->files, fd, &cloexec) != 0)
            return EBADF;
        return answer(cloexec ? FD_CLOEXEC : 0);
    case F_SETFD:
        return fdtable_set_cloexec(p->files, fd, arg & FD_CLOEXEC);
    case F_GETFL:
        return answer(f->flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC));
    case F_SETFL:
        set_status_flags(f, (unsigned)arg);
        return 0;
    default:
        return fcntl_lock(f, fd, cmd, arg);
    }
}

static int sys_ioctl(int fd, unsigned cmd, vaddr_t arg_va)
{
    struct file *f SCOPED_FILE = fd_file(fd);
    int on;

    if (!f)
        return EBADF;
    switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
        return fdtable_set_cloexec(process_current()->files, fd, cmd == FIOCLEX);
    case FIONBIO:
        if (copyin(&on, arg_va, sizeof(on)) != 0)
            return EFAULT;
        set_status_flags(f, on ? f->flags | O_NONBLOCK : f->flags & ~(unsigned)O_NONBLOCK);
        return 0;
    default:
        return f->vnode->ops->ioctl ? f->vnode->ops->ioctl(f->vnode, cmd, arg_va) : ENOTTY;
    }
}

// ---- whole files ----

static int sys_fsync(struct vnode *v)
{
    bool can = v->ops->fsync || v->type == VREG || v->type == VDIR || v->type == VBLK;

    return can ? vnode_fsync(v) : EINVAL;
}

static int sys_sync(void)
{
    vfs_sync();
    return 0;
}

static int sys_ftruncate(struct file *f, off_t size)
{
    if (size < 0 || (f->flags & O_ACCMODE) == O_RDONLY || f->vnode->type != VREG)
        return EINVAL;
    return vnode_truncate(f->vnode, (uint64_t)size);
}

static int sys_fadvise64(struct vnode *v, off_t offset UNUSED, off_t len, int advice)
{
    if (v->type == VFIFO)
        return ESPIPE;
    return len < 0 || advice < 0 || advice > 5 ? EINVAL : 0;
}

// clang-format off
const struct call file_calls[] = {
    CALL_ON(0, read, FILE, sys_read), CALL_ON(1, write, FILE, sys_write),
    CALL_ON(2, open, NAME, sys_open), CALL(3, close), CALL_ON(8, lseek, FILE, sys_lseek),
    CALL(16, ioctl), CALL_ON(17, pread64, FILE, sys_pread64),
    CALL_ON(18, pwrite64, FILE, sys_pwrite64), CALL_ON(19, readv, FILE, sys_readv),
    CALL_ON(20, writev, FILE, sys_writev), CALL(22, pipe), CALL(32, dup), CALL(33, dup2),
    CALL(72, fcntl), CALL_ON(74, fsync, FD_VNODE, sys_fsync),
    CALL_ON(75, fdatasync, FD_VNODE, sys_fsync), CALL_ON(77, ftruncate, FILE, sys_ftruncate),
    CALL_ON(85, creat, NAME, sys_creat), CALL(162, sync),
    CALL_ON(221, fadvise64, FD_VNODE, sys_fadvise64), CALL_ON(257, openat, NAME_AT, sys_open),
     CALL(292, dup3), CALL(293, pipe2),
    CALL_ON(295, preadv, FILE, sys_preadv), CALL_ON(296, pwritev, FILE, sys_pwritev), {0},
};
// clang-format on
