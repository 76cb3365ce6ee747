// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of the VM inside the kernel, where there is a real pmap: kernel memory, faults with real
// page tables, fork, and all the checks.

#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "proc/thread.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/pageout.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_space.h"

#define BLOCKS 16
#define BASE   0x10000000ul

static char text[1024];

// Which entries stay when mappings go is chance, and so is how many pages they are spread over.
static void count_spread(struct pool *p, void *npages)
{
    if (strcmp(p->name, "map_entry") == 0)
        *(uint64_t *)npages +=
            p->npages - (p->nitems_out + p->items_per_page - 1) / p->items_per_page;
}

// All checks of memory; and that nothing was leaked since free pages were counted.
static uint64_t free_pages(void)
{
    struct vm_page_stats st;

    kmem_drain();
    pool_reclaim_all();
    vm_page_get_stats(&st);
    pool_for_each(count_spread, &st.nfree);
    return st.nfree;
}

static void check_all(uint64_t nfree_before)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = map_check(&out) + amap_check(&out) + slab_check(&out) + pmap_check(&out) +
                      pv_check(&out) + pool_check(NULL, &out) + page_check(&out);
    KTEST_CHECK(faults == 0, "%u faults: %s", faults, text);
    KTEST_CHECK(free_pages() == nfree_before, "%lu pages free, %lu before", free_pages(),
                nfree_before);
}

KTEST(vm_kmem)
{
    uint64_t before = free_pages();
    uint8_t *blocks[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = kmem_alloc(i % 2 ? kmem_map : kernel_map, (i + 1) * 1000, 0,
                               KM_ZERO | (i % 3 ? KM_GUARD : 0));
        KTEST_CHECK(blocks[i], "block %u", i);
        for (size_t at = 0; at < (i + 1) * 1000; at += 100)
            KTEST_CHECK(blocks[i][at] == 0, "block %u at %zu", i, at);
        memset(blocks[i], i, (i + 1) * 1000);
    }
    nosleep_enter();
    for (unsigned i = 0; i < BLOCKS; i++) {
        KTEST_CHECK(blocks[i][(i + 1) * 1000 - 1] == i, "block %u", i);
        kmem_free(i % 2 ? kmem_map : kernel_map, blocks[i], (i + 1) * 1000);
    }
    nosleep_exit();
    void *aligned = kmem_alloc(kernel_map, 100, 1 << 20, KM_NOWAIT);
    KTEST_CHECK(aligned && (vaddr_t)aligned % (1 << 20) == 0, "%p", aligned);
    kmem_free(kernel_map, aligned, 100);
    check_all(before);
}

// The pgno of a frame belongs to whoever allocated the block, and is 0 before.
KTEST(vm_kmem_pgno)
{
    uint64_t before = free_pages();

    for (unsigned round = 0; round < 2; round++) {
        uint8_t *block = kmem_alloc(kernel_map, 4 * PAGE_SIZE, 0, 0);
        for (unsigned i = 0; i < 4; i++) {
            paddr_t pa = 0;
            bool mapped = pmap_kextract((vaddr_t)block + i * PAGE_SIZE, &pa);
            struct vm_page *pg = phys_to_page(pa);
            KTEST_CHECK(mapped && pg && pg->owner == PAGE_KMEM, "page %u", i);
            KTEST_CHECK(pg->pgno == 0, "page %u: %lu", i, pg->pgno);
            pg->pgno = ~(uint64_t)i;
        }
        static char out_text[256];
        struct strbuf out;
        strbuf_init(&out, out_text, sizeof(out_text));
        KTEST_CHECK(page_check(&out) == 0, "%s", out_text);
        kmem_free(kernel_map, block, 4 * PAGE_SIZE);
    }
    check_all(before);
}

static void find_threads(struct pool *p, void *found)
{
    if (!strcmp(p->name, "thread"))
        *(struct pool **)found = p;
}

// What pools take of address space ends where poolkva= says, whatever memory is left; and what they
// give back is there again.
KTEST(vm_pool_kva)
{
    struct item {
        struct item *next;
    } *items = NULL, *item;
    uint64_t before = free_pages();
    struct pool *p = NULL;

    thread_init();
    pool_for_each(find_threads, &p);
    KASSERT(p, "no pool of threads");
    while ((item = pool_get(p, PR_NOWAIT))) {
        item->next = items;
        items = item;
    }
    size_t bound = pool_map->max_va - pool_map->min_va;
    // The search for space in its first form does not find the tightest fit.
    KTEST_CHECK(p->npages > 0 && bound - pool_map->size <= 4 * PAGE_SIZE,
                "%lu pages of [%#zx], %#zx are mapped", p->npages, bound, pool_map->size);
    while ((item = items)) {
        items = item->next;
        pool_put(p, item);
    }
    check_all(before);
}

