// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of pmap and the reverse map, one operation at a time, on the simulated machine of
// lib/mmu.h. test_pmap_random compares long random runs with a model.
//
// link: kernel/pmap/pmap*.c
// link: kernel/mem/*.c kernel/pmap/pv*.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/mmu.c
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "tests/host/lib/mmu.h"

static char text[4096];

static unsigned count_faults(unsigned (*check)(struct strbuf *out))
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    return check(&out);
}

static unsigned entries_of(struct vm_page *pg)
{
    spin_lock(&pv_lock);
    unsigned n = pv_count(pg);
    spin_unlock(&pv_lock);
    return n;
}

// ---- the kernel's mappings ----

static void test_kernel(void)
{
    paddr_t pa;

    CHECK(!pmap_kextract(KVA_BASE, &pa), "mapped to %lx", pa);
    for (unsigned i = 0; i < 1024; i += 3)
        pmap_kenter_pa(KVA_BASE + i * PAGE_SIZE, MMU_RAM_START + i * PAGE_SIZE,
                       i % 2 ? PROT_RW : PROT_READ | PROT_EXEC);
    mmu_check_all();
    CHECK(pmap_kextract(KVA_BASE + 9 * PAGE_SIZE + 5, &pa), "not mapped");
    CHECK(pa == MMU_RAM_START + 9 * PAGE_SIZE + 5, "pa %lx", pa);
    CHECK(!pmap_kextract(KVA_BASE + PAGE_SIZE, &pa), "mapped");
    CHECK(kernel_pmap.resident == 342, "%lu", kernel_pmap.resident);
    mmu_flushes = 0;
    pmap_kremove(KVA_BASE, 1024);
    CHECK(mmu_flushes == 0, "%u flushes for what was never accessed", mmu_flushes);
    CHECK(kernel_pmap.resident == 0 && !pmap_kextract(KVA_BASE, &pa), "%lu left",
          kernel_pmap.resident);
    for (unsigned i = 0; i < 100; i++) {
        pmap_kenter_pa(KVA_BASE + i * PAGE_SIZE, MMU_RAM_START, PROT_RW);
        *pmap_pte(&kernel_pmap, KVA_BASE + i * PAGE_SIZE) |= PTE_A;
    }
    pmap_kremove(KVA_BASE, 100);
    CHECK(mmu_flushes == 1, "%u flushes for one range", mmu_flushes);
    PANICS("prot 7", pmap_kenter_pa(KVA_BASE, MMU_RAM_START, PROT_ALL));
    PANICS("outside kernel_map", pmap_kenter_pa(KVA_BASE + MMU_KVA_SIZE, MMU_RAM_START, PROT_RW));
    mmu_check_all();
}

// ---- single operations ----

#define VA 0x400000ul

static void test_enter(void)
{
    uint64_t before = mmu_free_pages();
    struct pmap *pm = pmap_create();
    struct vm_page *a = mmu_new_page(), *b = mmu_new_page();
    vm_prot_t prot;
    paddr_t pa;

    mmu_load(0, pm);
    mmu_load(1, pm);
    CHECK(pmap_enter(pm, VA, a, PROT_READ, PROT_READ) == 0, "enter");
    CHECK(pmap_extract(pm, VA + 7, &pa, &prot) && pa == page_to_phys(a) + 7, "pa %lx", pa);
    CHECK(prot == PROT_READ && pm->resident == 1 && entries_of(a) == 1, "prot %x", prot);
    CHECK(pmap_is_referenced(a) && !pmap_is_modified(a), "attributes from the access");
    CHECK(mmu_touch(0, VA, false) && mmu_touch(1, VA, false) && !mmu_touch(0, VA, true), "access");
    mmu_flushes = 0;
    CHECK(pmap_enter(pm, VA, a, PROT_ALL, PROT_WRITE) == 0 && entries_of(a) == 1, "again");
    CHECK(mmu_flushes == 0 && pmap_is_modified(a), "widening flushed %u times", mmu_flushes);
    CHECK(mmu_touch(0, VA, true) && mmu_touch(1, VA, true), "access");
    CHECK(pmap_enter(pm, VA, a, PROT_READ, PMAP_WIRED) == 0 && pm->wired == 1, "narrowing");
    mmu_check_all();
    CHECK(!mmu_touch(0, VA, true) && pmap_is_modified(a), "narrowed");
    CHECK(pmap_enter(pm, VA, b, PROT_RW, 0) == 0 && pm->wired == 0, "replacing");
    CHECK(!pmap_page_mapped(a) && entries_of(b) == 1 && pm->resident == 1, "replaced");
    CHECK(pmap_is_modified(a) && !pmap_is_referenced(b), "attributes after replacing");
    mmu_check_all();
    CHECK(pmap_enter(pm, VA, b, PROT_NONE, 0) == 0 && !pmap_extract(pm, VA, &pa, &prot), "none");
    CHECK(pm->pt_pages == 0, "%lu tables are left", pm->pt_pages);
    PANICS("still mapped", ({
               pmap_enter(pm, VA, a, PROT_RW, 0);
               vm_page_free(a);
           }));
    pmap_page_protect(a, PROT_NONE);
    pmap_destroy(pm);
    vm_page_free(a);
    vm_page_free(b);
    CHECK(mmu_free_pages() == before, "%lu free, were %lu", mmu_free_pages(), before);
}

