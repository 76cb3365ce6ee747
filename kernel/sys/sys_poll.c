// SPDX-License-Identifier: BSD-2-Clause
//
// select and poll in all their forms. Each round asks every file for its state and, the first
// time, puts this thread on the files' wait queues; then it sleeps until one of them wakes it.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "sync/waitq.h"
#include "sys/syscall.h"
#include "vm/slab.h"

#define WAITERS_PER_FILE 2
#define FAST_FDS         8

struct pollfd {
    int32_t fd;
    uint16_t events, revents;
};

// A poll under way: the descriptors and what they need, in one block if they are many.
struct poll {
    struct pollfd *fds;
    struct file **files; // referenced; NULL: none behind that descriptor
    struct pollset set;
    unsigned n;
    void *block; // SCOPED_POLL frees it
    struct pollfd fast_fds[FAST_FDS];
    struct file *fast_files[FAST_FDS];
    struct waiter fast_waiters[FAST_FDS * WAITERS_PER_FILE];
};

#define SCOPED_POLL __attribute__((cleanup(poll_free)))
static void poll_free(struct poll *p)
{
    slab_free(p->block);
}

static int poll_alloc(struct poll *p, unsigned n)
{
    const size_t each =
        sizeof(struct file *) + WAITERS_PER_FILE * sizeof(struct waiter) + sizeof(struct pollfd);

    *p = (struct poll){.n = n, .fds = p->fast_fds, .files = p->fast_files};
    p->set = (struct pollset){.waiters = p->fast_waiters, .max = FAST_FDS * WAITERS_PER_FILE};
    if (n <= FAST_FDS)
        return 0;
    p->block = slab_alloc(n * each, 0);
    if (!p->block)
        return ENOMEM;
    p->files = p->block;
    p->set.waiters = (struct waiter *)(p->files + n);
    p->set.max = n * WAITERS_PER_FILE;
    p->fds = (struct pollfd *)(p->set.waiters + p->set.max);
    return 0;
}

// Fills revents; the number of descriptors that have any.
static unsigned poll_look(struct poll *p, struct pollset *set)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < p->n; i++) {
        struct pollfd *f = &p->fds[i];
        f->revents = 0;
        if (f->fd < 0)
            continue;
        if (p->files[i])
            f->revents = file_poll(p->files[i], set) & (f->events | POLLERR | POLLHUP);
        else
            f->revents = POLLNVAL;
        ready += f->revents != 0;
    }
    return ready;
}

// Takes the thread off the files' queues.
static void stop_waiting(struct poll *p)
{
    while (p->set.n > 0)
        waitq_remove(&p->set.waiters[--p->set.n]);
}

// deadline 1: look once. The number ready, which is 0 if time is up; or EINTR.
static int poll_run(struct poll *p, uint64_t deadline_ns, unsigned *ready)
{
    bool once = deadline_ns != WAIT_FOREVER && deadline_ns <= clock_ns();
    struct pollset *set = once ? NULL : &p->set;
    int error = 0;

    for (unsigned i = 0; i < p->n; i++)
        p->files[i] = p->fds[i].fd < 0 ? NULL : fd_file(p->fds[i].fd);
    while ((*ready = poll_look(p, set)) == 0 && !once) {
        error = waitq_block(WAIT_INTR, deadline_ns);
        stop_waiting(p); // woken waiters are off their queues: back on for the next round
        if (error == EINTR)
            break;
        once = error == ETIMEDOUT;
    }
    stop_waiting(p);
    for (unsigned i = 0; i < p->n; i++)
        file_drop(&p->files[i]);
    return error == EINTR ? EINTR : 0;
}

// ---- poll ----

static int do_poll(vaddr_t fds_va, unsigned n, uint64_t deadline_ns)
{
    struct poll p SCOPED_POLL;
    unsigned ready;

    p.block = NULL;
    if (n > process_current()->limits[RLIMIT_NOFILE].cur)
        return EINVAL;
    int error = poll_alloc(&p, n);
    if (!error)
        error = copyin(p.fds, fds_va, n * sizeof(*p.fds));
    if (error)
        return error;
    if (poll_run(&p, deadline_ns, &ready) == EINTR)
        return signal_restart_at(deadline_ns);
    return copyout(fds_va, p.fds, n * sizeof(*p.fds)) ? EFAULT : answer(ready);
}

static int sys_poll(vaddr_t fds_va, unsigned n, int timeout_ms)
{
    uint64_t deadline = WAIT_FOREVER;

    if (timeout_ms >= 0)
        deadline = timeout_ms ? deadline_after((uint64_t)timeout_ms * 1000000) : 1;
    return do_poll(fds_va, n, signal_deadline(deadline));
}

// The timeout and mask of ppoll and pselect.
static int timeout_and_mask(vaddr_t ts_va, vaddr_t mask_va, size_t size, uint64_t *deadline)
{
    sigset_t mask;
    int error = deadline_in(ts_va, timespec_in, deadline);

    if (error)
        return error;
    if (mask_va) {
        if (size != sizeof(mask))
            return EINVAL;
        if (copyin(&mask, mask_va, sizeof(mask)) != 0)
            return EFAULT;
        signal_set_mask_for_call(mask);
    }
    *deadline = signal_deadline(*deadline);
    return 0;
}

