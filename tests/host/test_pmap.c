// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of pmap and the reverse map on page tables in simulated RAM. This file stands in for
// tlb.c and plays the hardware: CPUs with TLBs that walk the tables, set accessed and dirty bits,
// and keep translations until they are flushed. After each operation no TLB may allow what the
// tables no longer do. A model of all mappings says what the functions must answer.
//
// cflags: -DDMAP_BASE=0x200000000000ul
// link: kernel/amd64/pmap.c kernel/amd64/pmap_[!t]*.c kernel/amd64/pmap_table.c
// link: kernel/amd64/pv.c kernel/mem/pool.c kernel/mem/vm_page.c
// link: kernel/mem/vm_page_wait.c kernel/mem/vm_page_queue.c kernel/mem/page_check.c
// link: tests/host/lib/ram.c
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "amd64/pmap_impl.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "mem/pool.h"
#include "tests/host/lib/ram.h"

#define RAM_PAGES 500
#define BOOT_PA   0x1000ul // the boot tables' root
#define RAM_START 0x10000ul
#define KVA_SIZE  (4ul << 20)

static char text[8192];

// ---- the hardware ----

#define CPUS        2
#define TLB_ENTRIES 16

static struct {
    struct pmap *loaded;
    struct {
        vaddr_t va;   // 0: empty
        uint64_t pte; // as it was when it was cached
    } tlb[TLB_ENTRIES];
    unsigned next; // entry to replace
} cpu[CPUS];
static unsigned flushes;

static void forget(unsigned c, const struct tlb_batch *b)
{
    for (unsigned e = 0; e < TLB_ENTRIES; e++) {
        bool gone = b->n > TLB_BATCH_MAX;
        for (unsigned i = 0; i < b->n && !gone; i++)
            gone = cpu[c].tlb[e].va == b->va[i];
        if (gone)
            cpu[c].tlb[e].va = 0;
    }
}

void tlb_flush(struct pmap *pm, struct tlb_batch *b)
{
    if (b->n > 0)
        flushes++;
    for (unsigned c = 0; c < CPUS; c++)
        if (pm == &kernel_pmap || cpu[c].loaded == pm)
            forget(c, b);
    b->n = 0;
}

static void load(unsigned c, struct pmap *pm)
{
    cpu[c].loaded = pm;
    memset(cpu[c].tlb, 0, sizeof(cpu[c].tlb));
}

void tlb_load(struct pmap *pm)
{
    load(0, pm);
}

bool tlb_loaded(void)
{
    return cpu[0].loaded;
}

void tlb_drop(struct pmap *pm)
{
    for (unsigned c = 0; c < CPUS; c++)
        if (cpu[c].loaded == pm)
            load(c, &kernel_pmap);
}

void tlb_init(void)
{
}

void tlb_get_stats(uint64_t *shootdowns, uint64_t *ipis)
{
    *shootdowns = *ipis = 0;
}

// If a CPU that has cached this PTE writes without a look at the tables.
static bool writes_through(uint64_t pte)
{
    return (pte & (PTE_W | PTE_D)) == (PTE_W | PTE_D);
}

// One access by a CPU in user mode; true if it did not fault.
static bool touch(unsigned c, vaddr_t va, bool write)
{
    for (unsigned e = 0; e < TLB_ENTRIES; e++)
        if (cpu[c].tlb[e].va == va && (!write || writes_through(cpu[c].tlb[e].pte)))
            return true;
    uint64_t *pte = pmap_pte(cpu[c].loaded, va);
    if (!pte || (*pte & (PTE_P | PTE_U)) != (PTE_P | PTE_U) || (write && !(*pte & PTE_W)))
        return false;
    *pte |= PTE_A | (write ? PTE_D : 0);
    unsigned e = cpu[c].next++ % TLB_ENTRIES;
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (cpu[c].tlb[i].va == va)
            e = i;
    cpu[c].tlb[e].va = va;
    cpu[c].tlb[e].pte = *pte;
    return true;
}

