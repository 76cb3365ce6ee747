// SPDX-License-Identifier: BSD-2-Clause
//
// Address spaces: creation, fork, the end; the break and the stack.
//
// Locking: vm_space.h. A child's map is locked under its parent's at fork, though nobody else
// knows it yet, because what links entries asserts it.

#include "vm/vm_space.h"

#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/map_change.h"
#include "vm/vm_object.h"

#define STACK_INITIAL (128ul << 10) // mapped at once; the rest as it is touched
#define MMAP_GAP      (128ul << 20) // between the stack's top and the mappings, at least

static struct pool space_pool;

void vm_space_init_pools(void)
{
    pool_init(&space_pool, "vm_space", sizeof(struct vm_space), 0, NULL);
}

struct vm_space *vm_space_create(void)
{
    assert_may_sleep("vm_space_create");
    struct vm_space *vs = pool_get(&space_pool, PR_WAITOK | PR_ZERO);

    if (!vs)
        return NULL;
    // pmap_create never sleeps; others may have taken what was waited for.
    while (!(vs->pmap = pmap_create()) && !vm_page_wait())
        ;
    if (!vs->pmap) {
        pool_put(&space_pool, vs);
        return NULL;
    }
    vm_map_init(&vs->map, vs->pmap, USER_MIN, USER_MAX, false);
    vs->nrefs = 1;
    vs->mmap_top = USER_MAX - MMAP_GAP;
    return vs;
}

void vm_space_ref(struct vm_space *vs)
{
    add_relaxed(&vs->nrefs, 1);
}

void vm_space_unref(struct vm_space *vs)
{
    assert_may_sleep("vm_space_unref");
    if (sub_acq_rel(&vs->nrefs, 1))
        return;
    vm_map_destroy(&vs->map);
    pmap_destroy(vs->pmap);
    pool_put(&space_pool, vs);
}

// ---- fork ----

// Gives the child its view of one of the parent's entries.
static int fork_entry(struct map_change *parent, struct vm_map_entry *pe, struct map_change *child)
{
    struct vm_map_entry ce = *pe;

    assert_map_changes(parent->map);
    assert_map_changes(child->map);
    ce.amap = NULL;
    int error = amap_inherit(parent->map, pe, child->map, &ce);
    if (error)
        return error;
    if (pe->attr.object)
        vm_object_ref(pe->attr.object);
    if (pe->flags & ME_WRITER)
        vm_object_claim(pe->attr.object, (int64_t)((pe->end_va - pe->start_va) >> PAGE_SHIFT));
    struct vm_map_req req = {
        .va = pe->start_va,
        .len = pe->end_va - pe->start_va,
        .attr = ce.attr,
        .amap = ce.amap,
        .amap_slot = ce.amap_slot,
        .entry_flags = ce.flags,
    };
    map_entry_link(child, &req);
    return 0;
}

// The child's entries are reserved with the parent's change, whose map says how many there are.
// That one ends first: the child's drops what merging left over, for which no map may be locked.
static int fork_map(struct vm_space *parent, struct vm_space *child)
{
    struct map_change pc, cc;

    int error = map_change_begin_copy(&pc, &parent->map);
    if (error)
        return error;
    error = map_change_begin(&cc, &child->map, 0, PR_WAITOK);
    KASSERT(!error, "without entries to reserve: error %d", error);
    list_splice(&cc.spare, &pc.spare);
    list_for_each (pe, &parent->map.entries, struct vm_map_entry, link) {
        if (pe->attr.inherit != INHERIT_NONE && !error)
            error = fork_entry(&pc, pe, &cc);
    }
    child->brk_start = parent->brk_start;
    child->brk_end = parent->brk_end;
    child->mmap_top = parent->mmap_top;
    map_change_end(&pc);
    map_change_end(&cc);
    return error;
}

