// SPDX-License-Identifier: BSD-2-Clause
//
// One struct vm_page for every frame of usable RAM: who owns the frame, where it is mapped, which
// queue it is on. Allocation never sleeps; a caller that may sleep drops its locks, calls
// vm_page_wait and starts over. After Mach's resident page table as the BSDs have it.
//
//      free list ---- vm_page_alloc ---->  an owner: object, anon, pool, tables, ...
//          ^                                 |  vm_page_activate        ^ reactivated: referenced
//          |                                 v                          |
//      vm_page_free <-- page daemon <-- inactive queue <-- aged -- active queue
//
// A typical sequence is: pg = vm_page_alloc(PAGE_ANON, PA_ZERO); NULL: drop all locks,
// vm_page_wait(), start over; while it is used it is on a queue, or wired; at the end it is
// unmapped, vm_page_dequeue, its owner forgets it, vm_page_free.
//
// Locks. (p) pages lock; (q) page-queue lock; (o) the owner's lock: the object's, or the anon's,
// or for kernel pages whoever allocated it; (v) pv_lock; (a) atomic; (!) constant after start-up.
//
// BUSY is the sleeping lock of one page: set while its contents are read, written or moved; whoever
// finds it set waits with vm_page_busy_wait and looks the page up again. A busy page stays with its
// owner.
//
// LENT. The kernel may borrow a page instead of copying what is in it. While there are loans the
// page's contents do not change, and it is on no queue, so that the page daemon does not meet it.
// Who wants to write to it makes a copy, and writes there (an anon's fault: as in case 1B). Its
// mappings may go, by an unmap or because a pv entry is stolen; its owner may give it up: it is
// free when the last loan is over.
#pragma once

#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/types.h"
#include "mem/memlayout.h"
#include "sync/mutex.h"
#include "sync/spinlock.h"

struct vm_object;
struct vm_anon;
struct strbuf;

// What a frame is used for; counted, so that an outside judge can tell where memory went.
enum page_owner {
    PAGE_FREE,
    PAGE_KERNEL,        // image, boot tables, struct vm_page arrays: never freed
    PAGE_PT,            // page tables
    PAGE_PV,            // reverse map
    PAGE_POOL,          // pools
    PAGE_KMEM,          // behind kernel_map
    PAGE_OBJECT,        // a vm_object's: file or shared memory
    PAGE_ANON,          // an anon's: private memory
    PAGE_BUF,           // file-system metadata buffers
    PAGE_OWNERS,
};
extern const char *const page_owner_name[PAGE_OWNERS];

enum page_queue { PQ_NONE, PQ_FREE, PQ_INACTIVE, PQ_ACTIVE };

enum page_flags {               // (o) unless said otherwise
    PG_BUSY = 1,                // locked by whoever set it
    PG_WANTED = 2,              // someone sleeps until it is not busy
    PG_DIRTY = 4,               // contents newer than the backing store (beside PGA_MODIFIED)
    PG_PAGEOUT = 8,             // being written by the page daemon
    PG_RELEASED = 16,           // free it when it stops being busy, or (q) lent
    PG_FAKE = 32,               // contents not valid yet
    PG_POISONED = 64,           // (p) free and filled with the poison pattern
    PG_BACKED = 128,            // the pager has made room for it on the device: may be written to
};

enum page_attrs {               // (a) set by pmap from the hardware's bits
    PGA_REFERENCED = 1,
    PGA_MODIFIED = 2,
};

