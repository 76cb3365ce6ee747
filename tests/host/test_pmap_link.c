// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of tables that several pmaps link, made by hand, on the simulated machine of
// lib/mmu.h: two CPUs in two pmaps see the same, whatever is done to the pages, and what ends for
// one goes on for the other.
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

#define VA   0x400000ul
#define SLOT (2ul << 20)
#define AT_A (8 * SLOT) // where each links it
#define AT_B (0x7f00000000ul)
#define AT_S (5 * SLOT) // its place in the shared pmap

static struct pmap *pm_a, *pm_b, *pm_s;

static void link_begin(void)
{
    pm_a = pmap_create();
    pm_b = pmap_create();
    pm_s = pmap_create_shared();
    CHECK(pmap_link(pm_a, AT_A, pm_s, AT_S) == 0 && pmap_link(pm_b, AT_B, pm_s, AT_S) == 0, "link");
    mmu_load(0, pm_a);
    mmu_load(1, pm_b);
}

static void link_end(void)
{
    CHECK(pmap_unlink(pm_a, AT_A) == pm_s && pmap_unlink(pm_b, AT_B) == pm_s, "unlink");
    CHECK(!pmap_unlink(pm_a, AT_A) && pm_s->nlinks == 0, "%lu links", pm_s->nlinks);
    mmu_check_all();
    pmap_destroy(pm_a);
    pmap_destroy(pm_b);
    pmap_destroy(pm_s);
}

// Both CPUs, each by its pmap, see page i of the table so: readable, writable.
static void see(unsigned i, bool readable, bool writable)
{
    const bool now[] = {
        mmu_touch(0, AT_A + i * PAGE_SIZE, false), mmu_touch(1, AT_B + i * PAGE_SIZE, false),
        mmu_touch(0, AT_A + i * PAGE_SIZE, true), mmu_touch(1, AT_B + i * PAGE_SIZE, true)};

    CHECK(now[0] == readable && now[1] == readable, "page %u: %d, %d", i, now[0], now[1]);
    CHECK(now[2] == writable && now[3] == writable, "page %u: %d, %d", i, now[2], now[3]);
    mmu_check_all();
}

static void test_link(void)
{
    uint64_t before = mmu_free_pages();
    struct vm_page *pg = mmu_new_page(), *other = mmu_new_page();
    vaddr_t va = AT_B;
    vm_prot_t prot;
    paddr_t pa;

    link_begin();
    mmu_check_all();
    CHECK(pmap_link(pm_a, AT_A, pm_s, 0) == EEXIST, "a link is there");
    CHECK(pmap_enter(pm_a, AT_A + 3 * PAGE_SIZE, pg, PROT_RW, PROT_READ) == 0, "enter");
    CHECK(entries_of(pg) == 1 && pm_a->resident == 0 && pm_s->resident == 1, "counts");
    see(3, true, true);
    CHECK(pmap_extract(pm_b, AT_B + 3 * PAGE_SIZE, &pa, &prot) && pa == page_to_phys(pg), "%lx",
          pa);
    CHECK(pmap_next(pm_b, &va, AT_B + SLOT, &pa) && va == AT_B + 3 * PAGE_SIZE, "va %lx", va);
    // The first fault of one serves both; what it allowed may go on, on both CPUs.
    CHECK(pmap_is_modified(pg) && pmap_clear_modify(pg) && pmap_clear_reference(pg), "attributes");
    mmu_check_tlbs();
    CHECK(!pmap_is_referenced(pg) && mmu_touch(1, AT_B + 3 * PAGE_SIZE, true), "touch");
    CHECK(pmap_is_referenced(pg) && pmap_is_modified(pg), "attributes by the other pmap");
    pmap_age_begin();
    CHECK(pmap_age(pg), "age");
    pmap_age_end();
    mmu_check_tlbs();
    pmap_page_protect(pg, PROT_READ);
    see(3, true, false);
    CHECK(pmap_enter(pm_b, AT_B + 3 * PAGE_SIZE, pg, PROT_RW, 0) == 0, "wider again");
    see(3, true, true);
    CHECK(pmap_enter(pm_b, AT_B + 3 * PAGE_SIZE, other, PROT_READ, 0) == 0, "another page");
    CHECK(!pmap_page_mapped(pg), "the page that was replaced");
    see(3, true, false);
    pmap_page_protect(other, PROT_NONE);
    see(3, false, false);
    CHECK(pmap_enter(pm_a, AT_A, pg, PROT_READ, 0) == 0, "enter");
    see(0, true, false);
    // One of them ends: the other goes on.
    pmap_unlink(pm_a, AT_A);
    CHECK(!mmu_touch(0, AT_A, false) && mmu_touch(1, AT_B, false), "after the unlink");
    mmu_check_all();
    CHECK(pm_a->pt_pages == 0 && pm_s->pt_pages == 3, "%lu tables", pm_a->pt_pages);
    CHECK(pmap_enter(pm_a, AT_A, other, PROT_READ, 0) == 0 && pm_a->resident == 1, "its own");
    CHECK(pmap_link(pm_a, AT_A, pm_s, AT_S) == EEXIST, "a table is there");
    pmap_remove(pm_a, AT_A, AT_A + SLOT);
    CHECK(pmap_link(pm_a, AT_A, pm_s, AT_S) == 0 && mmu_touch(0, AT_A, false), "again");
    PANICS("links the table", pmap_remove(pm_a, AT_A, AT_A + PAGE_SIZE));
    spin_init(&pm_a->lock, "pmap", LOCK_PMAP, LOCK_NESTED); // the panic left it taken
    PANICS("links the table", pmap_protect(pm_a, 0, USER_MAX, PROT_READ));
    spin_init(&pm_a->lock, "pmap", LOCK_PMAP, LOCK_NESTED); // the panic left it taken
    PANICS("is wired in a table", pmap_enter(pm_a, AT_A, pg, PROT_READ, PMAP_WIRED));
    spin_init(&pm_a->lock, "pmap", LOCK_PMAP, LOCK_NESTED); // the panic left it taken
    link_end();
    vm_page_free(pg);
    vm_page_free(other);
    CHECK(mmu_free_pages() == before, "%lu free, were %lu", mmu_free_pages(), before);
}

