// SPDX-License-Identifier: BSD-2-Clause
//
// sendfile: from a file's pages to any other file through a small kernel buffer, without a trip
// to user memory.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "sys/calls.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define CHUNK    (4 * PAGE_SIZE)
#define SEND_MAX 0x7ffff000ul

// Moves up to *len bytes between kernel memory and f at *pos; both come back as they are then.
static int move(struct file *f, char *buf, size_t *len, off_t *pos, bool write)
{
    struct vnode *v = f->vnode;
    struct uio_vec vec = {(vaddr_t)buf, *len};
    struct uio uio = {.vec = &vec, .nvec = 1, .resid = *len, .offset = *pos, .write = write};
    int err;

    if (write)
        err = v->ops->write ? v->ops->write(v, &uio, f->flags) : vnode_write(v, &uio, f->flags);
    else
        err = v->ops->read ? v->ops->read(v, &uio, f->flags) : vnode_read(v, &uio, f->flags);
    *len -= uio.resid;
    *pos = uio.offset;
    return err;
}

// Writes all of buf to the end of what has been written: how much went, in *len. What may wait for
// a reader has no position, and so no lock is held meanwhile.
static int send_chunk(struct file *out, char *buf, size_t *len)
{
    bool locks = file_has_position(out);
    size_t done = 0;
    int err = 0;

    if (locks)
        mutex_lock(&out->pos_lock);
    while (done < *len && !err) {
        size_t n = *len - done;
        err = move(out, buf + done, &n, &out->offset, true);
        if (n == 0)
            break;
        done += n;
    }
    if (locks)
        mutex_unlock(&out->pos_lock);
    *len = done;
    return err;
}

static long send(struct file *out, struct file *in, off_t *pos, size_t count, char *buf)
{
    size_t sent = 0;
    int err = 0;

    while (sent < count && !err) {
        size_t n = min(count - sent, CHUNK), went;
        off_t from = *pos;
        err = move(in, buf, &n, &from, false);
        if (err || n == 0)
            break;
        went = n;
        err = send_chunk(out, buf, &went);
        *pos += (off_t)went;
        sent += went;
        if (went < n)
            break;
    }
    if (err == EPIPE && sent == 0)
        signal_thread(thread_current(), SIGPIPE, NULL);
    return sent || !err ? (long)sent : err == EINTR ? -ERESTART : -err;
}

static long check(const struct file *out, const struct file *in)
{
    if ((in->flags & O_ACCMODE) == O_WRONLY || (out->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    return in->vnode->type != VREG || out->vnode->type == VDIR || (out->flags & O_APPEND) ? -EINVAL
                                                                                          : 0;
}

static long send_files(struct file *out, struct file *in, vaddr_t pos_va, size_t count)
{
    off_t pos = __atomic_load_n(&in->offset, __ATOMIC_RELAXED);
    long result = check(out, in);

    if (result == 0 && pos_va && copyin(&pos, pos_va, sizeof(pos)) != 0)
        result = -EFAULT;
    if (result == 0 && pos < 0)
        result = -EINVAL;
    if (result)
        return result;
    char *buf = slab_alloc(CHUNK, 0);
    if (!buf)
        return -ENOMEM;
    result = send(out, in, &pos, min(count, SEND_MAX), buf);
    slab_free(buf);
    if (pos_va)
        return copyout(pos_va, &pos, sizeof(pos)) ? -EFAULT : result;
    mutex_lock(&in->pos_lock);
    in->offset = pos;
    mutex_unlock(&in->pos_lock);
    return result;
}

long sys_sendfile(int out_fd, int in_fd, vaddr_t pos_va, size_t count)
{
    struct file *out = fd_file(out_fd), *in = fd_file(in_fd);
    long result = out && in ? send_files(out, in, pos_va, count) : -EBADF;

    if (out)
        file_unref(out);
    if (in)
        file_unref(in);
    return result;
}
