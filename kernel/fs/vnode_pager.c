// SPDX-License-Identifier: BSD-2-Clause
//
// The pager of regular files. Reads fetch a cluster of pages that lie together; writes gather runs
// of dirty pages. See vnode_pager.h for the contract.

#include "fs/vnode_pager.h"

#include "fs/syncer.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"

#define CLUSTER 16u // the most pages in one transfer

// Pages on their way to or from the device; all busy.
struct run {
    struct vm_page *pages[CLUSTER];
    void *data[CLUSTER];
    unsigned n;
};

static struct vnode *vnode_of(struct vm_object *o)
{
    return container_of(o, struct vnode, object);
}

// Waits for a busy page; the object is locked, and was released: look again.
static void wait_for(struct vm_object *o, struct vm_page *pg)
{
    vm_page_busy_wait(pg, &o->lock);
    mutex_lock(&o->lock);
}

static void run_add(struct run *r, struct vm_page *pg)
{
    r->pages[r->n] = pg;
    r->data[r->n++] = page_to_dmap(pg);
}

// Bytes beyond the end of the file read as zeroes.
static void zero_tail(struct vm_page *pg, pgno_t pgno, uint64_t size)
{
    uint64_t start = pgno << PAGE_SHIFT;

    if (start >= size)
        vm_page_zero(pg);
    else if (size - start < PAGE_SIZE)
        memset((char *)page_to_dmap(pg) + (size - start), 0, PAGE_SIZE - (size - start));
}

// ---- get ----

// Adds pages after r's first one that are not resident and inside the file, up to `count' in all.
static void add_read_ahead(struct vm_object *o, struct run *r, uint32_t count, uint64_t size)
{
    pgno_t first = r->pages[0]->pgno, end = page_round(size) >> PAGE_SHIFT;
    struct vm_page *next = vm_object_next(o, first + 1);

    if (next)
        end = min(end, next->pgno);
    while (r->n < count && first + r->n < end) {
        struct vm_page *pg = vm_object_new_page(o, first + r->n, 0);
        if (!pg)
            return;
        run_add(r, pg);
    }
}

// The I/O is over: the pages are valid, or freed if it failed. All but the first become available.
static void finish_read(struct vm_object *o, struct run *r, int error)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct vm_page *pg = r->pages[i];
        if (error) {
            vm_page_unbusy(pg);
            vm_object_free_page(o, pg);
            continue;
        }
        pg->flags = (pg->flags & ~(unsigned)PG_FAKE) | PG_BACKED;
        if (i > 0) {
            vm_page_unbusy(pg);
            vm_page_deactivate(pg);
        }
    }
}

// How many blocks to allocate for a page that is written: one, but a few for what will follow if
// the file is appended to, the more the longer it is.
static uint32_t blocks_wanted(struct vnode *v, pgno_t pgno)
{
    if (pgno != page_round(v->size) >> PAGE_SHIFT)
        return 1;
    return (uint32_t)max(min(pgno / 4, (pgno_t)CLUSTER), 1ul);
}

// Fills the new busy page pg; the object is locked, and released meanwhile. On error pg is freed.
static int fill(struct vnode *v, struct vm_page *pg, vm_prot_t access, bool overwrite)
{
    const struct vnode_backing *b = v->ops->backing;
    struct vm_object *o = &v->object;
    struct run r = {.n = 0};
    uint32_t want = blocks_wanted(v, pg->pgno), shrinks = v->shrinks;
    struct vnode_map map;

    run_add(&r, pg);
    mutex_unlock(&o->lock);
    int error = b->map(v, pg->pgno, CLUSTER, false, &map);
    if (!error && map.block == 0 && (access & PROT_WRITE))
        error = b->map(v, pg->pgno, want, true, &map);
    mutex_lock(&o->lock);
    v->ahead |= !error && map.fresh && want > 1;
    if (error || map.block == 0 || map.fresh || overwrite) {
        if (!error && !overwrite)
            vm_page_zero(pg);
        if (!error && map.block == 0) {
            pg->flags &= ~(unsigned)(PG_BACKED | PG_FAKE);
            return 0;
        }
        finish_read(o, &r, error);
        return error;
    }
    uint64_t size = v->size;
    if (v->shrinks == shrinks) // pg has been busy, the others' blocks may be gone
        add_read_ahead(o, &r, min(map.count, CLUSTER), size);
    mutex_unlock(&o->lock);
    error = b->transfer(v, map.block, r.data, r.n, false);
    for (unsigned i = 0; !error && i < r.n; i++)
        zero_tail(r.pages[i], r.pages[i]->pgno, size);
    mutex_lock(&o->lock);
    finish_read(o, &r, error);
    return error;
}

// Gives a resident page its block before it is modified; pg is busy.
static int back(struct vnode *v, struct vm_page *pg)
{
    struct vnode_map map;

    mutex_unlock(&v->object.lock);
    int error = v->ops->backing->map(v, pg->pgno, 1, true, &map);
    mutex_lock(&v->object.lock);
    if (error)
        vm_page_unbusy(pg);
    else
        pg->flags |= PG_BACKED;
    return error;
}

