// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on the attributes of files and file systems.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "sys/syscall.h"

struct stat64 { // Linux's struct stat for amd64
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev, size, blksize, blocks;
    uint64_t atime[2], mtime[2], ctime[2];
    uint64_t unused[3];
};
_Static_assert(sizeof(struct stat64) == 144, "Linux's size");

enum { S_ISUID = 04000, S_ISGID = 02000, S_IXGRP = 010 };
enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };

// ---- stat ----

static void split_ns(uint64_t ns, uint64_t out[2])
{
    out[0] = ns / NS_PER_SEC;
    out[1] = ns % NS_PER_SEC;
}

static int sys_stat(struct vnode *v, vaddr_t stat_va)
{
    struct vattr a;
    int error = vnode_getattr(v, &a);

    if (error)
        return error;
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

// ---- access: the one user, root, may read and write all, and execute what has an x bit ----

static int sys_access(struct vnode *v, unsigned mode)
{
    struct vattr a;
    int error = mode & ~7u ? EINVAL : vnode_getattr(v, &a);

    if (!error && (mode & 1) && v->type != VDIR && !(a.mode & 0111))
        error = EACCES;
    return error;
}

// ---- changing ----

static int set_attributes(struct vnode *v, const struct vattr *a, unsigned which)
{
    if (!which)
        return 0;
    if (!v->ops->setattr)
        return EPERM;
    SCOPED_WRITE(&v->lock);
    return v->ops->setattr(v, a, which);
}

static int sys_chmod(struct vnode *v, uint32_t mode)
{
    return set_attributes(v, &(struct vattr){.mode = mode & 07777}, VA_MODE);
}

// A change of owner, also to the same one, takes the set-user-id bit from a file, and the
// set-group-id bit if the group may execute it.
static int sys_chown(struct vnode *v, uint32_t uid, uint32_t gid)
{
    unsigned which = (uid != ~0u ? VA_UID : 0) | (gid != ~0u ? VA_GID : 0);
    struct vattr a;

    if (!v->ops->setattr)
        return which ? EPERM : 0;
    SCOPED_WRITE(&v->lock);
    int error = v->ops->getattr(v, &a);
    if (!error && v->type != VDIR && a.mode & (S_ISUID | S_ISGID)) {
        a.mode &= a.mode & S_IXGRP ? ~(S_ISUID | S_ISGID) : ~S_ISUID;
        which |= VA_MODE;
    }
    a.uid = uid;
    a.gid = gid;
    return error || !which ? error : v->ops->setattr(v, &a, which);
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

static int sys_utimensat(int dirfd, vaddr_t path_va, vaddr_t times_va, unsigned flags)
{
    struct file *f SCOPED_FILE = NULL;
    struct vnode *v SCOPED_VNODE = NULL;
    struct vattr a = {0};
    unsigned which = 0;

    if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return EINVAL;
    int error = times_in(times_va, &a, &which);
    if (!error && path_va)
        error = at_vnode(dirfd, path_va, flags, &v);
    else if (!error && dirfd == AT_FDCWD)
        error = EFAULT;
    else if (!error && !(f = fd_file(dirfd)))
        error = EBADF;
    return error ? error : set_attributes(f ? f->vnode : v, &a, which);
}

static int sys_truncate(struct vnode *v, off_t size)
{
    return size < 0 ? EINVAL : vfs_truncate(v, (uint64_t)size);
}

// ---- links ----

static int sys_readlinkat(int dirfd, vaddr_t path_va, vaddr_t buf_va, int size)
{
    char *target SCOPED_PATH = NULL;
    struct vnode *v SCOPED_VNODE = NULL;
    size_t len = 0;
    char first;

    if (size <= 0)
        return EINVAL;
    int error = at_vnode(dirfd, path_va, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &v);
    if (error)
        return error;
    if (v->type != VLNK || !v->ops->readlink)
        return copyin(&first, path_va, 1) || first ? EINVAL : ENOENT;
    target = path_get();
    error = target ? v->ops->readlink(v, target, PATH_MAX, &len) : ENOMEM;
    len = min(len, (size_t)size);
    if (!error)
        error = copyout(buf_va, target, len);
    return error ? error : answer((long)len);
}

static int sys_readlink(vaddr_t path_va, vaddr_t buf_va, int size)
{
    return sys_readlinkat(AT_FDCWD, path_va, buf_va, size);
}

static int sys_umask(uint32_t mask)
{
    return answer(swap_relaxed(&process_current()->dirs->umask, mask & 0777));
}

#define AT_LOOKUP (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

// clang-format off
const struct call stat_calls[] = {
    CALL_ON(4, stat, VNODE, sys_stat), CALL_ON(5, fstat, ANY_FD_VNODE, sys_stat),
    CALL_ON(6, lstat, VNODE_NOFOLLOW, sys_stat), CALL_ON(21, access, VNODE, sys_access),
    CALL_ON(76, truncate, VNODE, sys_truncate), CALL(89, readlink),
    CALL_ON(90, chmod, VNODE, sys_chmod), CALL_ON(91, fchmod, FD_VNODE, sys_chmod),
    CALL_ON(92, chown, VNODE, sys_chown), CALL_ON(93, fchown, FD_VNODE, sys_chown),
    CALL_ON(94, lchown, VNODE_NOFOLLOW, sys_chown), CALL(95, umask),
    CALL_FLAGS(260, fchownat, VNODE_AT, sys_chown, 4, AT_LOOKUP),
    CALL_FLAGS(262, newfstatat, VNODE_AT, sys_stat, 3, AT_LOOKUP | AT_NO_AUTOMOUNT),
    CALL(267, readlinkat), CALL_ON(268, fchmodat, VNODE_AT, sys_chmod),
    CALL_ON(269, faccessat, VNODE_AT, sys_access), CALL(280, utimensat),
    CALL_FLAGS(439, faccessat2, VNODE_AT, sys_access, 3, AT_LOOKUP | AT_EACCESS), {0},
};
// clang-format on
