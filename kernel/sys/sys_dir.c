// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on names: making, removing, linking and renaming them, directories and listings.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "sys/calls.h"
#include "sys/syscall.h"

#define S_IFMT  0170000u
#define S_IFREG 0100000u

static uint32_t masked(uint32_t mode)
{
    return mode & 07777 & ~process_current()->dirs->umask;
}

long sys_mkdirat(int dirfd, vaddr_t path_va, uint32_t mode)
{
    struct at_path p;
    int err = at_path_get(&p, dirfd, path_va);

    if (err)
        return -err;
    err = vfs_mkdir(p.at, p.path.str, masked(mode));
    at_path_put(&p);
    return -err;
}

long sys_mkdir(vaddr_t path_va, uint32_t mode)
{
    return sys_mkdirat(AT_FDCWD, path_va, mode);
}

// Only regular files: devices are in /dev, and named pipes are not supported.
long sys_mknodat(int dirfd, vaddr_t path_va, uint32_t mode, uint64_t dev)
{
    struct at_path p;
    struct file *f;
    int err = at_path_get(&p, dirfd, path_va);

    (void)dev;
    if (err)
        return -err;
    if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != S_IFREG)
        err = EPERM;
    else
        err = file_open(p.at, p.path.str, O_CREAT | O_EXCL, masked(mode), &f);
    if (!err)
        file_unref(f);
    at_path_put(&p);
    return -err;
}

long sys_mknod(vaddr_t path_va, uint32_t mode, uint64_t dev)
{
    return sys_mknodat(AT_FDCWD, path_va, mode, dev);
}

long sys_unlinkat(int dirfd, vaddr_t path_va, unsigned flags)
{
    struct at_path p;

    if (flags & ~(unsigned)AT_REMOVEDIR)
        return -EINVAL;
    int err = at_path_get(&p, dirfd, path_va);
    if (err)
        return -err;
    err = flags & AT_REMOVEDIR ? vfs_rmdir(p.at, p.path.str) : vfs_unlink(p.at, p.path.str);
    at_path_put(&p);
    return -err;
}

long sys_unlink(vaddr_t path_va)
{
    return sys_unlinkat(AT_FDCWD, path_va, 0);
}

long sys_rmdir(vaddr_t path_va)
{
    return sys_unlinkat(AT_FDCWD, path_va, AT_REMOVEDIR);
}

long sys_symlinkat(vaddr_t target_va, int dirfd, vaddr_t path_va)
{
    struct upath target;
    struct at_path p;
    int err = upath_get(&target, target_va);

    if (err)
        return -err;
    err = target.str[0] ? at_path_get(&p, dirfd, path_va) : ENOENT;
    if (!err) {
        err = vfs_symlink(target.str, p.at, p.path.str);
        at_path_put(&p);
    }
    upath_put(&target);
    return -err;
}

long sys_symlink(vaddr_t target_va, vaddr_t path_va)
{
    return sys_symlinkat(target_va, AT_FDCWD, path_va);
}

long sys_linkat(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va, unsigned flags)
{
    struct at_path old, new;

    if (flags & ~(unsigned)AT_SYMLINK_FOLLOW)
        return -EINVAL;
    int err = at_path_get(&old, old_fd, old_va);
    if (err)
        return -err;
    err = at_path_get(&new, new_fd, new_va);
    if (!err) {
        err = vfs_link(old.at, old.path.str, flags & AT_SYMLINK_FOLLOW, new.at, new.path.str);
        at_path_put(&new);
    }
    at_path_put(&old);
    return -err;
}

long sys_link(vaddr_t old_va, vaddr_t new_va)
{
    return sys_linkat(AT_FDCWD, old_va, AT_FDCWD, new_va, 0);
}

long sys_renameat2(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va, unsigned flags)
{
    struct at_path old, new;

    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int err = at_path_get(&old, old_fd, old_va);
    if (err)
        return -err;
    err = at_path_get(&new, new_fd, new_va);
    if (!err) {
        err = vfs_rename(old.at, old.path.str, new.at, new.path.str, flags);
        at_path_put(&new);
    }
    at_path_put(&old);
    return -err;
}

long sys_renameat(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va)
{
    return sys_renameat2(old_fd, old_va, new_fd, new_va, 0);
}

long sys_rename(vaddr_t old_va, vaddr_t new_va)
{
    return sys_renameat2(AT_FDCWD, old_va, AT_FDCWD, new_va, 0);
}

// ---- listings ----

struct listing {
    vaddr_t to_va, end_va;
    int err;
};

struct dirent64 { // Linux's, the name behind it
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[NAME_MAX + 1 + 8];
} __attribute__((packed));

static int list_one(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type, off_t next)
{
    struct listing *l = arg;
    struct dirent64 d = {.ino = ino, .off = next, .type = type};
    size_t size = (offsetof(struct dirent64, name) + len + 1 + 7) & ~7ul;

    if (size > l->end_va - l->to_va) {
        l->err = EINVAL; // if nothing was listed before
        return 1;
    }
    d.reclen = (uint16_t)size;
    memcpy(d.name, name, len);
    if (copyout(l->to_va, &d, size) != 0) {
        l->err = EFAULT;
        return 1;
    }
    l->to_va += size;
    return 0;
}

static long list_directory(struct file *f, vaddr_t buf_va, size_t len)
{
    struct vnode *v = f->vnode;
    struct listing l = {.to_va = buf_va, .end_va = buf_va + len};

    if (v->type != VDIR || !v->ops->readdir)
        return -ENOTDIR;
    mutex_lock(&f->pos_lock);
    rw_lock_read(&v->lock);
    int err = v->ops->readdir(v, &f->offset, list_one, &l);
    rw_unlock_read(&v->lock);
    mutex_unlock(&f->pos_lock);
    if (l.to_va > buf_va)
        return (long)(l.to_va - buf_va);
    return l.err ? -l.err : -err;
}

long sys_getdents64(int fd, vaddr_t buf_va, unsigned len)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    long result = list_directory(f, buf_va, len);
    file_unref(f);
    return result;
}

// ---- the current directory ----

static long change_directory(struct vnode *v)
{
    if (v->type != VDIR) {
        vnode_unref(v);
        return -ENOTDIR;
    }
    dirs_set_cwd(process_current()->dirs, v);
    return 0;
}

long sys_chdir(vaddr_t path_va)
{
    struct vnode *v;
    int err = at_vnode(AT_FDCWD, path_va, 0, &v);

    return err ? -err : change_directory(v);
}

long sys_fchdir(int fd)
{
    struct file *f = fd_path(fd);

    if (!f)
        return -EBADF;
    vnode_ref(f->vnode);
    long result = change_directory(f->vnode);
    file_unref(f);
    return result;
}

long sys_getcwd(vaddr_t buf_va, size_t size)
{
    char *path = path_get();

    if (!path)
        return -ENOMEM;
    struct vnode *cwd = dirs_cwd(process_current()->dirs);
    int err = vnode_path(cwd, path, PATH_MAX);
    vnode_unref(cwd);
    size_t len = err ? 0 : strlen(path) + 1;
    if (!err && len > size)
        err = ERANGE;
    if (!err)
        err = copyout(buf_va, path, len);
    path_put(path);
    return err ? -err : (long)len;
}