static void test_link_fails(void)
{
    uint64_t before = mmu_free_pages(), nth = 0;
    struct vm_page *pg = mmu_new_page();
    int error = ENOMEM;

    for (nth = 1; error; nth++) {
        struct pmap *pm = pmap_create(), *shared = pmap_create_shared();
        kctx_current()->fail_nth = nth;
        error = pmap_link(pm, AT_A, shared, AT_S);
        if (!error)
            error = pmap_enter(pm, AT_A, pg, PROT_RW, 0);
        kctx_current()->fail_nth = 0;
        CHECK(error == 0 || error == ENOMEM, "nth %lu: error %d", nth, error);
        mmu_check_all();
        pmap_unlink(pm, AT_A);
        CHECK(pm->pt_pages == 0, "nth %lu: %lu tables", nth, pm->pt_pages);
        pmap_destroy(pm);
        pmap_destroy(shared);
    }
    CHECK(nth > 6, "%lu allocations", nth - 2);
    vm_page_free(pg);
    CHECK(mmu_free_pages() == before, "%lu free, were %lu", mmu_free_pages(), before);
}

// Memory for the reverse map is taken from mappings in shared tables, too, on all CPUs.
static void test_link_stolen(void)
{
    struct vm_page *pages[3], *hog[MMU_RAM_PAGES], *pg = mmu_new_page();
    struct pmap *greedy = pmap_create();
    unsigned nhogs = 0;
    vaddr_t va = VA;

    link_begin();
    for (unsigned i = 0; i < 3; i++) {
        pages[i] = mmu_new_page();
        CHECK(pmap_enter(pm_a, AT_A + i * PAGE_SIZE, pages[i], PROT_RW, 0) == 0, "enter");
        see(i, true, true);
    }
    while ((hog[nhogs] = vm_page_alloc(PAGE_KMEM, PA_RESERVE)))
        nhogs++;
    for (unsigned i = 0; i < 8; i++)
        vm_page_free(hog[--nhogs]);
    for (; pmap_page_mapped(pages[0]) && pmap_enter(greedy, va, pg, PROT_RW, 0) == 0;
         va += PAGE_SIZE)
        if (va % (64 * PAGE_SIZE) == 0)
            mmu_check_tlbs();
    mmu_check_all();
    for (unsigned i = 0; i < 3; i++) {
        CHECK(!pmap_page_mapped(pages[i]), "page %u was not stolen", i);
        CHECK(pmap_is_modified(pages[i]), "page %u: what the hardware noted is lost", i);
        see(i, false, false);
    }
    pmap_destroy(greedy);
    while (nhogs > 0)
        vm_page_free(hog[--nhogs]);
    CHECK(pmap_enter(pm_b, AT_B, pages[0], PROT_READ, 0) == 0, "enter");
    see(0, true, false);
    link_end();
    for (unsigned i = 0; i < 3; i++)
        vm_page_free(pages[i]);
    vm_page_free(pg);
}

static void test_link_checks(void)
{
    struct vm_page *pg = mmu_new_page();

    link_begin();
    pmap_enter(pm_a, AT_A, pg, PROT_RW, 0);
    uint64_t *pte = pmap_pte(pm_a, AT_A);
    pt_links((uint64_t *)page_trunc((uintptr_t)pte))->n++;
    CHECK(count_faults(pmap_check) == 2 && strstr(text, "3 links, counted 2"), "%s", text);
    pt_links((uint64_t *)page_trunc((uintptr_t)pte))->n--;
    pm_b->nlinks--;
    CHECK(count_faults(pmap_check) == 1 && strstr(text, "1 links, counted 0"), "%s", text);
    pm_b->nlinks++;
    mmu_check_all();
    link_end();
    vm_page_free(pg);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    mmu_init();
    RUN(test_link);
    RUN(test_link_fails);
    RUN(test_link_stolen);
    RUN(test_link_checks);
    return shim_done();
}
