// SPDX-License-Identifier: BSD-2-Clause
//
// What many calls do with their arguments: paths, directories, I/O vectors, times.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define MAX_TIME_NS (200ul * 365 * 86400 * NS_PER_SEC)

// ---- paths ----

int upath_get(struct upath *p, vaddr_t va)
{
    p->str = p->small;
    int err = copyinstr(p->small, va, sizeof(p->small), NULL);
    if (err != ENAMETOOLONG)
        return err;
    p->str = path_get();
    if (!p->str)
        return ENOMEM;
    err = copyinstr(p->str, va, PATH_MAX, NULL);
    if (err)
        path_put(p->str);
    return err;
}

void upath_put(struct upath *p)
{
    if (p->str != p->small)
        path_put(p->str);
}

struct file *fd_path(int fd)
{
    return fdtable_get(process_current()->files, fd);
}

struct file *fd_file(int fd)
{
    struct file *f = fd_path(fd);

    if (!f || !(f->flags & O_PATH))
        return f;
    file_unref(f);
    return NULL;
}

int at_dir(int dirfd, const char *path, struct vnode **dir)
{
    if (path[0] == '/') {
        vnode_ref(root_vnode);
        *dir = root_vnode;
        return 0;
    }
    if (dirfd == AT_FDCWD) {
        *dir = dirs_cwd(process_current()->dirs);
        return 0;
    }
    struct file *f = fd_path(dirfd);
    if (!f)
        return EBADF;
    int err = f->vnode->type == VDIR ? 0 : ENOTDIR;
    if (!err) {
        vnode_ref(f->vnode);
        *dir = f->vnode;
    }
    file_unref(f);
    return err;
}

// The file behind dirfd itself.
static int fd_vnode(int fd, struct vnode **v)
{
    if (fd == AT_FDCWD) {
        *v = dirs_cwd(process_current()->dirs);
        return 0;
    }
    struct file *f = fd_path(fd);
    if (!f)
        return EBADF;
    vnode_ref(f->vnode);
    *v = f->vnode;
    file_unref(f);
    return 0;
}

int at_vnode(int dirfd, vaddr_t path_va, unsigned at_flags, struct vnode **v)
{
    struct upath path;
    struct vnode *dir;
    int err = upath_get(&path, path_va);

    if (err)
        return err;
    if (path.str[0] == '\0' && (at_flags & AT_EMPTY_PATH)) {
        err = fd_vnode(dirfd, v);
    } else if (path.str[0] == '\0') {
        err = ENOENT;
    } else {
        err = at_dir(dirfd, path.str, &dir);
        if (!err) {
            unsigned follow = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : NAMEI_FOLLOW;
            err = namei(dir, path.str, follow, v, NULL);
            vnode_unref(dir);
        }
    }
    upath_put(&path);
    return err;
}

int at_path_get(struct at_path *p, int dirfd, vaddr_t path_va)
{
    int err = upath_get(&p->path, path_va);

    if (err)
        return err;
    err = p->path.str[0] ? at_dir(dirfd, p->path.str, &p->at) : ENOENT;
    if (err)
        upath_put(&p->path);
    return err;
}

void at_path_put(struct at_path *p)
{
    vnode_unref(p->at);
    upath_put(&p->path);
}

// ---- I/O vectors ----

int uiov_get(struct uiov *v, vaddr_t iov_va, uint64_t n)
{
    size_t total = 0;

    v->vec = v->fast;
    v->n = (unsigned)n;
    if (n > IOV_MAX)
        return EINVAL;
    if (n > IOV_FAST && !(v->vec = slab_alloc(n * sizeof(*v->vec), 0)))
        return ENOMEM;
    int err = copyin(v->vec, iov_va, n * sizeof(*v->vec));
    for (unsigned i = 0; i < n && !err; i++) {
        if (v->vec[i].len > INT64_MAX - total)
            err = EINVAL;
        else
            total += v->vec[i].len;
    }
    if (err)
        uiov_put(v);
    return err;
}

void uiov_put(struct uiov *v)
{
    if (v->vec != v->fast)
        slab_free(v->vec);
}

// ---- times ----

static int time_in(vaddr_t va, int64_t units, uint64_t *ns)
{
    struct {
        int64_t sec, part;
    } t;

    if (copyin(&t, va, sizeof(t)) != 0)
        return EFAULT;
    if (t.sec < 0 || t.part < 0 || t.part >= units)
        return EINVAL;
    *ns = (uint64_t)t.sec >= MAX_TIME_NS / NS_PER_SEC
              ? MAX_TIME_NS
              : (uint64_t)t.sec * NS_PER_SEC + (uint64_t)t.part * (NS_PER_SEC / (uint64_t)units);
    return 0;
}

static int time_out(vaddr_t va, uint64_t ns, uint64_t unit_ns)
{
    const uint64_t t[2] = {ns / NS_PER_SEC, ns % NS_PER_SEC / unit_ns};

    return copyout(va, t, sizeof(t));
}

int timespec_in(vaddr_t va, uint64_t *ns)
{
    return time_in(va, NS_PER_SEC, ns);
}

int timeval_in(vaddr_t va, uint64_t *ns)
{
    return time_in(va, 1000000, ns);
}

int timespec_out(vaddr_t va, uint64_t ns)
{
    return time_out(va, ns, 1);
}

int timeval_out(vaddr_t va, uint64_t ns)
{
    return time_out(va, ns, 1000);
}

uint64_t deadline_after(uint64_t ns)
{
    return clock_ns() + min(ns, MAX_TIME_NS) + 1;
}
