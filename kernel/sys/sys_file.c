// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on open files: reading and writing, descriptors, fcntl, ioctl.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "sys/calls.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define RW_MAX 0x7ffff000ul // bytes that one call moves at most, as on Linux

enum {
    F_DUPFD,
    F_GETFD,
    F_SETFD,
    F_GETFL,
    F_SETFL,
    F_DUPFD_CLOEXEC = 1030,
    F_SETPIPE_SZ = 1031,
    F_GETPIPE_SZ = 1032
};
enum { FD_CLOEXEC = 1 };
enum { FIONCLEX = 0x5450, FIOCLEX = 0x5451, FIONBIO = 0x5421 };

// ---- reading and writing ----

// The result of a transfer: what was moved counts before what went wrong.
static long moved_or(int err, size_t moved)
{
    if (err == 0 || moved > 0)
        return (long)moved;
    if (err == EPIPE)
        signal_thread(thread_current(), SIGPIPE, NULL);
    return err == EINTR ? -ERESTART : -err;
}

typedef int (*transfer_fn)(struct file *f, struct uio_vec *vec, unsigned nvec, const off_t *pos,
                           size_t *moved);

static long transfer(int fd, struct uio_vec *vec, unsigned n, const off_t *pos, transfer_fn fn)
{
    struct file *f = fd_file(fd);
    size_t moved = 0;

    if (!f)
        return -EBADF;
    int err = fn(f, vec, n, pos, &moved);
    file_unref(f);
    return moved_or(err, moved);
}

long sys_read(int fd, vaddr_t buf_va, size_t len)
{
    struct uio_vec vec = {buf_va, min(len, RW_MAX)};

    return transfer(fd, &vec, 1, NULL, file_read);
}

long sys_write(int fd, vaddr_t buf_va, size_t len)
{
    struct uio_vec vec = {buf_va, min(len, RW_MAX)};

    return transfer(fd, &vec, 1, NULL, file_write);
}

long sys_pread64(int fd, vaddr_t buf_va, size_t len, off_t pos)
{
    struct uio_vec vec = {buf_va, min(len, RW_MAX)};

    return pos < 0 ? -EINVAL : transfer(fd, &vec, 1, &pos, file_read);
}

long sys_pwrite64(int fd, vaddr_t buf_va, size_t len, off_t pos)
{
    struct uio_vec vec = {buf_va, min(len, RW_MAX)};

    return pos < 0 ? -EINVAL : transfer(fd, &vec, 1, &pos, file_write);
}

static long vector_transfer(int fd, vaddr_t iov_va, uint64_t n, const off_t *pos, transfer_fn fn)
{
    struct uiov v;
    int err = uiov_get(&v, iov_va, n);

    if (err)
        return -err;
    long result = transfer(fd, v.vec, v.n, pos, fn);
    uiov_put(&v);
    return result;
}

long sys_readv(int fd, vaddr_t iov_va, uint64_t n)
{
    return vector_transfer(fd, iov_va, n, NULL, file_read);
}

long sys_writev(int fd, vaddr_t iov_va, uint64_t n)
{
    return vector_transfer(fd, iov_va, n, NULL, file_write);
}

long sys_preadv(int fd, vaddr_t iov_va, uint64_t n, off_t pos)
{
    return pos < 0 ? -EINVAL : vector_transfer(fd, iov_va, n, &pos, file_read);
}

long sys_pwritev(int fd, vaddr_t iov_va, uint64_t n, off_t pos)
{
    return pos < 0 ? -EINVAL : vector_transfer(fd, iov_va, n, &pos, file_write);
}

long sys_lseek(int fd, off_t offset, int whence)
{
    struct file *f = fd_file(fd);
    off_t result;

    if (!f)
        return -EBADF;
    int err = file_seek(f, offset, whence, &result);
    file_unref(f);
    return err ? -err : result;
}

// ---- opening and closing ----

// Gives f, whose reference it takes, a descriptor.
static long install(struct file *f, int min_fd, bool cloexec)
{
    struct process *p = process_current();
    int fd;
    int err = fdtable_install(p->files, f, min_fd, p->limits[RLIMIT_NOFILE].cur, cloexec, &fd);

    if (err)
        file_unref(f);
    return err ? -err : fd;
}

long sys_openat(int dirfd, vaddr_t path_va, unsigned flags, uint32_t mode)
{
    struct upath path;
    struct vnode *dir;
    struct file *f;
    int err = upath_get(&path, path_va);

    if (err)
        return -err;
    err = path.str[0] ? at_dir(dirfd, path.str, &dir) : ENOENT;
    if (!err) {
        err = file_open(dir, path.str, flags, mode & 07777 & ~process_current()->dirs->umask, &f);
        vnode_unref(dir);
    }
    upath_put(&path);
    if (err)
        return err == EINTR ? -ERESTART : -err;
    return install(f, 0, flags & O_CLOEXEC);
}

long sys_open(vaddr_t path_va, unsigned flags, uint32_t mode)
{
    return sys_openat(AT_FDCWD, path_va, flags, mode);
}

