// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on names: making, removing, linking and renaming them, directories and listings.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "sys/syscall.h"

#define S_IFMT  0170000u
#define S_IFREG 0100000u

static uint32_t masked(uint32_t mode)
{
    return mode & 07777 & ~process_current()->dirs->umask;
}

static int sys_mkdir(const struct at_path *p, uint32_t mode)
{
    return vfs_mkdir(p->at, p->path.str, masked(mode));
}

// Only regular files: devices are in /dev, and named pipes are not supported.
static int sys_mknod(const struct at_path *p, uint32_t mode)
{
    struct file *f SCOPED_FILE = NULL;

    if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != S_IFREG)
        return EPERM;
    return file_open(p->at, p->path.str, O_CREAT | O_EXCL, masked(mode), &f);
}

static int sys_unlink(const struct at_path *p)
{
    return vfs_unlink(p->at, p->path.str);
}

static int sys_rmdir(const struct at_path *p)
{
    return vfs_rmdir(p->at, p->path.str);
}

static int sys_unlinkat(const struct at_path *p, unsigned flags)
{
    if (flags & ~(unsigned)AT_REMOVEDIR)
        return EINVAL;
    return flags ? sys_rmdir(p) : sys_unlink(p);
}

static int sys_symlinkat(vaddr_t target_va, int dirfd, vaddr_t path_va)
{
    struct upath target SCOPED_UPATH;
    int error = upath_get(&target, target_va);

    if (error)
        return error;
    if (target.str[0] == '\0')
        return ENOENT;
    struct at_path p SCOPED_AT_PATH;
    error = at_path_get(&p, dirfd, path_va);
    return error ? error : vfs_symlink(target.str, p.at, p.path.str);
}

static int sys_symlink(vaddr_t target_va, vaddr_t path_va)
{
    return sys_symlinkat(target_va, AT_FDCWD, path_va);
}

static int sys_link(const struct at_path *from, const struct at_path *to, unsigned flags)
{
    if (flags & ~(unsigned)AT_SYMLINK_FOLLOW)
        return EINVAL;
    return vfs_link(from->at, from->path.str, flags, to->at, to->path.str);
}

static int sys_renameat2(const struct at_path *from, const struct at_path *to, unsigned flags)
{
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return EINVAL;
    return vfs_rename(from->at, from->path.str, to->at, to->path.str, flags);
}

static int sys_rename(const struct at_path *from, const struct at_path *to)
{
    return sys_renameat2(from, to, 0);
}

// ---- listings ----

struct listing {
    vaddr_t to_va, end_va;
    int error;
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
        l->error = EINVAL; // if nothing was listed before
        return 1;
    }
    d.reclen = (uint16_t)size;
    memcpy(d.name, name, len);
    if (copyout(l->to_va, &d, size) != 0) {
        l->error = EFAULT;
        return 1;
    }
    l->to_va += size;
    return 0;
}

static int sys_getdents64(struct file *f, vaddr_t buf_va, unsigned len)
{
    struct vnode *v = f->vnode;
    struct listing l = {.to_va = buf_va, .end_va = buf_va + len};

    if (v->type != VDIR || !v->ops->readdir)
        return ENOTDIR;
    SCOPED_MUTEX(&f->pos_lock);
    SCOPED_READ(&v->lock);
    int error = v->ops->readdir(v, &f->offset, list_one, &l);
    if (l.to_va > buf_va)
        return answer((long)(l.to_va - buf_va));
    return l.error ? l.error : error;
}

// ---- the current directory ----

static int sys_chdir(struct vnode *v)
{
    if (v->type != VDIR)
        return ENOTDIR;
    vnode_ref(v);
    dirs_set_cwd(process_current()->dirs, v);
    return 0;
}

static int sys_getcwd(vaddr_t buf_va, size_t size)
{
    struct vnode *cwd SCOPED_VNODE = dirs_cwd(process_current()->dirs);
    char *path SCOPED_PATH = path_get();

    if (!path)
        return ENOMEM;
    int error = vnode_path(cwd, path, PATH_MAX);
    size_t len = error ? 0 : strlen(path) + 1;
    if (!error)
        error = len > size ? ERANGE : copyout(buf_va, path, len);
    return error ? error : answer((long)len);
}

// clang-format off
const struct call dir_calls[] = {
    CALL(79, getcwd), CALL_ON(80, chdir, VNODE, sys_chdir),
    CALL_ON(81, fchdir, ANY_FD_VNODE, sys_chdir), CALL_ON(82, rename, NAMES, sys_rename),
    CALL_ON(83, mkdir, NAME, sys_mkdir), CALL_ON(84, rmdir, NAME, sys_rmdir),
    CALL_ON(86, link, NAMES, sys_link), CALL_ON(87, unlink, NAME, sys_unlink), CALL(88, symlink),
    CALL_ON(133, mknod, NAME, sys_mknod), CALL_ON(217, getdents64, FILE, sys_getdents64),
    CALL_ON(258, mkdirat, NAME_AT, sys_mkdir), CALL_ON(259, mknodat, NAME_AT, sys_mknod),
    CALL_ON(263, unlinkat, NAME_AT, sys_unlinkat), CALL_ON(264, renameat, NAMES_AT, sys_rename),
    CALL_ON(265, linkat, NAMES_AT, sys_link), CALL(266, symlinkat),
    CALL_ON(316, renameat2, NAMES_AT, sys_renameat2), {0},
};
// clang-format on
