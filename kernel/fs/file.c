// SPDX-License-Identifier: BSD-2-Clause
//
// Open files: what open(2) makes and dup and fork share. See file.h for the contract.

#include "fs/file.h"

#include "fs/file_lock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/scoped.h"
#include "sync/waitq.h"

#define TRANSFER_MAX 0x7ffff000ul // the most bytes one call moves, as on Linux

static struct pool file_pool;

void file_init(void)
{
    struct vm_page_stats pages;

    pool_init(&file_pool, "file", sizeof(struct file), 0, NULL);
    vm_page_get_stats(&pages);
    pool_set_limits(&file_pool, 0, pages.npages); // all open files: one for each page of memory
}

int file_alloc_error(void)
{
    bool full = load_relaxed(&file_pool.nitems_out) >= file_pool.max_items;

    return full ? ENFILE : ENOMEM;
}

struct file *file_alloc(struct vnode *v, unsigned flags)
{
    struct file *f = pool_get(&file_pool, PR_WAITOK | PR_ZERO);
    if (!f)
        return NULL;
    f->nrefs = 1;
    f->flags = flags;
    f->vnode = v;
    mutex_init(&f->pos_lock, "file position", LOCK_FILE_POS, 0);
    return f;
}

void file_ref(struct file *f)
{
    add_relaxed(&f->nrefs, 1);
}

void file_unref(struct file *f)
{
    KASSERT(f->nrefs > 0, "file %p", (void *)f);
    if (sub_acq_rel(&f->nrefs, 1) > 0)
        return;
    struct vnode *v = f->vnode;
    if (file_lock_any(v))
        file_lock_release(v, f);
    if (!(f->flags & O_PATH)) {
        if (v->type == VREG && (f->flags & O_ACCMODE) != O_RDONLY)
            vnode_end_write(v);
        if (v->ops->close)
            v->ops->close(v, f->flags);
    }
    pool_put(&file_pool, f);
    vnode_unref(v);
}

// What open(2) says of the vnode it is to open.
static int check_open(const struct vnode *v, unsigned flags)
{
    if (v->type == VDIR && (flags & O_ACCMODE) != O_RDONLY)
        return EISDIR;
    if (v->type != VDIR && (flags & O_DIRECTORY))
        return ENOTDIR;
    return v->type == VLNK && !(flags & O_PATH) ? ELOOP : 0;
}

// Opens the vnode for a new file; takes v's reference over, also on error.
static int open_vnode(struct vnode *v, unsigned flags, bool created, struct file **out)
{
    bool real = !(flags & O_PATH), writer = v->type == VREG && (flags & O_ACCMODE);
    int error = check_open(v, flags);

    if (!error && writer)
        error = vnode_begin_write(v);
    if (error) {
        vnode_unref(v);
        return error;
    }
    if (v->ops->open && real)
        error = v->ops->open(v, flags);
    if (!error) {
        if (v->type == VREG && (flags & O_TRUNC) && !created)
            error = vfs_truncate(v, 0);
        *out = error ? NULL
                     : file_alloc(v, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC));
        if (*out)
            return 0;
        error = error ? error : file_alloc_error();
        if (v->ops->close && real)
            v->ops->close(v, flags);
    }
    if (writer)
        vnode_end_write(v);
    vnode_unref(v);
    return error;
}

// ---- O_CREAT ----

// The vnode that O_CREAT names, made if it is not there, if need be where a link says; *out
// referenced. A path that ends in a slash names none.
static int create_vnode(struct vnode *cwd, const char *path, unsigned flags, uint32_t mode,
                        struct vnode **out, bool *created)
{
    unsigned follow = flags & (O_NOFOLLOW | O_EXCL) ? 0 : NAMEI_FOLLOW;
    struct vname n SCOPED_NAME = {0};
    size_t len = strlen(path);
    int error = ENOENT;

    if (len > 0 && path[len - 1] != '/')
        error = namei(cwd, path, follow, out, NULL);
    if (error == ENOENT) {
        error = namei(cwd, path, NAMEI_PARENT | follow, &n.dir, &n);
        if (error)
            return error;
        if (n.must_be_dir || n.len == 0)
            return n.len == 0 && (flags & O_EXCL) ? EEXIST : EISDIR;
        SCOPED_WRITE(&n.dir->lock);
        error = n.dir->ops->lookup(n.dir, n.str, n.len, out); // if another one was quicker
        *created = error == ENOENT;
        if (*created)
            return n.dir->ops->create
                       ? n.dir->ops->create(&n, VREG << VTYPE_SHIFT | mode, NULL, out)
                       : EACCES;
    }
    if (!error && ((flags & O_EXCL) || (*out)->type == VDIR)) {
        vnode_unref(*out);
        error = flags & O_EXCL ? EEXIST : EISDIR;
    }
    return error;
}

