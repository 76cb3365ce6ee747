// SPDX-License-Identifier: BSD-2-Clause
//
// What many calls do with their arguments: paths, directories, I/O vectors, times.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "sync/waitq.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define MAX_TIME_NS (200ul * 365 * 86400 * NS_PER_SEC)

// ---- paths ----

int upath_get(struct upath *p, vaddr_t va)
{
    p->str = p->small;
    int error = copyinstr(p->small, va, sizeof(p->small), NULL);
    if (error != ENAMETOOLONG)
        return error;
    p->str = path_get();
    return p->str ? copyinstr(p->str, va, PATH_MAX, NULL) : ENOMEM;
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

// The current directory or the file behind a descriptor, referenced.
static int fd_vnode(int fd, struct vnode **v)
{
    if (fd == AT_FDCWD) {
        *v = dirs_cwd(process_current()->dirs);
        return 0;
    }
    struct file *f SCOPED_FILE = fd_path(fd);
    if (!f)
        return EBADF;
    vnode_ref(f->vnode);
    *v = f->vnode;
    return 0;
}

int at_path_get(struct at_path *p, int dirfd, vaddr_t path_va)
{
    p->at = NULL;
    int error = upath_get(&p->path, path_va);
    if (error)
        return error;
    if (p->path.str[0] == '\0')
        return ENOENT;
    if (p->path.str[0] != '/') {
        error = fd_vnode(dirfd, &p->at);
        return error ? error : p->at->type == VDIR ? 0 : ENOTDIR;
    }
    vnode_ref(root_vnode);
    p->at = root_vnode;
    return 0;
}

void at_path_put(struct at_path *p)
{
    if (p->at)
        vnode_unref(p->at);
    upath_put(&p->path);
}

int at_vnode(int dirfd, vaddr_t path_va, unsigned at_flags, struct vnode **v)
{
    struct at_path p SCOPED_AT_PATH;
    int error = at_path_get(&p, dirfd, path_va);

    if (error == ENOENT && (at_flags & AT_EMPTY_PATH))
        return fd_vnode(dirfd, v);
    return error ? error
                 : namei(p.at, p.path.str, at_flags & AT_SYMLINK_NOFOLLOW ? 0 : NAMEI_FOLLOW, v,
                         NULL);
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

int deadline_in(vaddr_t va, int (*in)(vaddr_t va, uint64_t *ns), uint64_t *deadline_ns)
{
    uint64_t ns;
    int error = va ? in(va, &ns) : 0;

    if (!error)
        *deadline_ns = !va ? WAIT_FOREVER : ns ? deadline_after(ns) : 1;
    return error;
}