static int sys_ppoll(vaddr_t fds_va, unsigned n, vaddr_t ts_va, vaddr_t mask_va, size_t size)
{
    uint64_t deadline;
    int error = timeout_and_mask(ts_va, mask_va, size, &deadline);

    return error ? error : do_poll(fds_va, n, deadline);
}

// ---- select ----

#define FD_WORDS (OPEN_MAX / 64)

// The three sets of select; NULL addresses are left out.
struct select_sets {
    vaddr_t va[3];
    uint64_t bits[3][FD_WORDS];
    size_t bytes;
};

static const uint16_t select_events[3] = {POLLIN, POLLOUT, POLLPRI};

static int sets_in(struct select_sets *s, unsigned nfds)
{
    s->bytes = (nfds + 63) / 64 * 8;
    memset(s->bits, 0, sizeof(s->bits));
    for (unsigned i = 0; i < 3; i++) {
        if (s->va[i] && copyin(s->bits[i], s->va[i], s->bytes) != 0)
            return EFAULT;
    }
    return 0;
}

static uint16_t wanted(const struct select_sets *s, unsigned fd)
{
    uint16_t events = 0;

    for (unsigned i = 0; i < 3; i++) {
        if (s->bits[i][fd / 64] >> (fd % 64) & 1)
            events |= select_events[i];
    }
    return events;
}

// Turns the answer into sets: errors count as readable and writable.
static int sets_out(struct select_sets *s, const struct poll *p)
{
    long n = 0;

    memset(s->bits, 0, sizeof(s->bits));
    for (unsigned i = 0; i < p->n; i++) {
        const struct pollfd *f = &p->fds[i];
        uint16_t got = f->revents;
        if (got & POLLNVAL)
            return EBADF;
        if (got & POLLHUP)
            got |= POLLIN;
        if (got & POLLERR)
            got |= POLLIN | POLLOUT;
        for (unsigned j = 0; j < 3; j++) {
            if (got & f->events & select_events[j]) {
                s->bits[j][f->fd / 64] |= 1ul << (f->fd % 64);
                n++;
            }
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        if (s->va[i] && copyout(s->va[i], s->bits[i], s->bytes) != 0)
            return EFAULT;
    }
    return answer(n);
}

static int run_select(struct select_sets *s, unsigned nfds, uint64_t deadline_ns)
{
    struct poll p SCOPED_POLL;
    unsigned n = 0;

    for (unsigned fd = 0; fd < nfds; fd++)
        n += wanted(s, fd) != 0;
    int error = poll_alloc(&p, n);
    if (error)
        return error;
    n = 0;
    for (unsigned fd = 0; fd < nfds; fd++) {
        uint16_t events = wanted(s, fd);
        if (events)
            p.fds[n++] = (struct pollfd){.fd = (int)fd, .events = events};
    }
    error = poll_run(&p, deadline_ns, &n);
    return error ? error : sets_out(s, &p);
}

static int do_select(int nfds, const vaddr_t va[3], uint64_t deadline_ns)
{
    if (nfds < 0)
        return EINVAL;
    nfds = min(nfds, OPEN_MAX);
    struct select_sets *s SCOPED_SLAB = slab_alloc(sizeof(*s), 0);
    if (!s)
        return ENOMEM;
    memcpy(s->va, va, sizeof(s->va));
    int error = sets_in(s, (unsigned)nfds);
    if (!error)
        error = run_select(s, (unsigned)nfds, deadline_ns);
    return error == EINTR ? signal_restart_at(deadline_ns) : error;
}

// Linux writes the time left back to select's and pselect's timeout.
static void time_left(vaddr_t va, uint64_t deadline_ns, int (*out)(vaddr_t va, uint64_t ns))
{
    uint64_t now = clock_ns();

    if (va && deadline_ns != WAIT_FOREVER)
        (void)out(va, deadline_ns > now ? deadline_ns - now : 0);
}

static int sys_select(int nfds, vaddr_t rd_va, vaddr_t wr_va, vaddr_t ex_va, vaddr_t tv_va)
{
    const vaddr_t va[3] = {rd_va, wr_va, ex_va};
    uint64_t deadline;
    int error = deadline_in(tv_va, timeval_in, &deadline);

    if (error)
        return error;
    deadline = signal_deadline(deadline);
    error = do_select(nfds, va, deadline);
    time_left(tv_va, deadline, timeval_out);
    return error;
}

static int sys_pselect6(int nfds, vaddr_t rd_va, vaddr_t wr_va, vaddr_t ex_va, vaddr_t ts_va,
                        vaddr_t mask_arg_va)
{
    const vaddr_t va[3] = {rd_va, wr_va, ex_va};
    uint64_t mask_arg[2] = {0, 0}; // the mask's address and size
    uint64_t deadline;

    if (mask_arg_va && copyin(mask_arg, mask_arg_va, sizeof(mask_arg)) != 0)
        return EFAULT;
    int error = timeout_and_mask(ts_va, mask_arg[0], mask_arg[1], &deadline);
    if (error)
        return error;
    error = do_select(nfds, va, deadline);
    time_left(ts_va, deadline, timespec_out);
    return error;
}

// clang-format off
const struct call poll_calls[] = {
    CALL(7, poll), CALL(23, select), CALL(270, pselect6), CALL(271, ppoll), {0},
};
// clang-format on