int file_open(struct vnode *cwd, const char *path, unsigned flags, uint32_t mode, struct file **out)
{
    bool created = false;
    struct vnode *v;
    int error;

    if ((flags & O_ACCMODE) == O_ACCMODE)
        return EINVAL;
    if (flags & O_PATH) // it has no access mode then, makes nothing and truncates nothing
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (flags & O_CREAT)
        error = flags & O_DIRECTORY ? EINVAL : create_vnode(cwd, path, flags, mode, &v, &created);
    else
        error = namei(cwd, path, flags & O_NOFOLLOW ? 0 : NAMEI_FOLLOW, &v, NULL);
    return error ? error : open_vnode(v, flags, created, out);
}

// ---- reading and writing ----

// The total of the user's vectors, capped; EINVAL if it overflows a ssize_t, EFAULT for one that
// does not lie in user space, which no fault could bring in.
static int total_length(const struct uio_vec *vec, unsigned nvec, size_t *total)
{
    *total = 0;
    for (unsigned i = 0; i < nvec; i++) {
        if (vec[i].len > (size_t)INT64_MAX - *total)
            return EINVAL;
        if (!user_range(vec[i].base, vec[i].len))
            return EFAULT;
        *total += vec[i].len;
    }
    *total = min(*total, TRANSFER_MAX);
    return 0;
}

static bool has_position(const struct vnode *v)
{
    return v->type == VREG || v->type == VDIR || v->type == VBLK;
}

bool file_has_position(const struct file *f)
{
    return has_position(f->vnode);
}

// Pipes and terminals: what can be waited for.
static bool is_stream(const struct vnode *v)
{
    return v->ops->poll;
}

int file_transfer(struct file *f, struct uio_vec *vec, unsigned nvec, const off_t *pos, bool write,
                  size_t *moved)
{
    struct vnode *v = f->vnode;
    struct uio uio = {.vec = vec, .nvec = nvec, .flags = f->flags, .write = write, .user = true};
    int (*op)(struct vnode *, struct uio *) = write ? v->ops->write : v->ops->read;
    bool shared_pos = has_position(v) && !pos;

    *moved = 0;
    if (pos && *pos < 0)
        return EINVAL;
    if (pos && is_stream(v))
        return ESPIPE;
    if ((f->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY))
        return EBADF;
    if (v->type == VDIR)
        return EISDIR;
    int error = total_length(vec, nvec, &uio.resid);
    if (!error && !op)
        error = EINVAL;
    if (error || nvec == 0)
        return error;
    size_t total = uio.resid;
    if (shared_pos)
        mutex_lock(&f->pos_lock);
    uio.offset = pos ? *pos : f->offset;
    error = op(v, &uio);
    *moved = total - uio.resid;
    if (shared_pos) {
        if (*moved > 0)
            f->offset = uio.offset;
        mutex_unlock(&f->pos_lock);
    }
    return *moved > 0 ? 0 : error;
}

enum { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };

int file_base(struct file *f, int whence, off_t *base)
{
    struct vattr va;
    int error = 0;

    *base = 0;
    if (whence == SEEK_CUR) {
        *base = load_relaxed(&f->offset);
    } else if (whence == SEEK_END) {
        error = vnode_getattr(f->vnode, &va);
        *base = error ? 0 : (off_t)va.size;
    } else if (whence != SEEK_SET) {
        error = EINVAL;
    }
    return error;
}

int file_seek(struct file *f, off_t offset, int whence, off_t *result)
{
    bool holes = whence == SEEK_DATA || whence == SEEK_HOLE; // no file has any that we report
    off_t base;

    *result = 0;
    if (is_stream(f->vnode))
        return ESPIPE;
    if (!has_position(f->vnode))
        return 0;
    SCOPED_MUTEX(&f->pos_lock);
    int error = file_base(f, holes ? SEEK_END : whence, &base);
    if (error)
        return error;
    if (holes && (offset < 0 || offset >= base))
        return ENXIO;
    if (whence == SEEK_DATA)
        base = 0;
    else if (whence == SEEK_HOLE)
        offset = 0;
    if (__builtin_add_overflow(base, offset, &base) || base < 0)
        return EINVAL;
    *result = f->offset = base;
    return 0;
}

void pollset_add(struct pollset *ps, struct waitq *q)
{
    if (!ps)
        return;
    KASSERT(ps->n < ps->max, "%u waiters", ps->n);
    waitq_add(q, &ps->waiters[ps->n++]);
}

unsigned file_poll(struct file *f, struct pollset *ps)
{
    if (!f->vnode->ops->poll)
        return POLLIN | POLLOUT;
    unsigned ready = f->vnode->ops->poll(f->vnode, ps);
    unsigned mode = f->flags & O_ACCMODE;
    if (f->vnode->type != VFIFO)
        return ready;
    return mode == O_RDONLY ? ready & ~(POLLOUT | POLLERR) : ready & ~(POLLIN | POLLHUP);
}