int vnode_page_get(struct vnode *v, pgno_t pgno, vm_prot_t access, bool overwrite, bool extend,
                   struct vm_page **out)
{
    struct vm_object *o = &v->object;
    struct vm_page *pg;

    for (;;) {
        if (!extend && pgno >= page_round(v->size) >> PAGE_SHIFT)
            return ENXIO;
        pg = vm_object_lookup(o, pgno);
        if (!pg || !(pg->flags & PG_BUSY))
            break;
        wait_for(o, pg);
    }
    *out = pg;
    if (!pg) {
        *out = pg = vm_object_new_page(o, pgno, 0);
        if (!pg)
            return ENOMEM;
        int error = fill(v, pg, access, overwrite);
        if (!error)
            vm_page_activate(pg);
        return error;
    }
    vm_page_busy(pg);
    return (access & PROT_WRITE) && !(pg->flags & PG_BACKED) ? back(v, pg) : 0;
}

int vnode_pager_get(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                    struct vm_page **pg)
{
    return vnode_page_get(vnode_of(o), pgno, access, overwrite, false, pg);
}

// ---- put ----

static bool is_dirty(struct vm_page *pg)
{
    return (pg->flags & PG_DIRTY) || pmap_is_modified(pg);
}

// From here on the page is clean, unless it is wired: it may be modified while it is written.
static void begin_write(struct vm_page *pg)
{
    KASSERT(pg->flags & PG_BACKED, "dirty page %lu without a block", pg->pgno);
    vm_page_busy(pg);
    if (pg->wire_count > 0) {
        pg->flags |= PG_DIRTY;
        syncer_again();
        return;
    }
    pg->flags &= ~(unsigned)PG_DIRTY;
    pmap_page_protect(pg, PROT_READ);
    pmap_clear_modify(pg);
}

// Collects the dirty pages that follow each other from pg on, and begins to write them.
static void gather(struct vm_object *o, struct vm_page *pg, pgno_t end, struct run *r)
{
    while (pg && r->n < CLUSTER && pg->pgno < end && !(pg->flags & PG_BUSY) && is_dirty(pg)) {
        begin_write(pg);
        run_add(r, pg);
        pg = vm_object_lookup(o, pg->pgno + 1);
    }
    o->npaging += r->n;
}

// Writes a run that may lie in several pieces of the device.
static int write_run(struct vnode *v, struct run *r)
{
    const struct vnode_backing *b = v->ops->backing;
    struct vnode_map map;
    int error = 0;

    for (unsigned done = 0; !error && done < r->n; done += map.count) {
        pgno_t pgno = r->pages[done]->pgno;
        error = b->map(v, pgno, r->n - done, false, &map);
        if (error)
            break;
        KASSERT(map.block != 0, "file %lu page %lu lost its block", v->ino, pgno);
        error = b->transfer(v, map.block, r->data + done, map.count, true);
        if (!error && map.fresh)
            error = b->written(v, pgno, map.count);
    }
    return error;
}

// Cleans the run that begins at pg; the object is released during the I/O.
static int clean(struct vnode *v, struct vm_page *pg, pgno_t end, pgno_t *next)
{
    struct vm_object *o = &v->object;
    struct run r = {.n = 0};

    gather(o, pg, end, &r);
    *next = pg->pgno + r.n;
    mutex_unlock(&o->lock);
    int error = write_run(v, &r);
    mutex_lock(&o->lock);
    o->npaging -= r.n;
    for (unsigned i = 0; i < r.n; i++) {
        if (error)
            r.pages[i]->flags |= PG_DIRTY;
        vm_page_unbusy(r.pages[i]);
    }
    return error;
}

// True if the page may go: it is not wired, and clean once nobody can write to it any more.
static bool may_free(struct vm_page *pg)
{
    if (pg->wire_count > 0)
        return false;
    pmap_page_protect(pg, PROT_NONE);
    return !is_dirty(pg);
}

// Frees the pages of [start, end) that may go.
static void free_range(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags)
{
    struct vm_page *pg;
    bool discard = flags & PUT_DISCARD;

    while ((pg = vm_object_next(o, start)) && pg->pgno < end) {
        start = pg->pgno;
        if ((pg->flags & PG_BUSY) && !(flags & PUT_DAEMON)) {
            wait_for(o, pg);
            continue;
        }
        if (!(pg->flags & PG_BUSY) && (discard || may_free(pg)))
            vm_object_free_page(o, pg);
        start++;
    }
}

int vnode_pager_put(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags)
{
    struct vm_page *pg;
    pgno_t at = start;
    int error = 0;

    while ((flags & PUT_CLEAN) && (pg = vm_object_next(o, at)) && pg->pgno < end) {
        at = pg->pgno;
        if ((pg->flags & PG_BUSY) && !(flags & PUT_DAEMON)) {
            wait_for(o, pg);
            continue;
        }
        at++;
        if (!(pg->flags & PG_BUSY) && is_dirty(pg)) {
            int clean_error = clean(vnode_of(o), pg, end, &at);
            error = error ? error : clean_error;
        }
    }
    if (flags & PUT_FREE)
        free_range(o, start, end, flags);
    return error;
}