static void check_tlbs(void)
{
    for (unsigned c = 0; c < CPUS; c++)
        for (unsigned e = 0; e < TLB_ENTRIES; e++) {
            vaddr_t va = cpu[c].tlb[e].va;
            if (!va)
                continue;
            uint64_t old = cpu[c].tlb[e].pte, *pte = pmap_pte(cpu[c].loaded, va);
            uint64_t now = pte ? *pte : 0;
            CHECK(now & PTE_P && (now & PTE_PA) == (old & PTE_PA), "stale at %lx: %lx, now %lx", va,
                  old, now);
            CHECK(!writes_through(old) || writes_through(now), "at %lx: %lx, now %lx", va, old,
                  now);
            CHECK(now & PTE_A && (old & PTE_NX || !(now & PTE_NX)), "at %lx: %lx, now %lx", va, old,
                  now);
        }
}

// ---- common ----

static void check_all(void)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = page_check(&out) + pool_check(NULL, &out) + pmap_check(&out) + pv_check(&out);
    CHECK(faults == 0, "%s", text);
    check_tlbs();
}

static unsigned count_faults(unsigned (*check)(struct strbuf *out))
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    return check(&out);
}

static uint64_t free_pages(void)
{
    struct vm_page_stats st;

    pool_reclaim_all();
    vm_page_get_stats(&st);
    return st.nfree;
}

static struct vm_page *new_page(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);

    CHECK(pg, "no page");
    return pg;
}

static void test_init(void)
{
    ram_map(DMAP_BASE, RAM_START + RAM_PAGES * PAGE_SIZE);
    vm_page_init(&(struct phys_range){RAM_START, RAM_START + RAM_PAGES * PAGE_SIZE}, 1);
    uint64_t *root = phys_to_dmap(BOOT_PA);
    pmap_init(root, KVA_SIZE);
    CHECK(kernel_pmap.pt_pages == 1 + 1 + 2, "%lu tables", kernel_pmap.pt_pages);
    for (unsigned c = 0; c < CPUS; c++)
        load(c, &kernel_pmap);
    check_all();
}

// ---- the kernel's mappings ----

static void test_kernel(void)
{
    paddr_t pa;

    CHECK(!pmap_kextract(KVA_BASE, &pa), "mapped to %lx", pa);
    for (unsigned i = 0; i < 1024; i += 3)
        pmap_kenter_pa(KVA_BASE + i * PAGE_SIZE, RAM_START + i * PAGE_SIZE,
                       i % 2 ? PROT_RW : PROT_READ | PROT_EXEC);
    check_all();
    CHECK(pmap_kextract(KVA_BASE + 9 * PAGE_SIZE + 5, &pa), "not mapped");
    CHECK(pa == RAM_START + 9 * PAGE_SIZE + 5, "pa %lx", pa);
    CHECK(!pmap_kextract(KVA_BASE + PAGE_SIZE, &pa), "mapped");
    CHECK(kernel_pmap.resident == 342, "%lu", kernel_pmap.resident);
    flushes = 0;
    pmap_kremove(KVA_BASE, 1024);
    CHECK(flushes == 0, "%u flushes for what was never accessed", flushes);
    CHECK(kernel_pmap.resident == 0 && !pmap_kextract(KVA_BASE, &pa), "%lu left",
          kernel_pmap.resident);
    for (unsigned i = 0; i < 100; i++) {
        pmap_kenter_pa(KVA_BASE + i * PAGE_SIZE, RAM_START, PROT_RW);
        *pmap_pte(&kernel_pmap, KVA_BASE + i * PAGE_SIZE) |= PTE_A;
    }
    pmap_kremove(KVA_BASE, 100);
    CHECK(flushes == 1, "%u flushes for one range", flushes);
    PANICS("prot 7", pmap_kenter_pa(KVA_BASE, RAM_START, PROT_ALL));
    PANICS("outside kernel_map", pmap_kenter_pa(KVA_BASE + KVA_SIZE, RAM_START, PROT_RW));
    check_all();
}

// ---- single operations ----

#define VA 0x400000ul

