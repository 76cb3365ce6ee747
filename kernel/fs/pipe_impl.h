// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of pipes share. Private to kernel/fs/pipe*.c.
//
// Locks: the pipe's mutex guards all fields; user memory is copied under it without faulting.
#pragma once

#include "fs/file.h"
#include "fs/pipe_lent.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "sync/mutex.h"
#include "sync/waitq.h"

#define PIPE_BUF PAGE_SIZE // bytes that are written at once

struct pipe {
    struct vnode vnode; // one for both ends
    struct mutex lock;
    bool by_packet;              // constant
    struct list packets;         // if by_packet, and no ring
    char *ring;                  // kernel memory
    size_t size;                 // of the ring, a power of two; at most so many bytes in packets
    size_t head;                 // bytes ever read
    size_t tail;                 // bytes ever written; tail - head <= size
    struct pipe_lent lent;       // what is read before the ring
    unsigned nreaders, nwriters; // open ends
    bool parted;                 // a writer faults in memory amid an atomic write
    bool full_grown;             // no larger ring can be had
    struct waitq can_read, can_write;
};

// Waits for the other end, unless the file may not; the lock is held.
MUST_CHECK static inline int pipe_wait(struct pipe *p, struct waitq *q, const struct uio *uio)
{
    if (uio->flags & O_NONBLOCK)
        return EAGAIN;
    int error = waitq_wait_mutex(q, &p->lock, WAIT_INTR, WAIT_FOREVER);
    return error == EINTR ? ERESTART : error;
}

// One packet is read; uio is written as one, or as several. Not locked; errnos.
MUST_CHECK int pipe_read_packet(struct pipe *p, struct uio *uio);
MUST_CHECK int pipe_write_packets(struct pipe *p, struct uio *uio);
void pipe_drop_packets(struct pipe *p); // all; nobody else has the pipe