long sys_creat(vaddr_t path_va, uint32_t mode)
{
    return sys_openat(AT_FDCWD, path_va, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long sys_close(int fd)
{
    return -fdtable_close(process_current()->files, fd);
}

long sys_dup(int fd)
{
    struct file *f = fd_path(fd);

    return f ? install(f, 0, false) : -EBADF;
}

static long dup_to(int fd, int to, bool cloexec)
{
    struct process *p = process_current();
    struct file *f = fd_path(fd);

    if (!f)
        return -EBADF;
    int err = EBADF;
    if (to >= 0 && (uint64_t)to < p->limits[RLIMIT_NOFILE].cur)
        err = fdtable_install_at(p->files, f, to, cloexec);
    if (err)
        file_unref(f);
    return err ? -err : to;
}

long sys_dup2(int fd, int to)
{
    if (fd != to)
        return dup_to(fd, to, false);
    struct file *f = fd_path(fd);
    if (!f)
        return -EBADF;
    file_unref(f);
    return fd;
}

long sys_dup3(int fd, int to, unsigned flags)
{
    if (fd == to || (flags & ~(unsigned)O_CLOEXEC))
        return -EINVAL;
    return dup_to(fd, to, flags & O_CLOEXEC);
}

long sys_pipe2(vaddr_t fds_va, unsigned flags)
{
    struct file *rd, *wr;

    if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    int err = pipe_create(flags, &rd, &wr);
    if (err)
        return -err;
    long rfd = install(rd, 0, flags & O_CLOEXEC);
    if (rfd < 0) {
        file_unref(wr);
        return rfd;
    }
    long wfd = install(wr, 0, flags & O_CLOEXEC);
    const int fds[2] = {(int)rfd, (int)wfd};
    if (wfd >= 0 && copyout(fds_va, fds, sizeof(fds)) == 0)
        return 0;
    sys_close((int)rfd);
    if (wfd < 0)
        return wfd;
    sys_close((int)wfd);
    return -EFAULT;
}

long sys_pipe(vaddr_t fds_va)
{
    return sys_pipe2(fds_va, 0);
}

// ---- attributes of descriptors ----

static void set_status_flags(struct file *f, unsigned flags)
{
    const uint32_t changeable = O_APPEND | O_NONBLOCK;
    uint32_t old = __atomic_load_n(&f->flags, __ATOMIC_RELAXED);

    while (!__atomic_compare_exchange_n(&f->flags, &old, (old & ~changeable) | (flags & changeable),
                                        true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static long fcntl_file(struct file *f, int fd, unsigned cmd, uint64_t arg)
{
    struct fdtable *files = process_current()->files;
    bool cloexec;
    int err;

    if ((f->flags & O_PATH) && cmd != F_GETFD && cmd != F_SETFD && cmd != F_GETFL)
        return -EBADF;
    switch (cmd) {
    case F_GETFD:
        err = fdtable_get_cloexec(files, fd, &cloexec);
        return err ? -err : cloexec ? FD_CLOEXEC : 0;
    case F_SETFD:
        return -fdtable_set_cloexec(files, fd, arg & FD_CLOEXEC);
    case F_GETFL:
        return f->flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    case F_SETFL:
        set_status_flags(f, (unsigned)arg);
        return 0;
    default:
        return fcntl_lock(f, fd, cmd, arg);
    }
}

long sys_fcntl(int fd, unsigned cmd, uint64_t arg)
{
    struct file *f = fd_path(fd);

    if (!f)
        return -EBADF;
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        if (arg >= process_current()->limits[RLIMIT_NOFILE].cur) {
            file_unref(f);
            return -EINVAL;
        }
        return install(f, (int)arg, cmd == F_DUPFD_CLOEXEC);
    }
    long result = fcntl_file(f, fd, cmd, arg);
    file_unref(f);
    return result;
}

static long ioctl_file(struct file *f, int fd, unsigned long cmd, vaddr_t arg_va)
{
    struct fdtable *files = process_current()->files;
    int on;

    switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
        return -fdtable_set_cloexec(files, fd, cmd == FIOCLEX);
    case FIONBIO:
        if (copyin(&on, arg_va, sizeof(on)) != 0)
            return -EFAULT;
        set_status_flags(f, on ? f->flags | O_NONBLOCK : f->flags & ~(unsigned)O_NONBLOCK);
        return 0;
    default:
        if (!f->vnode->ops->ioctl)
            return -ENOTTY;
        int err = f->vnode->ops->ioctl(f->vnode, cmd, arg_va);
        return err == EINTR ? -ERESTART : -err;
    }
}

long sys_ioctl(int fd, unsigned cmd, vaddr_t arg_va)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    long result = ioctl_file(f, fd, cmd, arg_va);
    file_unref(f);
    return result;
}

// ---- whole files ----

static long sync_file(int fd, bool data_only)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    const struct vnode *v = f->vnode;
    bool can = v->ops->fsync || v->type == VREG || v->type == VDIR || v->type == VBLK;
    int err = can ? vnode_fsync(f->vnode, data_only) : EINVAL;
    file_unref(f);
    return -err;
}

long sys_fsync(int fd)
{
    return sync_file(fd, false);
}

long sys_fdatasync(int fd)
{
    return sync_file(fd, true);
}

long sys_sync(void)
{
    vfs_sync();
    return 0;
}

long sys_ftruncate(int fd, off_t size)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    int err = size < 0 || (f->flags & O_ACCMODE) == O_RDONLY || f->vnode->type != VREG
                  ? EINVAL
                  : vnode_truncate(f->vnode, (uint64_t)size);
    file_unref(f);
    return -err;
}

long sys_fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct file *f = fd_file(fd);

    (void)mode;
    if (!f)
        return -EBADF;
    file_unref(f);
    return offset < 0 || len <= 0 ? -EINVAL : -EOPNOTSUPP;
}

long sys_fadvise64(int fd, off_t offset, off_t len, int advice)
{
    struct file *f = fd_file(fd);

    (void)offset;
    if (!f)
        return -EBADF;
    bool pipe = f->vnode->type == VFIFO;
    file_unref(f);
    return pipe ? -ESPIPE : len < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}
