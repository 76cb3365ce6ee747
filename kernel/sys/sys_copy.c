// SPDX-License-Identifier: BSD-2-Clause
//
// sendfile: from a file's pages to any other file through a small kernel buffer, without a trip
// to user memory.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "sync/scoped.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define CHUNK    (4 * PAGE_SIZE)
#define SEND_MAX 0x7ffff000ul

// Moves up to *len bytes between kernel memory and f at *pos; both come back as they are then.
static int move(struct file *f, char *buf, size_t *len, off_t *pos, bool write)
{
    struct vnode *v = f->vnode;
    struct uio_vec vec = {(vaddr_t)buf, *len};
    struct uio uio = {
        .vec = &vec, .nvec = 1, .resid = *len, .offset = *pos, .flags = f->flags, .write = write};
    int (*op)(struct vnode *, struct uio *) = write ? v->ops->write : v->ops->read;
    int error = op ? op(v, &uio) : EINVAL;

    *len -= uio.resid;
    *pos = uio.offset;
    return error;
}

// Writes all of buf to out: how much went, in *len. What may wait for a reader has no position, and
// so no lock is held meanwhile.
static int send_chunk(struct file *out, char *buf, size_t *len)
{
    bool locks = file_has_position(out);
    size_t done = 0, n = 1;
    int error = 0;

    if (locks)
        mutex_lock(&out->pos_lock);
    for (; done < *len && !error && n > 0; done += n) {
        n = *len - done;
        error = move(out, buf + done, &n, &out->offset, true);
    }
    if (locks)
        mutex_unlock(&out->pos_lock);
    *len = done;
    return error;
}

// What was sent, in *sent, counts before what went wrong.
static int send(struct file *out, struct file *in, off_t *pos, size_t count, char *buf,
                size_t *sent)
{
    size_t n, went;
    int error = 0;

    *sent = 0;
    do {
        off_t from = *pos;
        n = min(count - *sent, CHUNK);
        error = move(in, buf, &n, &from, false);
        went = n;
        if (!error)
            error = send_chunk(out, buf, &went);
        else
            went = 0;
        *pos += (off_t)went;
        *sent += went;
    } while (!error && went == n && n > 0 && *sent < count);
    if (error == EPIPE && *sent == 0)
        signal_thread(thread_current(), SIGPIPE, NULL);
    return *sent ? 0 : error;
}

static int check(const struct file *out, const struct file *in)
{
    if ((in->flags & O_ACCMODE) == O_WRONLY || (out->flags & O_ACCMODE) == O_RDONLY)
        return EBADF;
    return in->vnode->type != VREG || out->vnode->type == VDIR || (out->flags & O_APPEND) ? EINVAL
                                                                                          : 0;
}

static int sys_sendfile(int out_fd, int in_fd, vaddr_t pos_va, size_t count)
{
    struct file *out SCOPED_FILE = fd_file(out_fd), *in SCOPED_FILE = fd_file(in_fd);
    int error = out && in ? check(out, in) : EBADF;
    size_t sent;

    if (error)
        return error;
    off_t pos = load_relaxed(&in->offset);
    if (pos_va && copyin(&pos, pos_va, sizeof(pos)) != 0)
        return EFAULT;
    if (pos < 0)
        return EINVAL;
    char *buf SCOPED_SLAB = slab_alloc(CHUNK, 0);
    if (!buf)
        return ENOMEM;
    error = send(out, in, &pos, min(count, SEND_MAX), buf, &sent);
    if (pos_va) {
        if (copyout(pos_va, &pos, sizeof(pos)) != 0)
            error = EFAULT;
    } else {
        SCOPED_MUTEX(&in->pos_lock);
        in->offset = pos;
    }
    return error ? error : answer((long)sent);
}

const struct call copy_calls[] = {CALL(40, sendfile), {0}};