static void test_attributes(void)
{
    struct pmap *pm = pmap_create(), *other = pmap_create();
    struct vm_page *pg = mmu_new_page();

    mmu_load(0, pm);
    mmu_load(1, other);
    pmap_enter(pm, VA, pg, PROT_RW, 0);
    pmap_enter(other, 3 * VA, pg, PROT_RW, 0);
    CHECK(!pmap_clear_reference(pg) && !pmap_clear_modify(pg), "nothing happened yet");
    mmu_touch(1, 3 * VA, true);
    CHECK(pmap_is_modified(pg) && pmap_is_referenced(pg), "a write by the other");
    CHECK(pmap_clear_reference(pg) && !pmap_is_referenced(pg) && pmap_is_modified(pg), "cleared");
    mmu_check_tlbs();
    CHECK(pmap_clear_modify(pg) && !pmap_is_modified(pg), "cleared");
    mmu_check_tlbs();
    mmu_touch(1, 3 * VA, true);
    pmap_remove(other, 0, USER_MAX);
    CHECK(pmap_is_modified(pg) && pmap_is_referenced(pg) && pg->attrs == 3, "attrs %x", pg->attrs);
    pmap_page_protect(pg, PROT_READ);
    CHECK(!mmu_touch(0, VA, true) && mmu_touch(0, VA, false), "write protection");
    mmu_check_all();
    pmap_destroy(pm);
    pmap_destroy(other);
    vm_page_free(pg);
}

static void test_wired_and_exit(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pages[40];

    mmu_load(0, pm);
    for (unsigned i = 0; i < 40; i++) {
        pages[i] = mmu_new_page();
        pmap_enter(pm, VA + i * PAGE_SIZE, pages[i], PROT_RW, i % 10 ? 0 : PMAP_WIRED);
        mmu_touch(0, VA + i * PAGE_SIZE, true);
    }
    CHECK(pm->wired == 4, "%lu wired", pm->wired);
    spin_lock(&pm->lock);
    spin_lock(&pv_lock);
    CHECK(pmap_steal(pm, VA, pages[0]) == EBUSY, "a wired mapping was stolen");
    spin_unlock(&pv_lock);
    spin_unlock(&pm->lock);
    mmu_flushes = 0;
    pmap_remove_all_user(pm);
    CHECK(pm->resident == 4 && pm->wired == 4 && mmu_flushes == 1, "%lu left, %u flushes",
          pm->resident, mmu_flushes);
    CHECK(pmap_is_modified(pages[1]) && pmap_is_modified(pages[39]), "modified bits are lost");
    mmu_check_all();
    pmap_unwire(pm, VA);
    pmap_remove_all_user(pm);
    CHECK(pm->resident == 3, "%lu left", pm->resident);
    PANICS("is not wired", pmap_unwire(pm, VA));
    pm->lock.lock.owner = NULL; // held at the panic
    pm->lock.taken = 0;
    pmap_destroy(pm);
    for (unsigned i = 0; i < 40; i++)
        vm_page_free(pages[i]);
    mmu_check_all();
}

