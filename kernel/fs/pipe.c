// SPDX-License-Identifier: BSD-2-Clause
//
// Pipes: a ring of bytes between two open files. The ring starts at one page and grows to 64 KiB
// while writers are ahead; when memory is short it stays small, and they wait.
//
// Locks: the pipe's mutex guards all fields; user memory is copied under it without faulting, and
// faulted in with it released. A writer that is in the middle of bytes that must stay together
// keeps the others out meanwhile (`parted').
//
// Of a large write whole pages are borrowed, if they may be, instead of copied (pipe_lent.h): the
// ring of bytes is empty then, and stays behind them.
//
// A pipe made with O_DIRECT has packets instead of a ring (pipe_packet.c).

#include "fs/pipe_impl.h"

#include "amd64/usercopy.h"
#include "fs/file.h"
#include "fs/uio.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "sync/kctx.h"
#include "sync/scoped.h"
#include "vm/kmem.h"
#include "vm/vm_loan.h"

#define RING_MIN PIPE_BUF
#define RING_MAX (64ul << 10)
#define LOAN_MIN (4 * PAGE_SIZE) // less is copied anyway
#define FIONREAD 0x541bul

static struct pool pipe_pool, ring_pool; // the rings of RING_MIN bytes
static const struct vnode_ops pipe_ops;

void pipe_init(void)
{
    pool_init(&pipe_pool, "pipe", sizeof(struct pipe), 0, NULL);
    pool_init(&ring_pool, "pipe ring", RING_MIN, 0, &pool_allocator_kva);
}

static struct pipe *pipe_of(struct vnode *v)
{
    return container_of(v, struct pipe, vnode);
}

static void free_ring(char *ring, size_t size)
{
    nosleep_enter();
    if (size == RING_MIN)
        pool_put(&ring_pool, ring);
    else
        kmem_free(kmem_map, ring, size);
    nosleep_exit();
}

// A file for an end of the pipe, which takes a reference of its own.
static int make_end(struct pipe *p, unsigned flags, struct file **f)
{
    vnode_ref(&p->vnode);
    *f = file_alloc(&p->vnode, flags);
    if (*f)
        return 0;
    vnode_unref(&p->vnode);
    return file_alloc_error();
}

int pipe_create(unsigned flags, struct file **rd, struct file **wr)
{
    static uint64_t next_ino;
    struct pipe *p = pool_get(&pipe_pool, PR_WAITOK | PR_ZERO);

    if (!p)
        return ENOMEM;
    flags &= O_NONBLOCK | O_DIRECT;
    p->by_packet = p->full_grown = flags & O_DIRECT;
    list_init(&p->packets);
    p->size = p->by_packet ? RING_MAX : RING_MIN;
    p->ring = p->by_packet ? NULL : pool_get(&ring_pool, PR_WAITOK);
    if (!p->ring && !p->by_packet) {
        pool_put(&pipe_pool, p);
        return ENOMEM;
    }
    p->nreaders = p->nwriters = 1;
    mutex_init(&p->lock, "pipe", LOCK_PIPE, 0);
    waitq_init(&p->can_read, "pipe read");
    waitq_init(&p->can_write, "pipe write");
    vnode_init(&p->vnode, VFIFO, &pipe_ops, NULL, add_relaxed(&next_ino, 1));
    int error = make_end(p, O_RDONLY | flags, rd);
    if (!error) {
        error = make_end(p, O_WRONLY | flags, wr);
        if (error)
            file_unref(*rd);
    }
    vnode_unref(&p->vnode);
    return error;
}

size_t pipe_bytes(const struct vnode *v)
{
    const struct pipe *p = container_of(v, struct pipe, vnode);

    if (v->ops != &pipe_ops)
        return 0;
    size_t used = load_relaxed(&p->tail) - load_relaxed(&p->head);
    size_t own = p->by_packet ? used : load_relaxed(&p->size);
    return sizeof(*p) + pipe_lent_bytes(&p->lent) + own;
}

// Bytes that may be read.
static inline size_t ready_bytes(const struct pipe *p)
{
    return pipe_lent_bytes(&p->lent) + (p->tail - p->head);
}

