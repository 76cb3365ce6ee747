// SPDX-License-Identifier: BSD-2-Clause
//
// Memory objects: a tree of pages by page number. What fills and cleans them is the pager's.
//
// Locking: vm_object.h.

#include "vm/vm_object.h"

#include "lib/panic.h"
#include "pmap/pmap.h"

void vm_object_init(struct vm_object *o, const struct vm_pager_ops *ops, const char *lock_name)
{
    KASSERT(ops->get && ops->put && ops->ref && ops->unref, "object %p, pager %p", o, ops);
    *o = (struct vm_object){.ops = ops, .nrefs = 1};
    mutex_init(&o->lock, lock_name, LOCK_OBJECT, 0);
}

void vm_object_destroy(struct vm_object *o)
{
    KASSERT(o->npages == 0 && !o->pages.root && o->npaging == 0, "%lu pages, %lu being written",
            o->npages, o->npaging);
    KASSERT(o->nrefs == 0, "%lu references", o->nrefs);
}

struct vm_page *vm_object_lookup(struct vm_object *o, pgno_t pgno)
{
    KASSERT(mutex_held(&o->lock), "object %p", o);
    for (struct rb_node *n = o->pages.root; n;) {
        struct vm_page *pg = rb_entry(n, struct vm_page, node);
        if (pg->pgno == pgno)
            return pg;
        n = n->child[pgno > pg->pgno];
    }
    return NULL;
}

struct vm_page *vm_object_next(struct vm_object *o, pgno_t pgno)
{
    KASSERT(mutex_held(&o->lock), "object %p", o);
    struct rb_node *n = rb_ceiling(&o->pages, pgno, RB_KEY(struct vm_page, node, pgno));
    return n ? rb_entry(n, struct vm_page, node) : NULL;
}

void vm_object_insert(struct vm_object *o, struct vm_page *pg, pgno_t pgno)
{
    struct rb_node *parent = NULL;
    int side = 0;

    KASSERT(mutex_held(&o->lock), "object %p", o);
    for (struct rb_node *n = o->pages.root; n; n = n->child[side]) {
        struct vm_page *at = rb_entry(n, struct vm_page, node);
        KASSERT(at->pgno != pgno, "object %p has a page at %lu", o, pgno);
        parent = n;
        side = pgno > at->pgno;
    }
    pg->object = o;
    pg->pgno = pgno;
    rb_insert(&o->pages, &pg->node, parent, side);
    o->npages++;
}

void vm_object_remove(struct vm_object *o, struct vm_page *pg)
{
    KASSERT(mutex_held(&o->lock), "object %p", o);
    KASSERT(pg->object == o, "page %p of object %p, not %p", pg, pg->object, o);
    KASSERT(o->npages > 0, "object %p has no pages", o);
    rb_remove(&o->pages, &pg->node);
    pg->object = NULL;
    o->npages--;
}

void vm_object_dirty(struct vm_object *o, struct vm_page *pg)
{
    KASSERT(mutex_held(&o->lock), "object %p", o);
    KASSERT(pg->object == o && pg->flags & PG_BACKED, "page %p of object %p, flags %#x", pg,
            pg->object, pg->flags);
    if (!(pg->flags & PG_DIRTY) && o->ops->dirtied)
        o->ops->dirtied(o);
    pg->flags |= PG_DIRTY;
}

void vm_object_free_page(struct vm_object *o, struct vm_page *pg)
{
    KASSERT(mutex_held(&o->lock) && pg->object == o, "page %p of object %p", pg, o);
    if (pg->flags & PG_BUSY)
        vm_page_unbusy(pg);
    pmap_page_protect(pg, PROT_NONE);
    while (pg->wire_count)
        vm_page_unwire(pg);
    vm_page_dequeue(pg);
    vm_object_remove(o, pg);
    vm_page_free(pg);
}

void vm_object_discard(struct vm_object *o, pgno_t start, pgno_t end)
{
    struct vm_page *pg;

    assert_may_sleep("vm_object_discard");
    KASSERT(mutex_held(&o->lock), "object %p", o);
    while ((pg = vm_object_next(o, start)) && pg->pgno < end) {
        if (pg->flags & PG_BUSY) {
            vm_page_busy_wait(pg, &o->lock);
            mutex_lock(&o->lock);
        } else {
            start = pg->pgno + 1;
            vm_object_free_page(o, pg);
        }
    }
}

struct vm_page *vm_object_new_page(struct vm_object *o, pgno_t pgno, unsigned alloc_flags)
{
    struct vm_page *pg = vm_page_alloc(PAGE_OBJECT, alloc_flags);

    KASSERT(mutex_held(&o->lock), "object %p", o);
    if (!pg)
        return NULL;
    vm_page_busy(pg);
    pg->flags |= PG_FAKE;
    vm_object_insert(o, pg, pgno);
    return pg;
}
