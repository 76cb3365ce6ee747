// SPDX-License-Identifier: BSD-2-Clause
//
// A pipe's ring of borrowed pages.

#include "fs/pipe_lent.h"

#include "lib/panic.h"
#include "mem/vm_page.h"
#include "vm/vm_loan.h"

// The page of a byte.
static struct vm_page **page_of(struct pipe_lent *l, size_t pos)
{
    return &l->pages[(pos >> PAGE_SHIFT) % PIPE_LENT_MAX];
}

unsigned pipe_lent_room(const struct pipe_lent *l)
{
    return PIPE_LENT_MAX - (unsigned)((l->tail - page_trunc(l->head)) >> PAGE_SHIFT);
}

void pipe_lent_add(struct pipe_lent *l, struct vm_page **pages, unsigned npages)
{
    KASSERT(npages <= pipe_lent_room(l), "%u pages, room for %u", npages, pipe_lent_room(l));
    for (unsigned i = 0; i < npages; i++, l->tail += PAGE_SIZE)
        *page_of(l, l->tail) = pages[i];
}

char *pipe_lent_front(struct pipe_lent *l, size_t *n)
{
    size_t at = l->head % PAGE_SIZE;

    KASSERT(l->head < l->tail, "nothing is lent");
    *n = min(*n, PAGE_SIZE - at);
    return (char *)page_to_dmap(*page_of(l, l->head)) + at;
}

void pipe_lent_advance(struct pipe_lent *l, size_t n)
{
    struct vm_page **front = page_of(l, l->head);

    KASSERT(n <= PAGE_SIZE - l->head % PAGE_SIZE, "%zu bytes at %#zx", n, l->head);
    l->head += n;
    if (n && l->head % PAGE_SIZE == 0)
        vm_loan_end(front, 1);
}

void pipe_lent_drop(struct pipe_lent *l)
{
    while (l->head < l->tail)
        pipe_lent_advance(l, PAGE_SIZE - l->head % PAGE_SIZE);
}
