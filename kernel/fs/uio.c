// SPDX-License-Identifier: BSD-2-Clause
//
// Moving bytes between a kernel buffer and what a read or write describes.

#include "fs/uio.h"

#include "amd64/usercopy.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"

static inline void advance(struct uio *uio, size_t n)
{
    uio->vec->base += n;
    uio->vec->len -= n;
    uio->resid -= n;
    uio->offset += (off_t)n;
}

static inline void skip_empty(struct uio *uio)
{
    for (; uio->vec->len == 0 && uio->nvec > 1; uio->nvec--)
        uio->vec++;
}

void uio_skip(struct uio *uio, size_t n)
{
    advance(uio, n);
}

size_t uio_whole_pages(struct uio *uio)
{
    skip_empty(uio);
    return uio->user && page_aligned(uio->vec->base) ? uio->vec->len >> PAGE_SHIFT : 0;
}

// Moves up to n bytes of the first vector; *done says how many were.
static int move_front(struct uio *uio, char *kbuf, size_t n, bool nofault, size_t *done)
{
    vaddr_t base = uio->vec->base;
    int error = 0;

    *done = n;
    if (!uio->user) {
        memcpy(uio->write ? kbuf : (void *)base, uio->write ? (void *)base : kbuf, n);
    } else if (nofault) {
        error =
            uio->write ? copyin_nofault(kbuf, base, n, done) : copyout_nofault(base, kbuf, n, done);
    } else {
        error = uio->write ? copyin(kbuf, base, n) : copyout(base, kbuf, n);
        *done = error ? 0 : n;
    }
    advance(uio, *done);
    return error;
}

static int move(struct uio *uio, char *kbuf, size_t n, bool nofault, size_t *moved)
{
    int error = 0;

    KASSERT(n <= uio->resid, "n %zu resid %zu", n, uio->resid);
    for (*moved = 0; !error && *moved < n;) {
        skip_empty(uio);
        size_t done, len = min(n - *moved, uio->vec->len);
        error = move_front(uio, kbuf + *moved, len, nofault, &done);
        *moved += done;
    }
    return error;
}

int uio_move(struct uio *uio, void *kbuf, size_t n)
{
    size_t moved;
    return move(uio, kbuf, n, false, &moved);
}

int uio_move_nofault(struct uio *uio, void *kbuf, size_t n, size_t *moved)
{
    return move(uio, kbuf, n, true, moved);
}

// Makes one user byte accessible for the direction of the transfer.
static int touch(vaddr_t va, bool for_writing)
{
    uint32_t value;
    char byte;

    if (!for_writing)
        return copyin(&byte, va, 1);
    va &= ~3ul;
    int error = fetch_user_u32(va, &value);
    return error ? error : cmpxchg_user_u32(va, value, value, &value);
}

int uio_fault_in(struct uio *uio, size_t n)
{
    struct uio_vec *vec = uio->vec;
    bool some = false;

    if (!uio->user)
        return 0;
    for (unsigned i = 0; i < uio->nvec && n > 0; i++) {
        size_t len = min(n, vec[i].len);
        for (vaddr_t va = vec[i].base; va < vec[i].base + len; va = page_trunc(va) + PAGE_SIZE) {
            if (touch(va, !uio->write) != 0)
                return some ? 0 : EFAULT;
            some = true;
        }
        n -= len;
    }
    return 0;
}
