// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel memory with addresses of its own. A block is one quantum of kernel_map or of its submap;
// a guard page is part of the quantum and has no frame. The frames are found through the page
// tables when the block is freed.
//
// Locking: kmem.h. pending_lock guards the list of blocks that could not be freed at once; each is
// described by a record in its own first bytes.

#include "vm/kmem.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "sync/spinlock.h"
#include "vm/map_change.h"
#include "vm/vm_map.h"

#define KVA_POOL_PAGE (4 * PAGE_SIZE) // large enough that items of a page or so waste little

struct pending {
    struct list link; // (pending_lock)
    struct vm_map *map;
    size_t size;
};

static struct vm_map kernel_map_storage, kmem_map_storage, pool_map_storage;
struct vm_map *kernel_map = &kernel_map_storage;
struct vm_map *kmem_map = &kmem_map_storage;
struct vm_map *pool_map = &pool_map_storage;

static struct spinlock pending_lock = SPINLOCK_INIT("kmem pending", LOCK_VM_LISTS, 0);
static struct list pending_frees = LIST_INIT(pending_frees);

// A part of kernel_map that what is in it cannot outgrow.
static void submap_init(struct vm_map *map, size_t size, size_t align)
{
    struct vm_map_req req = {
        .len = (size + align - 1) / align * align,
        .align = align,
        .attr.inherit = INHERIT_NONE,
        .entry_flags = ME_SUBMAP,
    };

    int error = vm_map_map(kernel_map, &req);
    KASSERT(!error, "submap of %zu bytes in %zu: error %d", size,
            kernel_map->max_va - kernel_map->min_va, error);
    vm_map_init(map, &kernel_pmap, req.va, req.va + req.len, true);
}

void kmem_init(vaddr_t kva_start, size_t kva_size, size_t kmem_size, size_t pool_size)
{
    vm_map_init(kernel_map, &kernel_pmap, kva_start, kva_start + kva_size, true);
    submap_init(kmem_map, kmem_size, PAGE_SIZE);
    submap_init(pool_map, pool_size, KVA_POOL_PAGE);
    pool_allocator_init(&pool_allocator_kva);
}

// ---- frames ----

static void free_frames(struct list *frames)
{
    struct vm_page *pg;

    while ((pg = list_pop(frames, struct vm_page, queue))) {
        KASSERT(pg->owner == PAGE_KMEM, "page %p of %s", pg, page_owner_name[pg->owner]);
        vm_page_free(pg);
    }
}

// npages frames on a list. 0, or ENOMEM or EINTR with none.
static int alloc_frames(size_t npages, unsigned flags, struct list *frames)
{
    unsigned page_flags = flags & KM_ZERO ? PA_ZERO : 0;

    for (size_t i = 0; i < npages; i++) {
        struct vm_page *pg = NULL;
        int error = 0;
        if (flags & KM_NOWAIT)
            error = (pg = vm_page_alloc(PAGE_KMEM, page_flags)) ? 0 : ENOMEM;
        else
            error = vm_page_alloc_wait(PAGE_KMEM, page_flags, &pg);
        if (error) {
            free_frames(frames);
            return error;
        }
        list_push_back(frames, &pg->queue);
    }
    return 0;
}

// Takes the frames out from behind [va, va+size); pages without one are passed over.
static void unmap_frames(vaddr_t va, size_t size, struct list *frames)
{
    paddr_t pa;

    for (size_t off = 0; off < size; off += PAGE_SIZE) {
        if (pmap_kextract(va + off, &pa))
            list_push_back(frames, &phys_to_page(pa)->queue);
    }
    pmap_kremove(va, size >> PAGE_SHIFT);
}

// ---- blocks ----