static void test_enter(void)
{
    uint64_t before = free_pages();
    struct pmap *pm = pmap_create();
    struct vm_page *a = new_page(), *b = new_page();
    vm_prot_t prot;
    paddr_t pa;

    load(0, pm);
    load(1, pm);
    CHECK(pmap_enter(pm, VA, a, PROT_READ, PROT_READ) == 0, "enter");
    CHECK(pmap_extract(pm, VA + 7, &pa, &prot) && pa == page_to_phys(a) + 7, "pa %lx", pa);
    CHECK(prot == PROT_READ && pm->resident == 1 && pv_count(a) == 1, "prot %x", prot);
    CHECK(pmap_is_referenced(a) && !pmap_is_modified(a), "attributes from the access");
    CHECK(touch(0, VA, false) && touch(1, VA, false) && !touch(0, VA, true), "access");
    flushes = 0;
    CHECK(pmap_enter(pm, VA, a, PROT_ALL, PROT_WRITE) == 0 && pv_count(a) == 1, "again");
    CHECK(flushes == 0 && pmap_is_modified(a), "widening flushed %u times", flushes);
    CHECK(touch(0, VA, true) && touch(1, VA, true), "access");
    CHECK(pmap_enter(pm, VA, a, PROT_READ, PMAP_WIRED) == 0 && pm->wired == 1, "narrowing");
    check_all();
    CHECK(!touch(0, VA, true) && pmap_is_modified(a), "narrowed");
    CHECK(pmap_enter(pm, VA, b, PROT_RW, 0) == 0 && pm->wired == 0, "replacing");
    CHECK(!pmap_page_mapped(a) && pv_count(b) == 1 && pm->resident == 1, "replaced");
    CHECK(pmap_is_modified(a) && !pmap_is_referenced(b), "attributes after replacing");
    check_all();
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
    CHECK(free_pages() == before, "%lu free, were %lu", free_pages(), before);
}

static void test_attributes(void)
{
    struct pmap *pm = pmap_create(), *other = pmap_create();
    struct vm_page *pg = new_page();

    load(0, pm);
    load(1, other);
    pmap_enter(pm, VA, pg, PROT_RW, 0);
    pmap_enter(other, 3 * VA, pg, PROT_RW, 0);
    CHECK(!pmap_clear_reference(pg) && !pmap_clear_modify(pg), "nothing happened yet");
    touch(1, 3 * VA, true);
    CHECK(pmap_is_modified(pg) && pmap_is_referenced(pg), "a write by the other");
    CHECK(pmap_clear_reference(pg) && !pmap_is_referenced(pg) && pmap_is_modified(pg), "cleared");
    check_tlbs();
    CHECK(pmap_clear_modify(pg) && !pmap_is_modified(pg), "cleared");
    check_tlbs();
    touch(1, 3 * VA, true);
    pmap_remove(other, 0, USER_MAX);
    CHECK(pmap_is_modified(pg) && pmap_is_referenced(pg) && pg->attrs == 3, "attrs %x", pg->attrs);
    pmap_page_protect(pg, PROT_READ);
    CHECK(!touch(0, VA, true) && touch(0, VA, false), "write protection");
    check_all();
    pmap_destroy(pm);
    pmap_destroy(other);
    vm_page_free(pg);
}

static void test_wired_and_exit(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pages[40];

    load(0, pm);
    for (unsigned i = 0; i < 40; i++) {
        pages[i] = new_page();
        pmap_enter(pm, VA + i * PAGE_SIZE, pages[i], PROT_RW, i % 10 ? 0 : PMAP_WIRED);
        touch(0, VA + i * PAGE_SIZE, true);
    }
    CHECK(pm->wired == 4, "%lu wired", pm->wired);
    spin_lock(&pm->lock);
    spin_lock(&pv_lock);
    CHECK(pmap_steal(pm, VA, pages[0]) == EBUSY, "a wired mapping was stolen");
    spin_unlock(&pv_lock);
    spin_unlock(&pm->lock);
    flushes = 0;
    pmap_remove_all_user(pm);
    CHECK(pm->resident == 4 && pm->wired == 4 && flushes == 1, "%lu left, %u flushes", pm->resident,
          flushes);
    CHECK(pmap_is_modified(pages[1]) && pmap_is_modified(pages[39]), "modified bits are lost");
    check_all();
    pmap_unwire(pm, VA);
    pmap_remove_all_user(pm);
    CHECK(pm->resident == 3, "%lu left", pm->resident);
    PANICS("is not wired", pmap_unwire(pm, VA));
    pm->lock.lock.owner = NULL; // held at the panic
    pm->lock.serving++;
    pmap_destroy(pm);
    for (unsigned i = 0; i < 40; i++)
        vm_page_free(pages[i]);
    check_all();
}

