// SPDX-License-Identifier: BSD-2-Clause
//
// Anons: pages of private memory, each in a frame or in a swap slot.
//
// Locking: anon.h. The page of a busy anon is under I/O: who does the I/O locks the anon again
// when it ends, and finds there (PG_RELEASED) whether the last reference went meanwhile.

#include "vm/anon.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "vm/stat.h"
#include "vm/swap.h"
#include "vm/vm_object.h"

static struct pool anon_pool;
static uint64_t nanons;
uint64_t anon_ref_changes;

void anon_init(void)
{
    pool_init(&anon_pool, "anon", sizeof(struct vm_anon), 0, NULL);
}

// Anons, amaps and their chunks may come from the reserve: an ordinary page is needed for the page
// proper alone, and before its anon and the chunk. So a fault that has waited until there is one
// succeeds; if it needed two, the first could be taken and drained again and again while it waits
// for the second.
struct vm_anon *anon_alloc(void)
{
    struct vm_anon *an = pool_get(&anon_pool, PR_NOWAIT | PR_RESERVE);

    if (!an)
        return NULL;
    mutex_init(&an->lock, "anon", LOCK_ANON, 0);
    bool mine = mutex_trylock(&an->lock); // nobody else knows it; the order does not matter
    KASSERT(mine, "new anon %p is locked", an);
    an->nrefs = 1;
    an->page = NULL;
    an->swap_slot = 0;
    an->seen = 0;
    stat_inc(nanons);
    return an;
}

static void anon_give_page(struct vm_anon *an, struct vm_page *pg)
{
    KASSERT(mutex_held(&an->lock) && !an->page && !pg->object, "page %p for anon %p, which has %p",
            pg, an, an->page);
    pg->anon = an;
    an->page = pg;
}

struct vm_anon *anon_alloc_page(const struct vm_page *from)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, from ? 0 : PA_ZERO);

    KASSERT(!from || from->flags & PG_BUSY || (from->anon && mutex_held(&from->anon->lock)) ||
                (from->object && mutex_held(&from->object->lock)),
            "page %p is copied while its owner is not locked", from);
    if (!pg)
        return NULL;
    struct vm_anon *an = anon_alloc();
    if (!an) {
        vm_page_free(pg);
        return NULL;
    }
    if (from)
        memcpy(page_to_dmap(pg), page_to_dmap(from), PAGE_SIZE);
    anon_give_page(an, pg);
    return an;
}

void anon_ref(struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock) && an->nrefs, "anon %p, %u references", an, an->nrefs);
    an->nrefs++;
    stat_inc(anon_ref_changes);
}

void anon_unmap(struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock) && anon_resident(an), "anon %p", an);
    pmap_page_protect(an->page, PROT_NONE);
    while (an->page->wire_count)
        vm_page_unwire(an->page);
}

struct vm_page *anon_lend(struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock) && anon_resident(an), "anon %p, page %p", an, an->page);
    if (!vm_page_lend(an->page))
        return NULL;
    pmap_page_protect(an->page, PROT_READ);
    return an->page;
}

static void anon_free_page(struct vm_anon *an)
{
    struct vm_page *pg = an->page;

    pmap_page_protect(pg, PROT_NONE);
    if (__builtin_expect(pg->wire_count > 0, 0))
        anon_unmap(an);
    an->page = NULL;
    vm_page_give_up(pg);
}

static void anon_free(struct vm_anon *an)
{
    KASSERT(an->nrefs == 0 && !mutex_held(&an->lock), "anon %p, %u references", an, an->nrefs);
    mutex_retire(&an->lock);
    stat_dec(nanons);
    pool_put(&anon_pool, an);
}

// The last reference is gone and the page is not busy: frees all, and the lock with it.
static void anon_free_unlock(struct vm_anon *an)
{
    if (an->page)
        anon_free_page(an);
    if (an->swap_slot)
        swap_free(an->swap_slot, 1);
    mutex_unlock(&an->lock);
    anon_free(an);
}

void anon_unref_unlock(struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock) && an->nrefs, "anon %p, %u references", an, an->nrefs);
    if (--an->nrefs) {
        stat_inc(anon_ref_changes);
        mutex_unlock(&an->lock);
    } else if (an->page && (an->page->flags & PG_BUSY)) {
        an->page->flags |= PG_RELEASED;
        mutex_unlock(&an->lock);
    } else {
        anon_free_unlock(an);
    }
}

int anon_fetch_unlock(struct vm_anon *an)
{
    KASSERT(mutex_held(&an->lock) && !anon_resident(an), "anon %p", an);
    if (an->page) {
        vm_page_busy_wait(an->page, &an->lock);
        return 0;
    }
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);
    if (!pg) {
        mutex_unlock(&an->lock);
        return ENOMEM;
    }
    uint32_t slot = an->swap_slot;
    KASSERT(slot, "anon %p is nowhere", an);
    anon_give_page(an, pg);
    vm_page_busy(pg);
    mutex_unlock(&an->lock);

    int error = swap_in(slot, pg);

    mutex_lock(&an->lock);
    vm_page_unbusy(pg);
    if (pg->flags & PG_RELEASED) {
        anon_free_unlock(an);
        return 0;
    }
    if (error) {
        anon_free_page(an);
    } else {
        an->swap_slot = 0;
        swap_free(slot, 1);
        vm_page_activate(pg);
    }
    mutex_unlock(&an->lock);
    return error;
}

void anon_paged_out(struct vm_anon *an, uint32_t slot)
{
    mutex_lock(&an->lock);
    struct vm_page *pg = an->page;
    KASSERT(pg && (pg->flags & PG_PAGEOUT), "anon %p, page %p", an, pg);
    pg->flags &= ~PG_PAGEOUT;
    vm_page_unbusy(pg);
    if (slot) {
        if (an->swap_slot)
            swap_free(an->swap_slot, 1);
        an->swap_slot = slot;
    }
    if (pg->flags & PG_RELEASED) {
        anon_free_unlock(an);
        return;
    }
    if (slot)
        anon_free_page(an);
    else
        vm_page_activate(pg);
    mutex_unlock(&an->lock);
}

uint64_t anon_count(void)
{
    return nanons;
}
