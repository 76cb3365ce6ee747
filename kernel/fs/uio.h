// SPDX-License-Identifier: BSD-2-Clause
//
// Moving bytes between a kernel buffer and what a read or write describes (struct uio). Each
// function consumes the uio from the front as far as it got.
//
// Locks: as amd64/usercopy.h: uio_move and uio_fault_in may sleep, uio_move_nofault never does.
#pragma once

#include "lib/types.h"

struct uio;

// Moves n bytes (n <= resid): 0 or EFAULT.
int uio_move(struct uio *uio, void *kbuf, size_t n);

// The same without faulting: EFAULT if the next byte needs a page fault (or is a bad address).
// What was moved before is kept: *moved.
int uio_move_nofault(struct uio *uio, void *kbuf, size_t n, size_t *moved);

// How many whole pages are at the front, which is made the first vector: 0 unless it is the
// user's and page aligned.
size_t uio_whole_pages(struct uio *uio);
// Leaves out n bytes of the first vector.
void uio_skip(struct uio *uio, size_t n);

// Faults in the memory at the front of the uio, up to n bytes of it, so that a nofault move can
// get on: 0, or EFAULT if not even its first byte can be had.
int uio_fault_in(struct uio *uio, size_t n);