// One flush for a range, whatever its size; none for what was not accessed; no scan of the void.
static void test_ranges(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pg = mmu_new_page();

    mmu_load(0, pm);
    for (unsigned i = 0; i < 200; i++)
        pmap_enter(pm, VA + i * PAGE_SIZE, pg, PROT_RW, PROT_READ);
    CHECK(entries_of(pg) == 200, "%u entries", entries_of(pg));
    mmu_flushes = 0;
    pmap_protect(pm, VA + PAGE_SIZE, VA + 100 * PAGE_SIZE, PROT_READ);
    CHECK(mmu_flushes == 1, "%u flushes", mmu_flushes);
    pmap_remove(pm, VA, VA + 199 * PAGE_SIZE);
    CHECK(mmu_flushes == 2 && pm->resident == 1 && pm->pt_pages == 3, "%u flushes, %lu left",
          mmu_flushes, pm->resident);
    pmap_remove(pm, 0x1000, USER_MAX);
    CHECK(pm->resident == 0 && pm->pt_pages == 0, "%lu left", pm->resident);
    pmap_enter(pm, USER_MAX - PAGE_SIZE, pg, PROT_READ, 0);
    pmap_enter(pm, USER_MIN, pg, PROT_READ, 0);
    mmu_check_all();
    pmap_remove(pm, 2 * USER_MIN, USER_MAX - PAGE_SIZE);
    CHECK(pm->resident == 2, "%lu left", pm->resident);
    for (unsigned i = 0; i < 100000; i++) // no time to speak of
        pmap_remove(pm, 2 * USER_MIN, USER_MAX - PAGE_SIZE);
    pmap_protect(pm, USER_MIN, USER_MAX, PROT_NONE);
    CHECK(pm->resident == 0 && !pmap_page_mapped(pg), "%lu left", pm->resident);
    PANICS("range", pmap_remove(pm, USER_MIN, USER_MAX + PAGE_SIZE));
    pmap_destroy(pm);
    vm_page_free(pg);
}

// ---- failures ----

// Enters and fails at the nth allocation, for every n: nothing may stay behind.
static void test_fail_nth(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *a = mmu_new_page(), *b = mmu_new_page();
    uint64_t before = mmu_free_pages();
    vm_prot_t prot;
    paddr_t pa;

    for (uint64_t nth = 1; nth <= 6; nth++) {
        kctx_current()->fail_nth = nth;
        int error = pmap_enter(pm, VA, a, PROT_RW, 0);
        kctx_current()->fail_nth = 0;
        // Three tables, what the reverse map has of its own, and that one's page.
        CHECK(error == (nth <= 4            ? ENOMEM
                        : nth == 5 && error ? ENOMEM
                                            : 0),
              "nth %lu: error %d", nth, error);
        CHECK(pmap_page_mapped(a) == !error && pmap_extract(pm, VA, &pa, &prot) == !error,
              "nth %lu", nth);
        mmu_check_all();
        CHECK(!error || (mmu_free_pages() == before && pm->pt_pages == 0), "nth %lu: a leak", nth);
    }
    // Replacing: when the entry for the new page cannot be had, there is no mapping at all.
    mmu_load(0, pm);
    mmu_touch(0, VA, true);
    kctx_current()->fail_nth = 1;
    CHECK(pmap_enter(pm, VA, b, PROT_RW, 0) == ENOMEM && !pmap_page_mapped(a), "replacing");
    CHECK(pmap_is_modified(a) && pm->resident == 0 && pm->pt_pages == 0, "replacing");
    mmu_check_all();
    for (uint64_t nth = 1; nth <= 3; nth++) {
        kctx_current()->fail_nth = nth;
        struct pmap *p = pmap_create();
        CHECK(!p == (nth <= 2 || (nth == 3 && !p)), "nth %lu", nth);
        kctx_current()->fail_nth = 0;
        if (p)
            pmap_destroy(p);
    }
    pmap_destroy(pm);
    vm_page_free(a);
    vm_page_free(b);
    mmu_check_all();
}