// One flush for a range, whatever its size; none for what was not accessed; no scan of the void.
static void test_ranges(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pg = new_page();

    load(0, pm);
    for (unsigned i = 0; i < 200; i++)
        pmap_enter(pm, VA + i * PAGE_SIZE, pg, PROT_RW, PROT_READ);
    CHECK(pv_count(pg) == 200, "%u entries", pv_count(pg));
    flushes = 0;
    pmap_protect(pm, VA + PAGE_SIZE, VA + 100 * PAGE_SIZE, PROT_READ);
    CHECK(flushes == 1, "%u flushes", flushes);
    pmap_remove(pm, VA, VA + 199 * PAGE_SIZE);
    CHECK(flushes == 2 && pm->resident == 1 && pm->pt_pages == 3, "%u flushes, %lu left", flushes,
          pm->resident);
    pmap_remove(pm, 0x1000, USER_MAX);
    CHECK(pm->resident == 0 && pm->pt_pages == 0, "%lu left", pm->resident);
    pmap_enter(pm, USER_MAX - PAGE_SIZE, pg, PROT_READ, 0);
    pmap_enter(pm, USER_MIN, pg, PROT_READ, 0);
    check_all();
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
    struct vm_page *a = new_page(), *b = new_page();
    uint64_t before = free_pages();
    vm_prot_t prot;
    paddr_t pa;

    for (uint64_t nth = 1; nth <= 6; nth++) {
        kctx_current()->fail_nth = nth;
        int error = pmap_enter(pm, VA, a, PROT_RW, 0);
        kctx_current()->fail_nth = 0;
        // Three tables, an entry of the reverse map, and that one's page.
        CHECK(error == (nth <= 5 ? ENOMEM : 0), "nth %lu: error %d", nth, error);
        CHECK(pmap_page_mapped(a) == !error && pmap_extract(pm, VA, &pa, &prot) == !error,
              "nth %lu", nth);
        check_all();
        CHECK(!error || (free_pages() == before && pm->pt_pages == 0), "nth %lu: a leak", nth);
    }
    // Replacing: when the entry for the new page cannot be had, there is no mapping at all.
    load(0, pm);
    touch(0, VA, true);
    kctx_current()->fail_nth = 1;
    CHECK(pmap_enter(pm, VA, b, PROT_RW, 0) == ENOMEM && !pmap_page_mapped(a), "replacing");
    CHECK(pmap_is_modified(a) && pm->resident == 0 && pm->pt_pages == 0, "replacing");
    check_all();
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
    check_all();
}

// With memory used up, enter fails or not, but the checks hold and removal works.
static void test_exhaustion(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *pg = new_page();
    vaddr_t va = VA;

    while (pmap_enter(pm, va, pg, PROT_RW, 0) == 0)
        va += va % (64ul << 21) ? PAGE_SIZE * 17 : PAGE_SIZE * 513 * 512;
    check_all();
    CHECK(pm->resident > 300, "%lu mappings", pm->resident);
    uint64_t failures = 0;
    for (unsigned i = 0; i < 50; i++)
        failures += pmap_enter(pm, va + i * (1ul << 30), pg, PROT_RW, 0) == ENOMEM;
    CHECK(failures == 50, "%lu failures", failures);
    check_all();
    pmap_remove(pm, USER_MIN, USER_MAX);
    CHECK(pm->pt_pages == 0 && !pmap_page_mapped(pg), "%lu tables", pm->pt_pages);
    pmap_destroy(pm);
    vm_page_free(pg);
    check_all();
}

