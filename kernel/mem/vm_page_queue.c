// SPDX-License-Identifier: BSD-2-Clause
//
// The busy lock of a page, the active and inactive queues, and wiring. Locking: busy bits by the
// owner's mutex; queues and wire counts by vm_page_queue_lock, which the functions here take.

#include "lib/panic.h"
#include "mem/vm_page.h"
#include "mem/vm_page_impl.h"
#include "sync/kctx.h"

struct spinlock vm_page_queue_lock = SPINLOCK_INIT("page queues", LOCK_PAGE_QUEUES, 0);

struct page_queue_state page_queues = {
    .inactive = LIST_INIT(page_queues.inactive),
    .active = LIST_INIT(page_queues.active),
};

// ---- busy ----

// Waiters for busy pages share these; a wake-up may thus be another page's, and the waiter, who
// starts over anyway, finds out.
static struct waitq busy_waitqs[PAGE_WAITQ_COUNT];

void page_waitqs_init(void)
{
    for (unsigned i = 0; i < PAGE_WAITQ_COUNT; i++)
        waitq_init(&busy_waitqs[i], "page busy");
}

static struct waitq *busy_waitq(const struct vm_page *pg)
{
    return &busy_waitqs[(page_to_phys(pg) >> PAGE_SHIFT) % PAGE_WAITQ_COUNT];
}

void vm_page_busy(struct vm_page *pg)
{
    KASSERT(!(pg->flags & PG_BUSY), "page %p flags %x", (void *)pg, pg->flags);
    KASSERT(pg->owner != PAGE_FREE, "page %p is free", (void *)pg);
    pg->flags |= PG_BUSY;
}

void vm_page_unbusy(struct vm_page *pg)
{
    KASSERT(pg->flags & PG_BUSY, "page %p flags %x", (void *)pg, pg->flags);
    bool wanted = pg->flags & PG_WANTED;
    pg->flags &= ~(uint32_t)(PG_BUSY | PG_WANTED);
    if (wanted)
        waitq_wake_all(busy_waitq(pg));
}

void vm_page_busy_wait(struct vm_page *pg, struct mutex *m)
{
    struct waiter w;

    KASSERT(mutex_held(m), "page %p", (void *)pg);
    KASSERT(pg->flags & PG_BUSY, "page %p flags %x", (void *)pg, pg->flags);
    pg->flags |= PG_WANTED;
    // On the queue before m is released: the page cannot be unbusied unseen.
    waitq_add(busy_waitq(pg), &w);
    mutex_unlock(m);
    waitq_block(WAIT_NOINTR, WAIT_FOREVER);
    waitq_remove(&w);
}

// ---- queues ----

void vm_page_requeue(struct vm_page *pg, enum page_queue q)
{
    KASSERT(spin_held(&vm_page_queue_lock) && pg->owner != PAGE_FREE, "page %p of %s", (void *)pg,
            page_owner_name[pg->owner]);
    page_dequeue(pg);
    if (pg->wire_count > 0 || pg->loan_count > 0 || q == PQ_NONE)
        return;
    pg->on_queue = (uint8_t)q;
    if (q == PQ_ACTIVE) {
        list_push_back(&page_queues.active, &pg->queue);
        page_queues.nactive++;
    } else {
        list_push_back(&page_queues.inactive, &pg->queue);
        page_queues.ninactive++;
    }
}

void vm_page_activate(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    vm_page_requeue(pg, PQ_ACTIVE);
    spin_unlock(&vm_page_queue_lock);
}

void vm_page_deactivate(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    vm_page_requeue(pg, PQ_INACTIVE);
    spin_unlock(&vm_page_queue_lock);
}

void vm_page_dequeue(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    page_dequeue(pg);
    spin_unlock(&vm_page_queue_lock);
}

void vm_page_wire(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    KASSERT(pg->owner != PAGE_FREE && pg->wire_count < UINT32_MAX, "page %p of %s, wired %u",
            (void *)pg, page_owner_name[pg->owner], pg->wire_count);
    page_dequeue(pg);
    if (pg->wire_count++ == 0)
        page_queues.nwired++;
    spin_unlock(&vm_page_queue_lock);
}

void vm_page_unwire(struct vm_page *pg)
{
    spin_lock(&vm_page_queue_lock);
    KASSERT(pg->wire_count > 0, "page %p", (void *)pg);
    if (--pg->wire_count == 0) {
        page_queues.nwired--;
        vm_page_requeue(pg, PQ_ACTIVE);
    }
    spin_unlock(&vm_page_queue_lock);
}

struct vm_page *vm_page_queue_first(enum page_queue q)
{
    KASSERT(spin_held(&vm_page_queue_lock), "queue %d", q);
    KASSERT(q == PQ_ACTIVE || q == PQ_INACTIVE, "queue %d", q);
    struct list *head = q == PQ_ACTIVE ? &page_queues.active : &page_queues.inactive;
    return list_first(head, struct vm_page, queue);
}