// With memory used up, enter fails or not, but the checks hold and removal works.
static void test_exhaustion(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pg = mmu_new_page();
    vaddr_t va = VA;

    while (pmap_enter(pm, va, pg, PROT_RW, 0) == 0)
        va += va % (64ul << 21) ? PAGE_SIZE * 17 : PAGE_SIZE * 513 * 512;
    mmu_check_all();
    CHECK(pm->resident > 300, "%lu mappings", pm->resident);
    uint64_t failures = 0;
    for (unsigned i = 0; i < 50; i++)
        failures += pmap_enter(pm, va + i * (1ul << 30), pg, PROT_RW, 0) == ENOMEM;
    CHECK(failures == 50, "%lu failures", failures);
    mmu_check_all();
    pmap_remove(pm, USER_MIN, USER_MAX);
    CHECK(pm->pt_pages == 0 && !pmap_page_mapped(pg), "%lu tables", pm->pt_pages);
    pmap_destroy(pm);
    vm_page_free(pg);
    mmu_check_all();
}

// The checks must notice what is broken by hand.
static void test_checks_notice(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *a = mmu_new_page(), *b = mmu_new_page();

    pmap_enter(pm, VA, a, PROT_RW, 0);
    uint64_t *pte = pmap_pte(pm, VA), good = *pte;
    *pte = (good & ~PTE_PA) | page_to_phys(b);
    CHECK(count_faults(pmap_check) == 1 && strstr(text, "has 0 entries"), "%s", text);
    CHECK(count_faults(pv_check) > 0 && strstr(text, "400000"), "%s", text);
    *pte = 0;
    CHECK(count_faults(pmap_check) == 3 && count_faults(pv_check) > 0, "%s", text);
    *pte = good;
    pte[1] = good;
    CHECK(count_faults(pmap_check) == 4, "%s", text);
    pte[1] = 0;
    pm->pml4[300] ^= 1;
    CHECK(count_faults(pmap_check) == 1 && strstr(text, "root entry 300"), "%s", text);
    pm->pml4[300] ^= 1;
    mmu_check_all();
    pmap_destroy(pm);
    vm_page_free(a);
    vm_page_free(b);
}

// What pmap and the reverse map claim of locks and ranges, one row for each kind.
static void test_contracts(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pg = vm_page_alloc(PAGE_KMEM, PA_ZERO);
    struct pv_mapping m;
    paddr_t pa;
    vm_prot_t prot;

    CHECK(pm && pg && pmap_enter(pm, VA, pg, PROT_RW, 0) == 0, "no memory");
    PANICS("pmap_forget: assertion `spin_held(&pm->lock)", pmap_forget(pm, pg, 0));
    PANICS("pmap_page_at: assertion `spin_held(&pm->lock)", pmap_page_at(pm, VA));
    PANICS("pmap_entry_make: assertion `spin_held(&pm->lock)", pmap_entry_make(pm, VA, 1));
    PANICS("pmap_flush_all: assertion `spin_held(&pm->lock)", pmap_flush_all(pm));
    PANICS("pv_enter: assertion `spin_held(&pm->lock)", pv_enter(pm, VA, pg));
    PANICS("assertion `spin_held(&pv_lock)", pv_first(pg, &m));
    PANICS("pv_count: assertion `spin_held(&pv_lock)", pv_count(pg));
    PANICS("pmap_age: assertion `load_relaxed(&pmap_aging", pmap_age(pg));
    PANICS("assert_user_range", pmap_remove(pm, VA + 1, VA + PAGE_SIZE));
    PANICS("assert_user_range", pmap_remove(&kernel_pmap, VA, VA + PAGE_SIZE));
    PANICS("pmap_extract: assertion `pm != &kernel_pmap",
           pmap_extract(&kernel_pmap, VA, &pa, &prot));
    PANICS("is still mapped", vm_page_free(pg));
    pmap_remove(pm, VA, VA + PAGE_SIZE);
    vm_page_free(pg);
    pmap_destroy(pm);
    mmu_check_all();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    mmu_init();
    RUN(test_kernel);
    RUN(test_enter);
    RUN(test_attributes);
    RUN(test_wired_and_exit);
    RUN(test_ranges);
    RUN(test_fail_nth);
    RUN(test_exhaustion);
    RUN(test_checks_notice);
    RUN(test_contracts);
    return shim_done();
}
