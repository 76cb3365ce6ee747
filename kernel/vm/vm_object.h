// SPDX-License-Identifier: BSD-2-Clause
//
// Memory objects: pages that maps can show, and the pager that fills and cleans them. A vnode
// embeds one: its pages are the file's page cache. Shared anonymous memory is one whose pager
// gives zeroes. After SunOS's and UVM's objects.
//
//      vnode { vm_object }  <--- entry.attr.object        pages: a tree by page number
//         ops: get, put ...        |                        7: busy (being read)
//                                  +--------------------->  8: dirty, mapped writable
//                                                           9: clean, mapped read-only at most
//
// A typical sequence is: mutex_lock(&o->lock); pg = vm_object_lookup(o, pgno); not there or busy:
// o->ops->get(o, pgno, access, false, &pg), which may release the lock and returns it busy; map it;
// vm_page_unbusy(pg); mutex_unlock(&o->lock).
//
// Locks: (o) the object's mutex; (!) constant. A page that I/O works on is BUSY and the object
// unlocked meanwhile. Order, from the map on: map, amap, anon or object, page queues, pmap,
// pv_lock, free pages (lock_rank.h).
//
// Dirty pages. A page is mapped writable in a shared mapping only while PG_DIRTY is set; the first
// write asks the pager for it with access PROT_WRITE and sets the flag. Who cleans a page makes it
// busy, write-protects its mappings (pmap_page_protect), clears the flag, and then writes. So a
// page without PG_DIRTY is clean, and one with it has backing store. Only a wired page keeps its
// flag and its mappings' right to write, for whoever wired it wants no faults: it is written as it
// is at that moment, and again at each sync.
#pragma once

#include "lib/rbtree.h"
#include "lib/types.h"
#include "sync/mutex.h"

struct vm_object;
struct vm_page;

// get and put are called with the object locked, may release it to sleep, and return with it
// locked; of the others each says what is held.
struct vm_pager_ops {
    // A valid page, BUSY by the caller, on a page queue if it can ever be put away. `access'
    // PROT_WRITE: the page will be modified, so its backing store must exist afterwards (a hole
    // gets blocks now, not at put). `overwrite': the caller will fill all of it, so its contents
    // need not be read. 0; ENXIO beyond the end (SIGBUS); EIO; ENOSPC; ENOMEM (the caller, with no
    // locks, waits for memory and retries); EINTR.
    int (*get)(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
               struct vm_page **pg);
    // Cleans, and frees if asked, the pages [start, end); enum put_flags. The whole request in one
    // call: the pager clusters as it likes. 0 or the first error; pages that could not be written
    // stay dirty.
    int (*put)(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags);
    // A clean page was modified; o stays locked. Never sleeps. NULL: of no interest.
    void (*dirtied)(struct vm_object *o);
    void (*ref)(struct vm_object *o);           // one more reference; never sleeps; o need not be
                                                // locked
    void (*unref)(struct vm_object *o);         // may sleep and free o; o NOT locked
    // npages more (or fewer, if negative: may sleep, no lock is held) are mapped by ME_WRITER
    // entries. The file is open for writing at the first, so it cannot be refused. Counted in
    // pages, because entries are split and merged. NULL: of no interest.
    void (*claim)(struct vm_object *o, int64_t npages);
};

enum put_flags {
    PUT_CLEAN = 1,              // write dirty pages
    PUT_FREE = 2,               // then unmap and free them (those not wired)
    PUT_SYNC = 4,               // wait until they are on the device
    PUT_DAEMON = 8,             // for the page daemon: try-locks only, may use the reserve, at most
                                // a cluster
    PUT_DISCARD = 16,           // with FREE: throw dirty contents away (truncation); waits for busy
                                // pages
};

struct vm_object {
    struct mutex lock;
    struct rb_tree pages;       // (o) struct vm_page.node, by pgno
    uint64_t npages;            // (o) in the tree
    uint64_t nrefs;             // (a) references; the pager's unref acts on the last
    const struct vm_pager_ops *ops;     // (!)
    uint64_t npaging;           // (o) pages whose write is under way
};

void vm_object_init(struct vm_object *o, const struct vm_pager_ops *ops, const char *lock_name);
void vm_object_destroy(struct vm_object *o);    // no pages, no references left

// o locked: its page pg, which is backed, is about to be modified.
void vm_object_dirty(struct vm_object *o, struct vm_page *pg);
// o locked: the page at pgno, which may be busy, or NULL.
struct vm_page *vm_object_lookup(struct vm_object *o, pgno_t pgno);
// The first page at or after pgno, or NULL.
struct vm_page *vm_object_next(struct vm_object *o, pgno_t pgno);
void vm_object_insert(struct vm_object *o, struct vm_page *pg, pgno_t pgno);    // never fails
void vm_object_remove(struct vm_object *o, struct vm_page *pg);

// o locked, pg not busy or busy by the caller (which ends): unmaps, unwires, removes and frees it.
void vm_object_free_page(struct vm_object *o, struct vm_page *pg);

// o locked: frees all pages in [start, end), dirty or not; waits for busy ones (releasing the
// lock).
void vm_object_discard(struct vm_object *o, pgno_t start, pgno_t end);

// o locked: a new page at pgno, BUSY and FAKE (the pager clears FAKE once it is valid), on no
// queue; or NULL (no memory). Never sleeps.
MUST_CHECK struct vm_page *vm_object_new_page(struct vm_object *o, pgno_t pgno,
                                              unsigned alloc_flags);

static inline void vm_object_ref(struct vm_object *o)
{
    o->ops->ref(o);
}
static inline void vm_object_unref(struct vm_object *o)
{
    o->ops->unref(o);
}
static inline void vm_object_claim(struct vm_object *o, int64_t npages)
{
    if (o->ops->claim)
        o->ops->claim(o, npages);
}

void anon_object_init(void);
// Shared anonymous memory of npages; NULL: no memory. One reference.
MUST_CHECK struct vm_object *anon_object_create(pgno_t npages);
