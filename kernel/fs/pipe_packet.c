// SPDX-License-Identifier: BSD-2-Clause
//
// Pipes with packets instead of a ring: each write is one, or several of at most PIPE_BUF bytes,
// each read takes one and drops what it has no room for. A packet is filled before the pipe is
// locked, and emptied after it.

#include "fs/pipe_impl.h"

#include "fs/uio.h"
#include "lib/errno.h"
#include "vm/kmem.h"
#include "vm/slab.h"

struct packet {
    struct list link;
    size_t len;
    char data[];
};

int pipe_read_packet(struct pipe *p, struct uio *uio)
{
    struct packet *pk SCOPED_SLAB = NULL;
    int error = 0;

    mutex_lock(&p->lock);
    while (!error && !(pk = list_pop(&p->packets, struct packet, link)) && p->nwriters > 0)
        error = pipe_wait(p, &p->can_read, uio);
    if (pk)
        p->head += pk->len;
    mutex_unlock(&p->lock);
    if (!pk)
        return error;
    waitq_wake_all(&p->can_write);
    return uio_move(uio, pk->data, min(pk->len, uio->resid));
}

// Takes pk over unless it fails.
static int send_packet(struct pipe *p, struct packet *pk, const struct uio *uio)
{
    int error = 0;

    mutex_lock(&p->lock);
    while (!error && p->nreaders > 0 && p->tail - p->head + pk->len > p->size)
        error = pipe_wait(p, &p->can_write, uio);
    if (!error && p->nreaders == 0)
        error = EPIPE;
    if (!error) {
        list_push_back(&p->packets, &pk->link);
        p->tail += pk->len;
    }
    mutex_unlock(&p->lock);
    waitq_wake_all(&p->can_read);
    return error;
}

int pipe_write_packets(struct pipe *p, struct uio *uio)
{
    int error = 0;

    while (!error && uio->resid > 0) {
        size_t left = uio->resid, len = min(left, PIPE_BUF);
        struct packet *pk = slab_alloc(sizeof(*pk) + len, KM_WAITOK);
        if (!pk)
            return ENOMEM;
        pk->len = len;
        error = uio_move(uio, pk->data, len);
        if (!error)
            error = send_packet(p, pk, uio);
        if (error) {
            slab_free(pk);
            uio->resid = left; // none of it was written
        }
    }
    return error;
}

void pipe_drop_packets(struct pipe *p)
{
    for (struct packet *pk; (pk = list_pop(&p->packets, struct packet, link));)
        slab_free(pk);
}