// Frames come first: once the block has an address, nothing can fail.
void *kmem_alloc(struct vm_map *map, size_t size, size_t align, unsigned flags)
{
    size_t guard = flags & KM_GUARD ? PAGE_SIZE : 0;
    struct list frames = LIST_INIT(frames);
    struct vm_map_req req = {
        .len = page_round(size) + guard,
        .align = align,
        .attr = {.prot = PROT_RW, .max_prot = PROT_RW, .inherit = INHERIT_NONE},
        .entry_flags = ME_QUANTUM | (guard ? ME_GUARD : 0),
        .flags = flags & KM_NOWAIT ? MAP_NOWAIT : 0,
    };

    if (!(flags & KM_NOWAIT))
        assert_may_sleep("kmem_alloc");
    KASSERT(size && size <= page_round(size), "size %#zx", size);
    KASSERT(!guard || align <= PAGE_SIZE, "align %#zx with a guard", align);
    kmem_drain();
    if (!(flags & KM_VAONLY) && alloc_frames(page_round(size) >> PAGE_SHIFT, flags, &frames))
        return NULL;
    if (vm_map_map(map, &req)) {
        free_frames(&frames);
        return NULL;
    }
    vaddr_t va = req.va + guard;
    struct vm_page *pg;
    for (vaddr_t at = va; (pg = list_pop(&frames, struct vm_page, queue)); at += PAGE_SIZE)
        pmap_kenter_pa(at, page_to_phys(pg), PROT_RW);
    return (void *)va;
}

// Gives the block's range and frames back, and ends the change.
static void free_block(struct map_change *c, vaddr_t va, size_t size)
{
    struct list frames = LIST_INIT(frames);
    struct vm_map *map = c->map;
    struct vm_map_entry *e;

    assert_map_changes(map);
    noalloc_enter();
    bool found = vm_map_lookup(map, va, &e);
    KASSERT(found && e->flags & ME_QUANTUM && va + size <= e->end_va, "[%#lx, +%#zx) is no block",
            va, size);
    vaddr_t start_va = va - (e->flags & ME_GUARD ? PAGE_SIZE : 0);
    KASSERT(map_entry_need(map, start_va, va + size) == 0, "[%#lx, +%#zx) is part of a block", va,
            size);
    unmap_frames(va, size, &frames);
    vm_map_clear(c, start_va, va + size);
    map_change_end(c);
    free_frames(&frames);
    noalloc_exit();
}

void kmem_free(struct vm_map *map, void *p, size_t size)
{
    struct pending *record = p;
    struct map_change c;
    paddr_t pa;

    KASSERT(page_aligned((vaddr_t)p) && size, "%p, %zu bytes", p, size);
    if (map_change_begin(&c, map, 0, PR_NOWAIT)) {
        if (pmap_kextract((vaddr_t)p, &pa)) {
            record->map = map;
            record->size = page_round(size);
            spin_lock(&pending_lock);
            list_push_back(&pending_frees, &record->link);
            spin_unlock(&pending_lock);
            return;
        }
        int error = map_change_begin(&c, map, 0, PR_WAITOK);
        KASSERT(!error, "without entries to reserve: error %d", error);
    }
    free_block(&c, (vaddr_t)p, page_round(size));
}

void kmem_drain(void)
{
    struct map_change c;

    while (!list_empty(&pending_frees)) {
        spin_lock(&pending_lock);
        struct pending *record = list_pop(&pending_frees, struct pending, link);
        spin_unlock(&pending_lock);
        if (!record)
            return;
        if (map_change_begin(&c, record->map, 0, PR_NOWAIT)) {
            spin_lock(&pending_lock);
            list_push_front(&pending_frees, &record->link);
            spin_unlock(&pending_lock);
            return;
        }
        free_block(&c, (vaddr_t)record, record->size);
    }
}

// ---- the pools' backend ----

// All that lies in pool_map is of one size, and the map begins at a multiple of it: so does every
// page, without asking for it. Nor is a hole of one page too small where searches pad.
// The frames are PAGE_KMEM, whatever owner is asked for, and never from the reserve.
static void *kva_page_alloc(struct pool_allocator *pa, unsigned flags)
{
    KASSERT(pa->page_size == KVA_POOL_PAGE && pool_map->min_va % KVA_POOL_PAGE == 0,
            "pages of %zu from %#lx on", pa->page_size, pool_map->min_va);
    return kmem_alloc(pool_map, pa->page_size, 0, flags & PR_WAITOK ? KM_WAITOK : KM_NOWAIT);
}

static void kva_page_free(struct pool_allocator *pa, void *page)
{
    nosleep_enter();
    kmem_free(pool_map, page, pa->page_size);
    nosleep_exit();
}

struct pool_allocator pool_allocator_kva = {
    .name = "kva",
    .alloc = kva_page_alloc,
    .free = kva_page_free,
    .page_size = KVA_POOL_PAGE,
};
