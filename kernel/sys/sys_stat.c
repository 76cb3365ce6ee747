// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on the attributes of files and file systems.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "sys/calls.h"
#include "sys/syscall.h"

struct stat64 { // Linux's struct stat for amd64
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev, size, blksize, blocks;
    uint64_t atime[2], mtime[2], ctime[2];
    uint64_t unused[3];
};
_Static_assert(sizeof(struct stat64) == 144, "Linux's size");

struct statx_time {
    int64_t sec;
    uint32_t nsec, pad;
};

struct statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct statx) == 256, "Linux's size");

#define STATX_BASIC 0x7ffu

enum { S_ISUID = 04000, S_ISGID = 02000, S_IXGRP = 010 };
enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };

// ---- stat ----

static void split_ns(uint64_t ns, uint64_t out[2])
{
    out[0] = ns / NS_PER_SEC;
    out[1] = ns % NS_PER_SEC;
}

static int stat_vnode(struct vnode *v, vaddr_t stat_va)
{
    struct vattr a;
    int err = vnode_getattr(v, &a);

    if (err)
        return err;
    struct stat64 st = {.dev = a.dev,
                        .ino = a.ino,
                        .nlink = a.nlink,
                        .mode = a.mode,
                        .uid = a.uid,
                        .gid = a.gid,
                        .rdev = a.rdev,
                        .size = a.size,
                        .blksize = PAGE_SIZE,
                        .blocks = a.blocks};
    split_ns(a.atime_ns, st.atime);
    split_ns(a.mtime_ns, st.mtime);
    split_ns(a.ctime_ns, st.ctime);
    return copyout(stat_va, &st, sizeof(st));
}

long sys_newfstatat(int dirfd, vaddr_t path_va, vaddr_t stat_va, unsigned flags)
{
    struct vnode *v;

    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
        return -EINVAL;
    int err = at_vnode(dirfd, path_va, flags, &v);
    if (err)
        return -err;
    err = stat_vnode(v, stat_va);
    vnode_unref(v);
    return -err;
}

long sys_stat(vaddr_t path_va, vaddr_t stat_va)
{
    return sys_newfstatat(AT_FDCWD, path_va, stat_va, 0);
}

