// SPDX-License-Identifier: BSD-2-Clause
//
// Random operations on several pmaps, compared with a model of all mappings and of what was
// touched; injected failures among them. Runs on the simulated machine of lib/mmu.h.
//
// link: kernel/pmap/pmap*.c
// link: kernel/mem/*.c kernel/pmap/pv*.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/mmu.c
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include "lib/shim.h"
#include "lib/rng.h"
#include "tests/host/lib/mmu.h"

#define VA    0x400000ul
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

// Going through a pmap from one mapping to the next finds each, in order, and nothing else.
static void compare_in_order(unsigned m)
{
    unsigned found = 0, mapped = 0;
    vaddr_t before = 0, va = USER_MIN;
    paddr_t pa;

    for (; pmap_next(pmaps[m], &va, USER_MAX, &pa); va += PAGE_SIZE, found++) {
        unsigned s = 0;
        while (s < SLOTS && slot_va(s) != va)
            s++;
        CHECK(va > before && s < SLOTS && model[m][s].page >= 0, "pmap %u at %lx", m, va);
        CHECK(phys_to_page(pa) == pages[model[m][s].page], "pmap %u at %lx: %lx", m, va, pa);
        before = va;
    }
    for (unsigned s = 0; s < SLOTS; s++) {
        mapped += model[m][s].page >= 0;
        vaddr_t at = slot_va(s);
        CHECK(pmap_next(pmaps[m], &at, at + PAGE_SIZE, &pa) == (model[m][s].page >= 0), "%u", s);
    }
    CHECK(found == mapped, "pmap %u: %u of %u", m, found, mapped);
}

static void compare(void)
{
    for (unsigned m = 0; m < PMAPS; m++)
        compare_in_order(m);
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

// After a failed allocation mappings may be gone that were stolen instead; what was noted of their
// pages stays, and wired ones do.
static void forget_stolen(void)
{
    vm_prot_t prot;
    paddr_t pa;

    for (unsigned m = 0; m < PMAPS; m++)
        for (unsigned s = 0; s < SLOTS; s++)
            if (model[m][s].page >= 0 && !model[m][s].wired &&
                !pmap_extract(pmaps[m], slot_va(s), &pa, &prot))
                unmap_slot(m, s);
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
    bool failing = kctx_current()->fail_nth;
    int error = pmap_enter(pmaps[m], slot_va(s), pages[page], prot, flags);
    failing &= kctx_current()->fail_nth == 0;
    kctx_current()->fail_nth = 0;
    if (error) {
        if (model[m][s].page != page)
            unmap_slot(m, s);
        forget_stolen();
        return;
    }
    model[m][s] = (struct slot){page, prot, wired};
    if (write)
        modified[page] = referenced[page] = true;
    if (failing)
        forget_stolen();
}

static void op_touch(struct rng *rng, unsigned c, unsigned s)
{
    bool write = rng_below(rng, 2), want = false;
    const struct slot *slot = NULL;

    for (unsigned m = 0; m < PMAPS; m++)
        if (mmu_cpu[c].loaded == pmaps[m])
            slot = &model[m][s];
    if (slot && slot->page >= 0)
        want = !write || slot->prot & PROT_WRITE;
    CHECK(mmu_touch(c, slot_va(s), write) == want, "slot %u write %d", s, write);
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
        op_touch(rng, (unsigned)rng_below(rng, MMU_CPUS), s);
    else if (what < 79)
        op_range(rng, m, true);
    else if (what < 83)
        op_range(rng, m, false);
    else if (what < 92)
        op_page(rng, (unsigned)rng_below(rng, PAGES));
    else if (what < 94)
        op_exit(m, what == 92);
    else if (what < 97)
        mmu_load((unsigned)rng_below(rng, MMU_CPUS), pmaps[m]);
    else if (model[m][s].wired) {
        pmap_unwire(pmaps[m], slot_va(s));
        model[m][s].wired = false;
    }
}

static void test_random(void)
{
    struct rng rng = {shim_seed};
    uint64_t before = mmu_free_pages();

    for (unsigned i = 0; i < PAGES; i++)
        pages[i] = mmu_new_page();
    for (unsigned m = 0; m < PMAPS; m++) {
        pmaps[m] = pmap_create();
        for (unsigned s = 0; s < SLOTS; s++)
            unmap_slot(m, s);
    }
    for (unsigned n = 0; n < 30000; n++) {
        one_operation(&rng);
        mmu_check_tlbs();
        if (n % 16 == 0) {
            compare();
            mmu_check_all();
        }
    }
    for (unsigned m = 0; m < PMAPS; m++)
        pmap_destroy(pmaps[m]);
    for (unsigned i = 0; i < PAGES; i++)
        vm_page_free(pages[i]);
    mmu_check_all();
    CHECK(mmu_free_pages() == before, "%lu free, were %lu", mmu_free_pages(), before);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    mmu_init();
    RUN(test_random);
    return shim_done();
}