struct vm_page {
    struct list queue;          // (p) when free, (q) on a page queue, (o) else at the owner's
                                // disposal
    struct rb_node node;        // (o) in the object's tree, by pgno
    struct vm_object *object;   // (o) the owner is an object, or NULL
    struct vm_anon *anon;       // (o) the owner is an anon, or NULL
    pgno_t pgno;                // (o) page index in the object; of a page that has none its
                                // owner's: 0 at first
    uint64_t pv[4];             // (v) the reverse map's; only pv.c looks inside
    uint32_t wire_count;        // (q) > 0: not on a page queue, never paged out
    uint16_t flags;             // enum page_flags
    uint16_t loan_count;        // (q) > 0: lent to the kernel; on no page queue, never written to
    uint32_t attrs;             // (a) enum page_attrs
    uint8_t owner;              // (p) enum page_owner
    uint8_t on_queue;           // (q) enum page_queue; PQ_FREE by (p)
    uint16_t seg;               // (!) index of its segment
};

// A run of usable RAM and its pages; constant after start-up.
struct vm_page_seg {
    paddr_t start_pa;           // page aligned
    paddr_t end_pa;
    struct vm_page *pages;
};
#define VM_PAGE_MAX_SEGS 16
extern struct vm_page_seg vm_page_segs[VM_PAGE_MAX_SEGS];
extern unsigned vm_page_nsegs;

// ---- start-up ----

// Takes over the given free ranges (page aligned, sorted, all in the direct map); the arrays come
// out of them. Ranges that do not fit are reported and left out. At most VM_PAGE_MAX_SEGS.
void vm_page_init(const struct phys_range *ranges, unsigned nranges);

// How much of a freed page is overwritten, and checked when it is allocated again. Boot parameter;
// constant after start-up. The ends cost nothing to speak of, the whole page 512 stores and loads.
enum page_poison { POISON_OFF, POISON_ENDS, POISON_ALL };
extern enum page_poison vm_page_poison;

// Registers how vm_page_free asserts that a page is unmapped. The function takes no lock.
void vm_page_set_mapped_check(bool (*mapped)(const struct vm_page *pg));

// ---- allocation ----

enum page_alloc_flags {
    PA_ZERO = 1,                // filled with zeroes; else contents are undefined (poison)
    PA_RESERVE = 2,             // may use the kernel's reserve: the caller frees memory or must not
                                // fail
};

// A page for `owner', wire_count 0, on no queue, not busy; or NULL. Never sleeps, whatever the
// caller has locked, but for LOCK_PAGES and beyond. Normal requests leave the reserve
// (vm_page_reserve_kernel) alone, PA_RESERVE ones leave the page daemon's last page; a thread's
// kctx.reserve may give it more. NULL if fail-nth says so.
MUST_CHECK struct vm_page *vm_page_alloc(enum page_owner owner, unsigned flags);

// Gives a page back, which must be unmapped, unwired, off its owner's structures and the queues,
// and not wanted. Never sleeps, never allocates. Poisons it in debug builds.
void vm_page_free(struct vm_page *pg);

// Fills a page with zeroes, and counts that; who holds it calls it.
void vm_page_zero(struct vm_page *pg);

// Sleeps until there are free pages above the reserve: 0. ENOMEM if a pass of the page daemon ended
// so that waiters fail (vm_page_daemon_report), or if there is no page daemon yet; EINTR if the
// thread is being killed. No spinlock held; the page daemon itself may not call it.
MUST_CHECK int vm_page_wait(void);
// The same for who has waited many times, and each time others took what there was: only the last
// resort will do.
MUST_CHECK int vm_page_wait_starved(void);

// vm_page_alloc, waiting as long as that helps; 0, ENOMEM or EINTR. No lock held that freeing a
// page needs.
MUST_CHECK int vm_page_alloc_wait(enum page_owner owner, unsigned flags, struct vm_page **out);

// ---- addresses ----

struct vm_page *phys_to_page(paddr_t pa);       // NULL if pa is not managed RAM
static inline paddr_t page_to_phys(const struct vm_page *pg)
{
    const struct vm_page_seg *seg = &vm_page_segs[pg->seg];

    return seg->start_pa + ((paddr_t)(pg - seg->pages) << PAGE_SHIFT);
}
static inline void *page_to_dmap(const struct vm_page *pg)  // the frame in the direct map
{
    return phys_to_dmap(page_to_phys(pg));
}
static inline struct vm_page *dmap_to_page(const void *p)
{
    return phys_to_page(dmap_to_phys(p));
}