// Room in the ring; a pipe has RING_MAX bytes at most, lent ones among them.
static inline size_t ring_room(const struct pipe *p)
{
    size_t used = p->tail - p->head, lent = pipe_lent_bytes(&p->lent);

    if (__builtin_expect(!lent, 1))
        return p->size - used;
    return min(p->size, RING_MAX - lent) - min(used, min(p->size, RING_MAX - lent));
}

// Counts an open end in or out: how is 1 or -1.
static void count_ends(struct pipe *p, unsigned flags, unsigned how)
{
    SCOPED_MUTEX(&p->lock);
    if ((flags & O_ACCMODE) != O_RDONLY)
        p->nwriters += how;
    if ((flags & O_ACCMODE) != O_WRONLY)
        p->nreaders += how;
}

// Only by way of /proc/<pid>/fd: pipe_create counts its own.
static int pipe_open(struct vnode *v, unsigned flags)
{
    count_ends(pipe_of(v), flags, 1);
    return 0;
}

static void pipe_close(struct vnode *v, unsigned flags)
{
    struct pipe *p = pipe_of(v);

    count_ends(p, flags, -1u);
    waitq_wake_all(&p->can_read);
    waitq_wake_all(&p->can_write);
}

static void pipe_inactive(struct vnode *v)
{
    struct pipe *p = pipe_of(v);

    if (!vnode_drop_last(v))
        return;
    pipe_drop_packets(p);
    if (p->ring)
        free_ring(p->ring, p->size);
    pipe_lent_drop(&p->lent);
    vnode_fini(v);
    pool_put(&pipe_pool, p);
}

// Moves bytes between uio and the ring, or from what is lent, `limit' of them. The lock is held; if
// user memory must be faulted in, it is released meanwhile, and what is left is for the next round.
static inline int move_ring(struct pipe *p, struct uio *uio, size_t limit)
{
    size_t *pos = uio->write ? &p->tail : &p->head;

    while (limit > 0) {
        size_t at = *pos & (p->size - 1), n = min(limit, p->size - at), moved;
        char *place = p->ring + at;
        bool lent = !uio->write && pipe_lent_bytes(&p->lent);
        if (__builtin_expect(lent, 0)) {
            n = limit;
            place = pipe_lent_front(&p->lent, &n);
        }
        int error = uio_move_nofault(uio, place, n, &moved);
        if (__builtin_expect(lent, 0))
            pipe_lent_advance(&p->lent, moved);
        else
            *pos += moved;
        limit -= moved;
        if (error) {
            mutex_unlock(&p->lock);
            error = uio_fault_in(uio, min(uio->resid, PAGE_SIZE));
            mutex_lock(&p->lock);
            return error;
        }
    }
    return 0;
}

// ---- reading and writing ----

static int pipe_read(struct vnode *v, struct uio *uio)
{
    struct pipe *p = pipe_of(v);
    size_t start = uio->resid;
    int error = 0;

    if (start == 0)
        return 0;
    if (p->by_packet)
        return pipe_read_packet(p, uio);
    mutex_lock(&p->lock);
    while (!error && uio->resid > 0) {
        size_t ready = ready_bytes(p);
        if (ready > 0) {
            error = move_ring(p, uio, min(ready, uio->resid));
            waitq_wake_all(&p->can_write);
        } else if (uio->resid < start || p->nwriters == 0) {
            break;
        } else {
            error = pipe_wait(p, &p->can_read, uio);
        }
    }
    mutex_unlock(&p->lock);
    return error;
}

// Enlarges the ring; the lock is held, and released while memory is allocated, so the caller must
// look at the pipe again. False if it could not.
static bool grow(struct pipe *p)
{
    size_t old_size = p->size, size = old_size * 4;

    if (old_size >= RING_MAX)
        return false;
    mutex_unlock(&p->lock);
    char *ring = kmem_alloc(kmem_map, size, 0, KM_NOWAIT);
    mutex_lock(&p->lock);
    p->full_grown = !ring || size >= RING_MAX;
    if (!ring)
        return false;
    if (p->size != old_size) { // another writer was quicker
        free_ring(ring, size);
        return true;
    }
    size_t len = p->tail - p->head, at = p->head & (old_size - 1), first = min(len, old_size - at);
    memcpy(ring, p->ring + at, first);
    memcpy(ring + first, p->ring, len - first);
    free_ring(p->ring, old_size);
    p->ring = ring;
    p->size = size;
    p->head = 0;
    p->tail = len;
    return true;
}