// The checks must notice what is broken by hand.
static void test_checks_notice(void)
{
    struct pmap *pm = pmap_create();
    struct vm_page *a = new_page(), *b = new_page();

    pmap_enter(pm, VA, a, PROT_RW, 0);
    uint64_t *pte = pmap_pte(pm, VA), good = *pte;
    *pte = (good & ~PTE_PA) | page_to_phys(b);
    CHECK(count_faults(pmap_check) == 1 && strstr(text, "has 0 entries"), "%s", text);
    CHECK(count_faults(pv_check) == 1 && strstr(text, "is mapped there"), "%s", text);
    *pte = 0;
    CHECK(count_faults(pmap_check) == 3 && count_faults(pv_check) == 1, "%s", text);
    *pte = good;
    pte[1] = good;
    CHECK(count_faults(pmap_check) == 4, "%s", text);
    pte[1] = 0;
    pm->pml4[300] ^= 1;
    CHECK(count_faults(pmap_check) == 1 && strstr(text, "root entry 300"), "%s", text);
    pm->pml4[300] ^= 1;
    check_all();
    pmap_destroy(pm);
    vm_page_free(a);
    vm_page_free(b);
}

// ---- random operations against a model ----

#define PMAPS 3
#define PAGES 20
#define SLOTS 48

static struct pmap *pmaps[PMAPS];
static struct vm_page *pages[PAGES];
static struct slot {
    int page; // -1: not mapped
    vm_prot_t prot;
    bool wired;
} model[PMAPS][SLOTS];
static bool modified[PAGES], referenced[PAGES];

// In four tables, two of which share nothing but the root.
static vaddr_t slot_va(unsigned s)
{
    static const vaddr_t base[4] = {VA, VA + (2ul << 20), 5ul << 30, 0x7f0000000000ul};

    return base[s % 4] + s / 4 * PAGE_SIZE;
}

static void unmap_slot(unsigned m, unsigned s)
{
    model[m][s] = (struct slot){.page = -1};
}

static void compare(void)
{
    for (unsigned m = 0; m < PMAPS; m++)
        for (unsigned s = 0; s < SLOTS; s++) {
            vm_prot_t prot = 0;
            paddr_t pa = 0;
            bool mapped = pmap_extract(pmaps[m], slot_va(s), &pa, &prot);
            const struct slot *want = &model[m][s];
            CHECK(mapped == (want->page >= 0), "pmap %u slot %u mapped %d", m, s, mapped);
            CHECK(!mapped || (phys_to_page(pa) == pages[want->page] && prot == want->prot),
                  "pmap %u slot %u pa %lx prot %x, should be %x", m, s, pa, prot, want->prot);
        }
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK(pmap_is_modified(pages[i]) == modified[i], "page %u modified %d", i, !modified[i]);
        CHECK(pmap_is_referenced(pages[i]) == referenced[i], "page %u referenced %d", i,
              !referenced[i]);
    }
}

static void op_enter(struct rng *rng, unsigned m, unsigned s)
{
    static const vm_prot_t prots[] = {PROT_READ, PROT_RW, PROT_READ | PROT_EXEC, PROT_ALL};
    vm_prot_t prot = prots[rng_below(rng, 4)];
    bool write = prot & PROT_WRITE && rng_below(rng, 2), wired = rng_below(rng, 8) == 0;
    unsigned flags = (write ? PROT_WRITE : 0) | (wired ? PMAP_WIRED : 0);
    int page = (int)rng_below(rng, PAGES);

    if (rng_below(rng, 10) == 0)
        kctx_current()->fail_nth = 1 + rng_below(rng, 5);
    int error = pmap_enter(pmaps[m], slot_va(s), pages[page], prot, flags);
    kctx_current()->fail_nth = 0;
    if (error) {
        if (model[m][s].page != page)
            unmap_slot(m, s);
        return;
    }
    model[m][s] = (struct slot){page, prot, wired};
    if (write)
        modified[page] = referenced[page] = true;
}

static void op_touch(struct rng *rng, unsigned c, unsigned s)
{
    bool write = rng_below(rng, 2), want = false;
    const struct slot *slot = NULL;

    for (unsigned m = 0; m < PMAPS; m++)
        if (cpu[c].loaded == pmaps[m])
            slot = &model[m][s];
    if (slot && slot->page >= 0)
        want = !write || slot->prot & PROT_WRITE;
    CHECK(touch(c, slot_va(s), write) == want, "slot %u write %d", s, write);
    if (!want)
        return;
    referenced[slot->page] = true;
    modified[slot->page] |= write;
}