// ---- busy ----

// The owner's lock is held (a mutex). busy_wait sets WANTED, releases `m', sleeps, and returns with
// m RELEASED: the caller starts over.
void vm_page_busy(struct vm_page *pg);                  // must not be busy
void vm_page_unbusy(struct vm_page *pg);                // wakes the waiters; owner's lock held
void vm_page_busy_wait(struct vm_page *pg, struct mutex *m);

// ---- queues (page ageing) ----
//
// All but vm_page_queue_first and vm_page_requeue take the queue lock themselves. A page that is
// wired or lent goes on no queue.

extern struct spinlock vm_page_queue_lock;
void vm_page_activate(struct vm_page *pg);      // to the active queue's tail
void vm_page_deactivate(struct vm_page *pg);    // to the inactive queue's tail
void vm_page_dequeue(struct vm_page *pg);
void vm_page_wire(struct vm_page *pg);          // nests; takes it off the queues
void vm_page_unwire(struct vm_page *pg);        // the last one makes it active
// Lends it once more: not busy, its owner locked, who sees to it that nobody writes to it. False:
// it is wired, whose writers may not wait for another page; or no more loans can be counted.
MUST_CHECK bool vm_page_lend(struct vm_page *pg);
// A loan is over; the owner need not be locked. The last one makes it active again, or free.
void vm_page_lend_end(struct vm_page *pg);
// Its anon, which is locked, gives the page up, unmapped and not busy: off the queues, without
// anon, and free, unless it is lent.
void vm_page_give_up(struct vm_page *pg);
struct vm_page *vm_page_queue_first(enum page_queue q);     // the oldest, or NULL; queue lock held
// To that queue's tail, or (PQ_NONE) off the queues; queue lock held, so for a page just found
// there its owner need not be locked.
void vm_page_requeue(struct vm_page *pg, enum page_queue q);

// ---- figures ----

struct vm_page_stats {
    uint64_t npages;            // managed in all
    uint64_t nfree, nactive, ninactive, nwired;
    uint64_t by_owner[PAGE_OWNERS];
    uint64_t zeroed[PAGE_OWNERS];       // times that a page was filled with zeroes
    uint64_t allocs, frees, alloc_failures, waits, wait_failures;
};
void vm_page_get_stats(struct vm_page_stats *st);

// Limits, in pages; set at start-up from the size of memory.
extern uint64_t vm_page_reserve_kernel;         // 5 or more: only PA_RESERVE
extern uint64_t vm_page_reserve_daemon;         // 1: only the page daemon
extern uint64_t vm_page_free_min;               // below: the page daemon is woken
extern uint64_t vm_page_free_target;            // the page daemon frees up to this

// The page daemon's side: it sleeps on daemon_waitq until nfree < free_min or someone waits or has
// called vm_page_daemon_wake, and reports what each pass gained. A pass that gained nothing while
// the free pages are short, or in which somebody starves, asks the last resort for the waiters; if
// there is none, or it says no, all who still find too little fail (ENOMEM): so 0 is not reported
// while writes are under way whose pages will be free. May sleep, no lock held.
void vm_page_daemon_sleep(void);
void vm_page_daemon_report(uint64_t nfreed);
// Lets the daemon make a pass although nothing is short: its writes have ended. Any context.
void vm_page_daemon_wake(void);

// Registers the last resort: the page daemon's thread calls it with no lock held. It makes somebody
// give up memory and waits a little for that: true: another pass is worth while.
void vm_page_set_last_resort(bool (*last_resort)(void));

// Walks all pages: counts, queue membership, owner fields, poison of free pages. Appends what is
// wrong, with values; returns the number of faults found. Takes the pages and queue locks.
unsigned page_check(struct strbuf *out);
