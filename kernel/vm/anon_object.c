// SPDX-License-Identifier: BSD-2-Clause
//
// Shared anonymous memory: an object whose pager gives zeroes and has nowhere to put pages, so
// they are dirty from the start, on no queue, and stay until the last reference goes.
//
// Locking: vm_object.h.

#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "vm/vm_object.h"

struct anon_object {
    struct vm_object object;
    pgno_t npages; // (!) beyond them is nothing
};

static struct pool anon_object_pool;

static int anon_object_get(struct vm_object *o, pgno_t pgno, vm_prot_t access UNUSED,
                           bool overwrite UNUSED, struct vm_page **out)
{
    struct vm_page *pg;

    assert_may_sleep("anon_object_get");
    KASSERT(mutex_held(&o->lock), "object %p", o);
    if (pgno >= container_of(o, struct anon_object, object)->npages)
        return ENXIO;
    while ((pg = vm_object_lookup(o, pgno)) && (pg->flags & PG_BUSY)) {
        vm_page_busy_wait(pg, &o->lock);
        mutex_lock(&o->lock);
    }
    if (pg) {
        vm_page_busy(pg);
    } else {
        pg = vm_object_new_page(o, pgno, PA_ZERO);
        if (!pg)
            return ENOMEM;
        pg->flags = (pg->flags & ~PG_FAKE) | PG_DIRTY | PG_BACKED;
    }
    *out = pg;
    return 0;
}

static int anon_object_put(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags)
{
    KASSERT(mutex_held(&o->lock) && start <= end, "object %p, pages [%lu, %lu)", o, start, end);
    if ((flags & (PUT_FREE | PUT_DISCARD)) == (PUT_FREE | PUT_DISCARD))
        vm_object_discard(o, start, end);
    else if (flags & PUT_FREE)
        return ENOSPC;
    return 0;
}

static void anon_object_ref(struct vm_object *o)
{
    add_relaxed(&o->nrefs, 1);
}

static void anon_object_unref(struct vm_object *o)
{
    assert_may_sleep("anon_object_unref");
    if (sub_acq_rel(&o->nrefs, 1))
        return;
    mutex_lock(&o->lock);
    vm_object_discard(o, 0, UINT64_MAX);
    mutex_unlock(&o->lock);
    vm_object_destroy(o);
    pool_put(&anon_object_pool, container_of(o, struct anon_object, object));
}

static const struct vm_pager_ops anon_object_ops = {
    .get = anon_object_get,
    .put = anon_object_put,
    .ref = anon_object_ref,
    .unref = anon_object_unref,
};

void anon_object_init(void)
{
    pool_init(&anon_object_pool, "anon_object", sizeof(struct anon_object), 0, NULL);
}

struct vm_object *anon_object_create(pgno_t npages)
{
    struct anon_object *ao = pool_get(&anon_object_pool, PR_WAITOK);

    if (!ao)
        return NULL;
    vm_object_init(&ao->object, &anon_object_ops, "anon object");
    ao->npages = npages;
    return &ao->object;
}