static void op_range(struct rng *rng, unsigned m, bool remove)
{
    unsigned n = 1 + (unsigned)rng_below(rng, 12);
    vaddr_t start = slot_va((unsigned)rng_below(rng, SLOTS)), end = start + n * PAGE_SIZE;

    if (rng_below(rng, 6) == 0)
        end = start + (6ul << 30);
    if (end > USER_MAX)
        end = USER_MAX;
    if (remove)
        pmap_remove(pmaps[m], start, end);
    else
        pmap_protect(pmaps[m], start, end, PROT_READ);
    for (unsigned s = 0; s < SLOTS; s++) {
        if (slot_va(s) < start || slot_va(s) >= end)
            continue;
        if (remove)
            unmap_slot(m, s);
        else
            model[m][s].prot &= PROT_READ;
    }
}

static void op_page(struct rng *rng, unsigned i)
{
    unsigned what = (unsigned)rng_below(rng, 4);

    if (what == 0)
        CHECK(pmap_clear_reference(pages[i]) == referenced[i], "page %u", i);
    else if (what == 1)
        CHECK(pmap_clear_modify(pages[i]) == modified[i], "page %u", i);
    else
        pmap_page_protect(pages[i], what == 2 ? PROT_READ : PROT_NONE);
    if (what == 0)
        referenced[i] = false;
    if (what == 1)
        modified[i] = false;
    for (unsigned m = 0; m < PMAPS; m++)
        for (unsigned s = 0; s < SLOTS; s++) {
            if (model[m][s].page != (int)i)
                continue;
            if (what == 2)
                model[m][s].prot &= ~(vm_prot_t)PROT_WRITE;
            if (what == 3)
                unmap_slot(m, s);
        }
}

static void op_exit(unsigned m, bool destroy)
{
    if (destroy) {
        pmap_destroy(pmaps[m]);
        pmaps[m] = pmap_create();
    } else {
        pmap_remove_all_user(pmaps[m]);
    }
    for (unsigned s = 0; s < SLOTS; s++)
        if (destroy || !model[m][s].wired)
            unmap_slot(m, s);
}

static void one_operation(struct rng *rng)
{
    unsigned m = (unsigned)rng_below(rng, PMAPS), s = (unsigned)rng_below(rng, SLOTS);
    uint64_t what = rng_below(rng, 100);

    if (what < 40)
        op_enter(rng, m, s);
    else if (what < 75)
        op_touch(rng, (unsigned)rng_below(rng, CPUS), s);
    else if (what < 79)
        op_range(rng, m, true);
    else if (what < 83)
        op_range(rng, m, false);
    else if (what < 92)
        op_page(rng, (unsigned)rng_below(rng, PAGES));
    else if (what < 94)
        op_exit(m, what == 92);
    else if (what < 97)
        load((unsigned)rng_below(rng, CPUS), pmaps[m]);
    else if (model[m][s].wired) {
        pmap_unwire(pmaps[m], slot_va(s));
        model[m][s].wired = false;
    }
}

static void test_random(void)
{
    struct rng rng = {shim_seed};
    uint64_t before = free_pages();

    for (unsigned i = 0; i < PAGES; i++)
        pages[i] = new_page();
    for (unsigned m = 0; m < PMAPS; m++) {
        pmaps[m] = pmap_create();
        for (unsigned s = 0; s < SLOTS; s++)
            unmap_slot(m, s);
    }
    for (unsigned n = 0; n < 30000; n++) {
        one_operation(&rng);
        check_tlbs();
        if (n % 16 == 0) {
            compare();
            check_all();
        }
    }
    for (unsigned m = 0; m < PMAPS; m++)
        pmap_destroy(pmaps[m]);
    for (unsigned i = 0; i < PAGES; i++)
        vm_page_free(pages[i]);
    check_all();
    CHECK(free_pages() == before, "%lu free, were %lu", free_pages(), before);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_init);
    RUN(test_kernel);
    RUN(test_enter);
    RUN(test_attributes);
    RUN(test_wired_and_exit);
    RUN(test_ranges);
    RUN(test_fail_nth);
    RUN(test_exhaustion);
    RUN(test_checks_notice);
    RUN(test_random);
    return shim_done();
}
