// SPDX-License-Identifier: BSD-2-Clause
//
// The calls that lock files: fcntl's F_GETLK, F_SETLK, F_SETLKW and their OFD forms, and flock.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "fs/file_lock.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "sys/syscall.h"

enum { F_GETLK = 5, F_SETLK, F_SETLKW, F_OFD_GETLK = 36, F_OFD_SETLK, F_OFD_SETLKW };
enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8, LOCK_MAND = 32 };

// Linux's struct flock.
struct user_flock {
    int16_t type, whence;
    int64_t start, len;
    int32_t pid;
};
_Static_assert(sizeof(struct user_flock) == 32, "as in Linux's headers");

// The first and the last byte that the user means.
static int range_of(struct file *f, const struct user_flock *u, struct file_lock *l)
{
    off_t start;
    int error = file_base(f, u->whence, &start);

    if (error)
        return error;
    if (__builtin_add_overflow(start, u->start, &start))
        return EOVERFLOW;
    if (start < 0 || (u->len < 0 && start + u->len < 0))
        return EINVAL;
    l->start = u->len < 0 ? start + u->len : start;
    l->end = FILE_LOCK_END;
    if (u->len < 0)
        l->end = start - 1;
    else if (u->len > 0 && __builtin_add_overflow(start, u->len - 1, &l->end))
        return EOVERFLOW;
    return u->type == F_RDLCK || u->type == F_WRLCK || u->type == F_UNLCK ? 0 : EINVAL;
}

static void get_lock(struct file_lock *l, struct user_flock *u)
{
    file_lock_get(l);
    u->type = l->type;
    if (l->type == F_UNLCK)
        return;
    u->whence = 0;
    u->start = l->start;
    u->len = l->end == FILE_LOCK_END ? 0 : l->end - l->start + 1;
    u->pid = l->pid;
}

static bool may_lock(const struct file *f, int type)
{
    unsigned mode = f->flags & O_ACCMODE;

    return type == F_UNLCK || mode != (type == F_RDLCK ? O_WRONLY : O_RDONLY);
}

static bool still_open(const struct file *f, int fd)
{
    struct file *now SCOPED_FILE = fd_path(fd);

    return now == f;
}

static int set_lock(struct file *f, int fd, struct file_lock *l, bool wait)
{
    int error = file_lock_set(l, wait);

    if (error || l->type == F_UNLCK || l->kind != FILE_LOCK_POSIX || still_open(f, fd))
        return error;
    // Another thread closed the file meanwhile, maybe before the lock was there to be dropped.
    l->type = F_UNLCK;
    if (file_lock_set(l, false) != 0)
        file_lock_release(f->vnode, l->owner);
    return EBADF;
}

int fcntl_lock(struct file *f, int fd, unsigned cmd, vaddr_t va)
{
    const struct process *p = process_current();
    struct file_lock l = {.vnode = f->vnode, .owner = p->files, .pid = p->pid};
    bool ofd = cmd >= F_OFD_GETLK, get = cmd == F_GETLK || cmd == F_OFD_GETLK;
    struct user_flock u;

    if (ofd ? cmd > F_OFD_SETLKW : cmd < F_GETLK || cmd > F_SETLKW)
        return EINVAL;
    if (copyin(&u, va, sizeof(u)) != 0)
        return EFAULT;
    if (get && u.type != F_RDLCK && u.type != F_WRLCK)
        return EINVAL;
    int error = range_of(f, &u, &l);
    if (error)
        return error;
    l.type = (uint8_t)u.type;
    if (!get && !may_lock(f, l.type))
        return EBADF;
    if (ofd && u.pid != 0)
        return EINVAL;
    if (ofd) {
        l.kind = FILE_LOCK_OFD;
        l.owner = f;
        l.pid = -1;
    }
    if (!get) {
        error = set_lock(f, fd, &l, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
        return error == EINTR ? ERESTART : error;
    }
    get_lock(&l, &u);
    return copyout(va, &u, sizeof(u));
}

static int sys_flock(struct file *f, int operation)
{
    int type = operation & ~LOCK_NB;

    if (operation & LOCK_MAND) // the share modes of old are gone
        return 0;
    if (type != LOCK_SH && type != LOCK_EX && type != LOCK_UN)
        return EINVAL;
    struct file_lock l = {
        .vnode = f->vnode,
        .owner = f,
        .end = FILE_LOCK_END,
        .pid = process_current()->pid,
        .kind = FILE_LOCK_FLOCK,
        .type = (uint8_t)(type == LOCK_SH   ? F_RDLCK
                          : type == LOCK_EX ? F_WRLCK
                                            : F_UNLCK),
    };
    int error = file_lock_set(&l, !(operation & LOCK_NB));
    return error == EINTR ? ERESTART : error;
}

const struct call lock_calls[] = {CALL_ON(73, flock, FILE, sys_flock), {0}};