KTEST(vm_slab)
{
    static const size_t sizes[] = {1, 16, 17, 100, 1000, 2048, 2049, 5000, 100000};
    void *blocks[array_len(sizes)];

    for (unsigned i = 0; i < array_len(sizes); i++) {
        blocks[i] = slab_alloc(sizes[i], KM_ZERO);
        KTEST_CHECK(blocks[i] && slab_usable_size(blocks[i]) >= sizes[i], "%zu bytes", sizes[i]);
        memset(blocks[i], 0xee, sizes[i]);
    }
    for (unsigned i = 0; i < array_len(sizes); i++)
        slab_free(blocks[i]);
    check_all(free_pages());
}

// The word that vs shows at va, after a fault for the access.
static uint64_t *user_word(struct vm_space *vs, vaddr_t va, vm_prot_t access)
{
    paddr_t pa = 0;
    vm_prot_t prot = 0;

    int error = vm_fault(&vs->map, va, access);
    KTEST_CHECK(error == 0, "%#lx: error %d", va, error);
    bool mapped = pmap_extract(vs->pmap, va, &pa, &prot);
    KTEST_CHECK(mapped && !(access & ~prot), "%#lx: prot %u", va, prot);
    return phys_to_dmap(pa);
}

static void map_anonymous(struct vm_space *vs, vaddr_t va, size_t npages, unsigned flags)
{
    flags |= LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED;
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, PROT_RW, PROT_ALL, flags, NULL, 0);
    KASSERT(!error, "va %#lx: error %d", va, error);
}

KTEST(vm_fault_fork)
{
    uint64_t before = free_pages();
    struct vm_space *vs = vm_space_create(), *child = NULL;
    vaddr_t private = BASE, shared = 2 * BASE;

    map_anonymous(vs, private, 64, LINUX_MAP_PRIVATE);
    map_anonymous(vs, shared, 64, LINUX_MAP_SHARED);
    for (unsigned i = 0; i < 64; i++) {
        *user_word(vs, private + i * PAGE_SIZE, PROT_WRITE) = i;
        *user_word(vs, shared + i * PAGE_SIZE, PROT_WRITE) = i;
    }
    KTEST_CHECK(vm_space_resident(vs) == 128, "%lu resident", vm_space_resident(vs));
    KTEST_CHECK(vm_space_fork(vs, &child) == 0, "fork");
    *user_word(vs, private, PROT_WRITE) = 100;
    *user_word(vs, shared, PROT_WRITE) = 200;
    KTEST_CHECK(*user_word(child, private, PROT_READ) == 0, "private");
    KTEST_CHECK(*user_word(child, shared, PROT_READ) == 200, "shared");
    KTEST_CHECK(vm_munmap(vs, private + 8 * PAGE_SIZE, 8 * PAGE_SIZE) == 0, "munmap");
    KTEST_CHECK(vm_mprotect(vs, private, 4 * PAGE_SIZE, PROT_READ) == 0, "mprotect");
    KTEST_CHECK(vm_fault(&vs->map, private, PROT_WRITE) == EACCES, "read-only");
    KTEST_CHECK(vm_fault(&vs->map, private + 9 * PAGE_SIZE, PROT_READ) == EFAULT, "unmapped");
    check_all(free_pages());
    vm_space_unref(child);
    vm_space_unref(vs);
    KTEST_CHECK(anon_count() == 0, "%lu anons", anon_count());
    check_all(before);
}

// ---- the checks find what is wrong ----

static void one_check_finds(unsigned (*check)(struct strbuf *out), const char *damage)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(check(&out) > 0 && text[0], "%s is not found", damage);
}

static void miscount_pool(struct pool *p, void *by)
{
    if (strcmp(p->name, "anon") == 0)
        p->nitems_out += *(uint64_t *)by;
}

static unsigned all_pools(struct strbuf *out)
{
    return pool_check(NULL, out);
}

KTEST(vm_checks)
{
    struct vm_space *vs = vm_space_create();
    vaddr_t va = BASE;
    uint64_t more = 1, less = -1ul;

    map_anonymous(vs, va, 8, LINUX_MAP_PRIVATE);
    struct vm_page *pg = phys_to_page(dmap_to_phys(user_word(vs, va, PROT_WRITE)));
    check_all(free_pages());

    pg->wire_count++;
    one_check_finds(page_check, "a wired page on a queue");
    pg->wire_count--;
    pg->anon->nrefs++;
    one_check_finds(amap_check, "an anon with two references");
    pg->anon->nrefs--;
    vs->map.nentries++;
    one_check_finds(map_check, "a map's wrong count of entries");
    vs->map.nentries--;
    vs->pmap->resident++;
    one_check_finds(pmap_check, "a pmap's wrong count of mappings");
    vs->pmap->resident--;
    pool_for_each(miscount_pool, &more);
    one_check_finds(all_pools, "a pool's wrong count of items");
    pool_for_each(miscount_pool, &less);
    check_all(free_pages());
    vm_space_unref(vs);
}