// Borrows as many of the writer's next pages as there is room for; the lock is held, and released
// meanwhile, so the caller must look at the pipe again. False: they must be copied.
static OFF_THE_WAY bool borrow(struct pipe *p, struct uio *uio)
{
    struct vm_page *pages[PIPE_LENT_MAX];
    unsigned n = (unsigned)min((size_t)pipe_lent_room(&p->lent), uio_whole_pages(uio)), fit = 0;

    mutex_unlock(&p->lock);
    int error = vm_loan(uio->vec->base, pages, &n);
    mutex_lock(&p->lock);
    if (error)
        return false;
    if (p->nreaders && !p->parted && p->tail == p->head) // still
        fit = min(n, pipe_lent_room(&p->lent));
    pipe_lent_add(&p->lent, pages, fit);
    uio_skip(uio, fit * PAGE_SIZE);
    vm_loan_end(pages + fit, n - fit);
    return true;
}

static int pipe_write(struct vnode *v, struct uio *uio)
{
    struct pipe *p = pipe_of(v);
    size_t start = uio->resid;
    bool atomic = start <= RING_MIN, may_grow = true, may_borrow = start >= LOAN_MIN;
    bool mine = false; // p->parted is this writer's
    int error = 0;

    if (p->by_packet)
        return pipe_write_packets(p, uio);
    mutex_lock(&p->lock);
    while (!error && uio->resid > 0) {
        size_t space = ring_room(p);
        bool pages = may_borrow && p->tail == p->head && uio_whole_pages(uio);
        if (p->nreaders == 0) {
            error = EPIPE;
        } else if (__builtin_expect(pages, 0)) {
            if (!p->parted && pipe_lent_room(&p->lent)) {
                may_borrow = borrow(p, uio);
                waitq_wake_all(&p->can_read);
            } else {
                error = pipe_wait(p, &p->can_write, uio);
            }
        } else if (mine || (!p->parted && space > 0 && (!atomic || space >= start))) {
            p->parted = mine = atomic;
            error = move_ring(p, uio, min(space, uio->resid));
            waitq_wake_all(&p->can_read);
        } else if (may_grow && !p->parted) {
            may_grow = grow(p); // which lets go of the pipe: look again
        } else {
            error = pipe_wait(p, &p->can_write, uio);
        }
    }
    if (mine)
        p->parted = false;
    mutex_unlock(&p->lock);
    if (mine)
        waitq_wake_all(&p->can_write);
    return error;
}

static unsigned pipe_poll(struct vnode *v, struct pollset *ps)
{
    struct pipe *p = pipe_of(v);
    unsigned ready = 0;

    pollset_add(ps, &p->can_read);
    pollset_add(ps, &p->can_write);
    SCOPED_MUTEX(&p->lock);
    if (ready_bytes(p))
        ready |= POLLIN;
    if (ring_room(p) >= RING_MIN ||
        (!p->full_grown && pipe_lent_bytes(&p->lent) + p->size < RING_MAX))
        ready |= POLLOUT;
    if (p->nwriters == 0)
        ready |= POLLHUP;
    if (p->nreaders == 0)
        ready |= POLLERR;
    return ready;
}

static int pipe_ioctl(struct vnode *v, unsigned long cmd, vaddr_t arg)
{
    struct pipe *p = pipe_of(v);

    if (cmd != FIONREAD)
        return ENOTTY;
    mutex_lock(&p->lock);
    int ready = (int)ready_bytes(p);
    mutex_unlock(&p->lock);
    return copyout(arg, &ready, sizeof(ready));
}

static int pipe_getattr(struct vnode *v UNUSED, struct vattr *va)
{
    va->mode |= 0600;
    return 0;
}

static const struct vnode_ops pipe_ops = {
    .getattr = pipe_getattr,
    .open = pipe_open,
    .close = pipe_close,
    .read = pipe_read,
    .write = pipe_write,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .inactive = pipe_inactive,
};
