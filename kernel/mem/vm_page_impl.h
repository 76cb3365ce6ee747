// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of vm_page share: the free list and its counters, all guarded by one spinlock of
// rank LOCK_PAGES. Private to kernel/mem/vm_page*.c and page_check.c.
#pragma once

#include "lib/panic.h"
#include "mem/vm_page.h"
#include "sync/waitq.h"

struct page_free_state {
    struct spinlock lock;           // guards all below
    struct list list;               // free pages; the last one freed comes first
    uint64_t npages;                // managed in all; constant after start-up
    uint64_t nfree;
    uint64_t by_owner[PAGE_OWNERS];
    uint64_t zeroed[PAGE_OWNERS];   // atomic
    uint64_t allocs, frees, alloc_failures, waits, wait_failures;

    // The page daemon and the threads that wait for it.
    struct waitq free_waitq;        // threads that wait for free pages
    struct waitq daemon_waitq;      // the page daemon
    struct kctx *daemon;            // the page daemon's thread; NULL before it first sleeps
    unsigned nwaiting;              // threads in vm_page_wait that sleep
    bool pass_wanted;               // someone waits for a pass that has not begun
    bool daemon_woken;              // a pass was asked for that nobody waits for
    bool pass_running;              // between daemon_sleep and daemon_report
    bool fruitless;                 // the last pass gained nothing, and memory is still short
    bool starving;                  // someone waits for the last resort, whatever a pass gains
    bool (*last_resort)(void);      // constant after start-up; or NULL
    uint64_t resorts;               // how often it said yes
    uint64_t passes_begun;          // number of the current or last pass
    uint64_t failed_pass;           // number of the last pass that must fail its waiters
};
extern struct page_free_state page_free;

// The queues' side; guarded by vm_page_queue_lock.
struct page_queue_state {
    struct list inactive, active;   // oldest first
    uint64_t ninactive, nactive;
    uint64_t nwired;                // pages whose wire_count is above 0
};
extern struct page_queue_state page_queues;

// How much of a freed page is overwritten: the page's ends, or all of it.
#define PAGE_POISON      0xdeadbeeffee1deadul
#define PAGE_WORDS       (PAGE_SIZE / sizeof(uint64_t))
#define PAGE_WAITQ_COUNT 64         // wait queues that busy pages share

static inline void fill_words(void *p, uint64_t word, size_t nwords)
{
    __asm__ volatile("rep stosq" : "+D"(p), "+c"(nwords) : "a"(word) : "memory");
}

// Takes it off its page queue, if it is on one. Queue lock held.
static inline void page_dequeue(struct vm_page *pg)
{
    KASSERT(spin_held(&vm_page_queue_lock), "page %p", (void *)pg);
    if (pg->on_queue == PQ_NONE)
        return;
    KASSERT(pg->on_queue != PQ_FREE, "page %p is free", (void *)pg);
    list_remove(&pg->queue);
    if (pg->on_queue == PQ_ACTIVE)
        page_queues.nactive--;
    else
        page_queues.ninactive--;
    pg->on_queue = PQ_NONE;
}

// The index of the first word of a free page that is not poison, or PAGE_WORDS. Only what the
// poison level promises is looked at.
size_t page_poison_damage(const struct vm_page *pg);

// vm_page_alloc without fail-nth.
MUST_CHECK struct vm_page *page_take(enum page_owner owner, unsigned flags);

// Whether the page daemon should make a pass now; wakes it if so. Pages lock held.
bool page_pass_due(void);
void page_daemon_kick(void);

void page_waitqs_init(void);
