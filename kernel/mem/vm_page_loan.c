// SPDX-License-Identifier: BSD-2-Clause
//
// Pages that are lent to the kernel. Locking: vm_page_queue_lock guards the counts, and decides who
// frees a page that its owner gives up while it is lent.

#include "lib/panic.h"
#include "mem/vm_page.h"
#include "mem/vm_page_impl.h"

bool vm_page_lend(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    KASSERT(pg->owner != PAGE_FREE && !(pg->flags & (PG_BUSY | PG_RELEASED)),
            "page %p of %s, flags %#x", (void *)pg, page_owner_name[pg->owner], pg->flags);
    bool can = pg->wire_count == 0 && pg->loan_count < UINT16_MAX;
    if (can) {
        page_dequeue(pg);
        pg->loan_count++;
    }
    spin_unlock(&vm_page_queue_lock);
    return can;
}

void vm_page_lend_end(struct vm_page *pg)
{
    KASSERT(pg->loan_count > 0, "page %p is not lent", (void *)pg);
    spin_lock(&vm_page_queue_lock);
    bool last = --pg->loan_count == 0, left = pg->flags & PG_RELEASED;
    if (last && !left)
        vm_page_requeue(pg, PQ_ACTIVE);
    spin_unlock(&vm_page_queue_lock);
    if (last && left)
        vm_page_free(pg);
}

// Once the queue lock is released somebody else may have freed a lent one.
void vm_page_give_up(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    KASSERT(pg->anon, "page %p has no anon", (void *)pg);
    page_dequeue(pg);
    pg->anon = NULL;
    bool lent = pg->loan_count > 0;
    if (lent)
        pg->flags |= PG_RELEASED;
    spin_unlock(&vm_page_queue_lock);
    if (!lent)
        vm_page_free(pg);
}