long sys_lstat(vaddr_t path_va, vaddr_t stat_va)
{
    return sys_newfstatat(AT_FDCWD, path_va, stat_va, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(int fd, vaddr_t stat_va)
{
    struct file *f = fd_path(fd);

    if (!f)
        return -EBADF;
    int err = stat_vnode(f->vnode, stat_va);
    file_unref(f);
    return -err;
}

static struct statx_time to_statx_time(uint64_t ns)
{
    return (struct statx_time){.sec = (int64_t)(ns / NS_PER_SEC), .nsec = ns % NS_PER_SEC};
}

static uint32_t dev_major(uint64_t dev)
{
    return dev >> 8 & 0xfff;
}

static uint32_t dev_minor(uint64_t dev)
{
    return (dev & 0xff) | (dev >> 12 & 0xfff00);
}

long sys_statx(int dirfd, vaddr_t path_va, unsigned flags, unsigned mask, vaddr_t statx_va)
{
    struct vnode *v;
    struct vattr a;

    if ((mask & 1u << 31) || (flags & ~0x7900u))
        return -EINVAL;
    int err = at_vnode(dirfd, path_va, flags, &v);
    if (err)
        return -err;
    err = vnode_getattr(v, &a);
    vnode_unref(v);
    if (err)
        return -err;
    struct statx sx = {.mask = STATX_BASIC,
                       .blksize = PAGE_SIZE,
                       .nlink = a.nlink,
                       .uid = a.uid,
                       .gid = a.gid,
                       .mode = (uint16_t)a.mode,
                       .ino = a.ino,
                       .size = a.size,
                       .blocks = a.blocks,
                       .atime = to_statx_time(a.atime_ns),
                       .mtime = to_statx_time(a.mtime_ns),
                       .ctime = to_statx_time(a.ctime_ns),
                       .rdev_major = dev_major(a.rdev),
                       .rdev_minor = dev_minor(a.rdev),
                       .dev_major = dev_major(a.dev),
                       .dev_minor = dev_minor(a.dev)};
    return -copyout(statx_va, &sx, sizeof(sx));
}

// ---- access: the one user, root, may read and write all, and execute what has an x bit ----

long sys_faccessat2(int dirfd, vaddr_t path_va, unsigned mode, unsigned flags)
{
    struct vnode *v;
    struct vattr a;

    if ((mode & ~7u) || (flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    int err = at_vnode(dirfd, path_va, flags & ~(unsigned)AT_EACCESS, &v);
    if (err)
        return -err;
    err = vnode_getattr(v, &a);
    if (!err && (mode & 1) && v->type != VDIR && !(a.mode & 0111))
        err = EACCES;
    vnode_unref(v);
    return -err;
}

long sys_faccessat(int dirfd, vaddr_t path_va, unsigned mode)
{
    return sys_faccessat2(dirfd, path_va, mode, 0);
}

long sys_access(vaddr_t path_va, unsigned mode)
{
    return sys_faccessat2(AT_FDCWD, path_va, mode, 0);
}

// ---- changing ----

static int set_attributes(struct vnode *v, const struct vattr *a, unsigned which)
{
    if (!which)
        return 0;
    if (!v->ops->setattr)
        return EPERM;
    rw_lock_write(&v->lock);
    int err = v->ops->setattr(v, a, which);
    rw_unlock_write(&v->lock);
    return err;
}

// A change of owner, also to the same one, takes the set-user-id bit from a file, and the
// set-group-id bit if the group may execute it.
static int set_owner(struct vnode *v, uint32_t uid, uint32_t gid)
{
    unsigned which = (uid != ~0u ? VA_UID : 0) | (gid != ~0u ? VA_GID : 0);
    struct vattr a;

    if (!v->ops->setattr)
        return which ? EPERM : 0;
    rw_lock_write(&v->lock);
    int err = v->ops->getattr(v, &a);
    if (!err && v->type != VDIR && a.mode & (S_ISUID | S_ISGID)) {
        a.mode &= a.mode & S_IXGRP ? ~(S_ISUID | S_ISGID) : ~S_ISUID;
        which |= VA_MODE;
    }
    a.uid = uid;
    a.gid = gid;
    if (!err && which)
        err = v->ops->setattr(v, &a, which);
    rw_unlock_write(&v->lock);
    return err;
}

static long set_at(int dirfd, vaddr_t path_va, unsigned flags, const struct vattr *a,
                   unsigned which)
{
    struct vnode *v;
    int err = at_vnode(dirfd, path_va, flags, &v);

    if (err)
        return -err;
    err = set_attributes(v, a, which);
    vnode_unref(v);
    return -err;
}

static long set_fd(int fd, const struct vattr *a, unsigned which)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    int err = set_attributes(f->vnode, a, which);
    file_unref(f);
    return -err;
}

long sys_fchmodat(int dirfd, vaddr_t path_va, uint32_t mode)
{
    const struct vattr a = {.mode = mode & 07777};

    return set_at(dirfd, path_va, 0, &a, VA_MODE);
}

long sys_chmod(vaddr_t path_va, uint32_t mode)
{
    return sys_fchmodat(AT_FDCWD, path_va, mode);
}

long sys_fchmod(int fd, uint32_t mode)
{
    const struct vattr a = {.mode = mode & 07777};

    return set_fd(fd, &a, VA_MODE);
}

long sys_fchownat(int dirfd, vaddr_t path_va, uint32_t uid, uint32_t gid, unsigned flags)
{
    struct vnode *v;

    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int err = at_vnode(dirfd, path_va, flags, &v);
    if (err)
        return -err;
    err = set_owner(v, uid, gid);
    vnode_unref(v);
    return -err;
}

long sys_chown(vaddr_t path_va, uint32_t uid, uint32_t gid)
{
    return sys_fchownat(AT_FDCWD, path_va, uid, gid, 0);
}

long sys_lchown(vaddr_t path_va, uint32_t uid, uint32_t gid)
{
    return sys_fchownat(AT_FDCWD, path_va, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, uint32_t uid, uint32_t gid)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    int err = set_owner(f->vnode, uid, gid);
    file_unref(f);
    return -err;
}

// times_va NULL: now.
static int times_in(vaddr_t times_va, struct vattr *a, unsigned *which)
{
    uint64_t now = clock_realtime_ns();
    int64_t t[4] = {0, UTIME_NOW, 0, UTIME_NOW};

    if (times_va && copyin(t, times_va, sizeof(t)) != 0)
        return EFAULT;
    for (unsigned i = 0; i < 4; i += 2) {
        uint64_t *field = i == 0 ? &a->atime_ns : &a->mtime_ns;
        if (t[i + 1] == UTIME_OMIT)
            continue;
        *which |= i == 0 ? VA_ATIME : VA_MTIME;
        if (t[i + 1] == UTIME_NOW)
            *field = now;
        else if (t[i] < 0 || t[i + 1] < 0 || t[i + 1] >= (int64_t)NS_PER_SEC)
            return EINVAL;
        else
            *field = (uint64_t)t[i] * NS_PER_SEC + (uint64_t)t[i + 1];
    }
    return 0;
}

long sys_utimensat(int dirfd, vaddr_t path_va, vaddr_t times_va, unsigned flags)
{
    struct vattr a = {0};
    unsigned which = 0;

    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int err = times_in(times_va, &a, &which);
    if (err)
        return -err;
    if (!path_va)
        return dirfd == AT_FDCWD ? -EFAULT : set_fd(dirfd, &a, which);
    return set_at(dirfd, path_va, flags, &a, which);
}

long sys_truncate(vaddr_t path_va, off_t size)
{
    struct vnode *v;

    if (size < 0)
        return -EINVAL;
    int err = at_vnode(AT_FDCWD, path_va, 0, &v);
    if (err)
        return -err;
    err = vfs_truncate(v, (uint64_t)size);
    vnode_unref(v);
    return -err;
}

// ---- links ----

long sys_readlinkat(int dirfd, vaddr_t path_va, vaddr_t buf_va, int size)
{
    struct vnode *v;
    size_t len = 0;
    char first;

    if (size <= 0)
        return -EINVAL;
    int err = at_vnode(dirfd, path_va, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &v);
    if (err)
        return -err;
    char *target = path_get();
    if (!target)
        err = ENOMEM;
    else if (v->type != VLNK || !v->ops->readlink)
        err = copyin(&first, path_va, 1) || first ? EINVAL : ENOENT;
    if (!err)
        err = v->ops->readlink(v, target, PATH_MAX, &len);
    len = min(len, (size_t)size);
    if (!err)
        err = copyout(buf_va, target, len);
    path_put(target);
    vnode_unref(v);
    return err ? -err : (long)len;
}

long sys_readlink(vaddr_t path_va, vaddr_t buf_va, int size)
{
    return sys_readlinkat(AT_FDCWD, path_va, buf_va, size);
}

long sys_umask(uint32_t mask)
{
    return __atomic_exchange_n(&process_current()->dirs->umask, mask & 0777, __ATOMIC_RELAXED);
}
