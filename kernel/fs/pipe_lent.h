// SPDX-License-Identifier: BSD-2-Clause
//
// Pages that a pipe has borrowed from its writers instead of copying what is in them: a ring of
// whole pages, of which the first one may be read in part. They are read before what is in the
// pipe's ring of bytes; so they are borrowed only while that is empty.
//
//      writer: vm_loan --> [page][page][page]  then  ring of bytes --> reader: copies out
//                            ^ head                                    and ends the loan
//
// Locks: the pipe's mutex.
#pragma once

#include "lib/types.h"

struct uio;
struct vm_page;

#define PIPE_LENT_MAX 16u // pages

struct pipe_lent {
    struct vm_page *pages[PIPE_LENT_MAX]; // page n of all that came is at n % PIPE_LENT_MAX
    size_t head;                          // bytes ever read
    size_t tail;                          // bytes ever lent: whole pages
};

static inline size_t pipe_lent_bytes(const struct pipe_lent *l)
{
    return l->tail - l->head;
}

// Pages that may be added.
unsigned pipe_lent_room(const struct pipe_lent *l);
void pipe_lent_add(struct pipe_lent *l, struct vm_page **pages, unsigned npages);

// The bytes that are read next: at most *n, and then *n says how many lie there in a row. There are
// some.
char *pipe_lent_front(struct pipe_lent *l, size_t *n);
// n of them were read.
void pipe_lent_advance(struct pipe_lent *l, size_t n);
void pipe_lent_drop(struct pipe_lent *l); // all