int vm_space_fork(struct vm_space *parent, struct vm_space **out)
{
    struct vm_space *child = vm_space_create();

    if (!child)
        return ENOMEM;
    int error = fork_map(parent, child);
    if (error)
        vm_space_unref(child);
    else
        *out = child;
    return error;
}

// ---- break and stack ----

static struct vm_map_req anonymous_req(vaddr_t va, size_t len)
{
    return (struct vm_map_req){
        .va = va,
        .len = len,
        .attr = {.prot = PROT_RW, .max_prot = PROT_ALL, .inherit = INHERIT_COPY},
        .entry_flags = ME_COW,
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
    };
}

vaddr_t vm_brk(struct vm_space *vs, vaddr_t new_end)
{
    vaddr_t old_end = vs->brk_end;
    vaddr_t old_top = page_round(old_end), new_top = page_round(new_end);

    assert_may_sleep("vm_brk");
    KASSERT(vs->brk_start <= old_end && old_end <= vs->mmap_top, "break %#lx, from %#lx to %#lx",
            old_end, vs->brk_start, vs->mmap_top);
    if (new_end < vs->brk_start || new_end > vs->mmap_top)
        return old_end;
    if (new_top > old_top) {
        struct vm_map_req req = anonymous_req(old_top, new_top - old_top);
        if (vm_map_map(&vs->map, &req))
            return old_end;
    } else if (new_top < old_top && vm_map_unmap(&vs->map, new_top, old_top)) {
        return old_end;
    }
    vs->brk_end = new_end;
    return new_end;
}

int vm_stack_map(struct vm_space *vs, vaddr_t top_va, size_t limit)
{
    uint64_t soft = vm_limit(VM_LIMIT_STACK);
    size_t size = max(page_trunc(min(min(soft, limit), STACK_INITIAL)), PAGE_SIZE);
    struct vm_map_req req = anonymous_req(top_va - size, size);

    KASSERT(page_aligned(top_va) && limit < top_va, "top %#lx, limit %#zx", top_va, limit);
    req.attr.offset = page_trunc(top_va - limit);
    req.entry_flags |= ME_STACK;
    int error = vm_map_map(&vs->map, &req);
    if (error)
        return error;
    vs->mmap_top = page_trunc(top_va - max(limit, MMAP_GAP));
    return 0;
}

// ---- for /proc ----

void vm_space_for_each(struct vm_space *vs, void (*fn)(const struct vm_map_entry *e, void *arg),
                       void *arg)
{
    rw_lock_read(&vs->map.lock);
    list_for_each (e, &vs->map.entries, struct vm_map_entry, link)
        fn(e, arg);
    rw_unlock_read(&vs->map.lock);
}

uint64_t vm_space_resident(struct vm_space *vs)
{
    return load_relaxed(&vs->pmap->resident);
}

static pgno_t swapped_pages(const struct vm_map_entry *e)
{
    pgno_t slot = e->amap_slot, end = slot + ((e->end_va - e->start_va) >> PAGE_SHIFT), n = 0;
    struct vm_anon *an;

    amap_lock(e->amap);
    for (; (an = amap_next(e->amap, &slot, end)); slot++)
        n += !load_relaxed(&an->page);
    amap_unlock(e->amap);
    return n;
}

void vm_space_usage(struct vm_space *vs, struct vm_space_usage *u)
{
    size_t entry_bytes = vs->map.nentries * sizeof(struct vm_map_entry);
    uint64_t ntables = load_relaxed(&vs->pmap->pt_pages);

    *u = (struct vm_space_usage){.resident = vm_space_resident(vs)};
    u->kernel = ntables + (entry_bytes >> PAGE_SHIFT);
    if (!rw_trylock_read(&vs->map.lock))
        return;
    list_for_each (e, &vs->map.entries, struct vm_map_entry, link) {
        if (e->amap)
            u->swapped += swapped_pages(e);
    }
    rw_unlock_read(&vs->map.lock);
}
