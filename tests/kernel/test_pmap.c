// SPDX-License-Identifier: BSD-2-Clause
//
// In-kernel tests of pmap: what the hardware sees of it, on all CPUs, which serve shootdowns by
// polling meanwhile.

#include "amd64/clock.h"
#include "amd64/cpu.h"
#include "amd64/usercopy.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "sync/irq.h"
#include "tests/kernel/smp_test.h"

#define TEST_VA 0x40000000ul

static uint64_t smp_deadline; // ns: where a host runs few of the CPUs at once, spinning is slow
#define SMP_TEST_NS 1500000000ul

// ---- common ----

static void check_all(void)
{
    static char text[1024];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = page_check(&out) + pool_check(NULL, &out) + pmap_check(&out) + pv_check(&out);
    KTEST_CHECK(faults == 0, "%u faults: %s", faults, text);
}

static struct vm_page *new_page(uint64_t word)
{
    struct vm_page *pg = vm_page_alloc(PAGE_KMEM, PA_ZERO);

    KASSERT(pg, "no page for word %lx", word);
    *(uint64_t *)page_to_dmap(pg) = word;
    return pg;
}

static void enter(struct pmap *pm, vaddr_t va, struct vm_page *pg, vm_prot_t prot, unsigned flags)
{
    int error = pmap_enter(pm, va, pg, prot, flags);

    KASSERT(!error, "va %lx: error %d", va, error);
}

static void free_page(struct vm_page *pg)
{
    pmap_page_protect(pg, PROT_NONE);
    vm_page_free(pg);
}

// Reads a word as the program would; false: it faults.
static bool peek(vaddr_t va, uint64_t *word)
{
    return copyin_nofault(word, va, sizeof(*word), NULL) == 0;
}

static bool poke(vaddr_t va, uint64_t word)
{
    return copyout_nofault(va, &word, sizeof(word), NULL) == 0;
}

static uint64_t free_pages(void)
{
    struct vm_page_stats st;

    pool_reclaim_all();
    vm_page_get_stats(&st);
    return st.nfree;
}

// ---- one CPU ----

KTEST(pmap_hardware)
{
    uint64_t before = free_pages(), word;
    struct pmap *pm = pmap_create();
    struct vm_page *pg = new_page(1), *other = new_page(2);

    irq_push();
    pmap_activate(pm);
    KTEST_CHECK(!peek(TEST_VA, &word), "an empty pmap maps %lx", TEST_VA);
    enter(pm, TEST_VA, pg, PROT_READ, 0);
    KTEST_CHECK(!pmap_is_referenced(pg), "referenced before any access");
    KTEST_CHECK(peek(TEST_VA, &word) && word == 1, "word %lx", word);
    KTEST_CHECK(pmap_is_referenced(pg) && !pmap_is_modified(pg), "attributes after a read");
    KTEST_CHECK(!poke(TEST_VA, 3), "a read-only mapping was written");
    enter(pm, TEST_VA, pg, PROT_RW, 0);
    KTEST_CHECK(poke(TEST_VA, 3) && pmap_is_modified(pg), "write after upgrade");
    KTEST_CHECK(pmap_clear_modify(pg) && !pmap_is_modified(pg), "modified bit after clearing");
    KTEST_CHECK(poke(TEST_VA, 4) && pmap_is_modified(pg), "a second write is not noticed");
    pmap_age_begin();
    KTEST_CHECK(pmap_age(pg) && !pmap_is_referenced(pg), "referenced bit after aging");
    pmap_age_end();
    KTEST_CHECK(peek(TEST_VA, &word) && pmap_is_referenced(pg), "a read after aging is missed");
    enter(pm, TEST_VA, other, PROT_RW, 0);
    KTEST_CHECK(peek(TEST_VA, &word) && word == 2, "word %lx after replacing", word);
    KTEST_CHECK(!pmap_page_mapped(pg) && pmap_is_modified(pg), "the replaced page");
    pmap_page_protect(other, PROT_READ);
    KTEST_CHECK(!poke(TEST_VA, 5), "written in spite of write protection");
    pmap_page_protect(other, PROT_NONE);
    KTEST_CHECK(!peek(TEST_VA, &word), "mapped in spite of removal");
    irq_pop();
    check_all();
    pmap_destroy(pm);
    free_page(pg);
    free_page(other);
    KTEST_CHECK(free_pages() == before, "%lu free pages, were %lu", free_pages(), before);
}

KTEST(pmap_kernel_mappings)
{
    struct vm_page *pg = new_page(7);
    volatile uint64_t *word = (volatile uint64_t *)(KVA_BASE + 8 * PAGE_SIZE);
    vaddr_t va = (vaddr_t)word;
    paddr_t pa;

    if (pmap_kextract(va, &pa)) // in use by now: the check below would tread on it
        return free_page(pg);
    pmap_kenter_pa(va, page_to_phys(pg), PROT_RW);
    KTEST_CHECK(*word == 7, "word %lx", *word);
    KTEST_CHECK(pmap_kextract(va, &pa) && pa == page_to_phys(pg), "pa %lx", pa);
    pmap_kremove(va, 1);
    KTEST_CHECK(!pmap_kextract(va, &pa), "still mapped to %lx", pa);
    KTEST_CHECK(pmap_kextract((vaddr_t)page_to_dmap(pg), &pa) && pa == page_to_phys(pg), "pa %lx",
                pa);
    free_page(pg);
    check_all();
}

KTEST(pmap_sparse_remove)
{
    uint64_t before = free_pages();
    struct pmap *pm = pmap_create();
    struct vm_page *pg = new_page(1);
    struct pmap_stats st;

    for (vaddr_t va = TEST_VA; va < USER_MAX / 2; va = va * 2 + 3 * PAGE_SIZE)
        KTEST_CHECK(pmap_enter(pm, va, pg, PROT_READ, 0) == 0, "va %lx", va);
    check_all();
    uint64_t start = rdtsc();
    pmap_remove(pm, USER_MIN, USER_MAX);
    kprintf("pmap: removal of 17 mappings spread over 128 TiB: %lu ticks\n", rdtsc() - start);
    pmap_get_stats(&st);
    KTEST_CHECK(!pmap_page_mapped(pg) && pm->pt_pages == 0, "%lu tables left", pm->pt_pages);
    check_all();
    pmap_destroy(pm);
    free_page(pg);
    KTEST_CHECK(free_pages() == before, "%lu free pages, were %lu", free_pages(), before);
}

// Under -icount a tick is an instruction.
KTEST(pmap_cost)
{
    enum { N = 256 };
    struct pmap *pm = pmap_create();
    struct vm_page *pages[N], *extra = new_page(0);
    uint64_t t[7];

    for (unsigned i = 0; i < N; i++)
        pages[i] = new_page(i);
    enter(pm, TEST_VA + N * PAGE_SIZE, extra, PROT_READ, 0); // makes the tables
    t[0] = rdtsc();
    for (unsigned i = 0; i < N; i++)
        enter(pm, TEST_VA + i * PAGE_SIZE, pages[i], PROT_RW, PROT_WRITE);
    t[1] = rdtsc();
    for (unsigned i = 0; i < N; i++)
        enter(pm, TEST_VA + i * PAGE_SIZE, pages[i], PROT_RW, PROT_WRITE);
    t[2] = rdtsc();
    pmap_protect(pm, TEST_VA, TEST_VA + N * PAGE_SIZE, PROT_READ);
    t[3] = rdtsc();
    pmap_remove(pm, TEST_VA, TEST_VA + N * PAGE_SIZE);
    t[4] = rdtsc();
    for (unsigned i = 0; i < N; i++)
        vm_page_free(pages[i]);
    t[5] = rdtsc();
    for (unsigned i = 0; i < N; i++)
        pages[i] = vm_page_alloc(PAGE_ANON, PA_ZERO);
    t[6] = rdtsc();
    kprintf("pmap: ticks for each of %u pages: enter %lu, again %lu, protect %lu, remove %lu; "
            "page free %lu, alloc and zero %lu\n",
            N, (t[1] - t[0]) / N, (t[2] - t[1]) / N, (t[3] - t[2]) / N, (t[4] - t[3]) / N,
            (t[5] - t[4]) / N, (t[6] - t[5]) / N);
    t[0] = rdtsc();
    struct pmap *small = pmap_create();
    t[1] = rdtsc();
    pmap_destroy(small);
    t[2] = rdtsc();
    kprintf("pmap: create %lu, destroy %lu\n", t[1] - t[0], t[2] - t[1]);
    pmap_destroy(pm);
    vm_page_free(extra);
    for (unsigned i = 0; i < N; i++)
        vm_page_free(pages[i]);
    check_all();
}

// ---- several CPUs ----

#define DEAD 0xdeadul // what no CPU may ever read

static struct pmap *shoot_pm[2]; // of CPUs with even and with odd numbers
static bool linked;              // both link the table for TEST_VA
static struct vm_page *two[2];
static uint64_t published; // the round whose page is mapped; atomic
static uint64_t looks;     // of all readers; atomic

// Until each reader has read on average twice, beginning now.
static void wait_for_looks(void)
{
    uint64_t enough = __atomic_load_n(&looks, __ATOMIC_SEQ_CST) + 2 * (ncpus - 1);

    while (__atomic_load_n(&looks, __ATOMIC_SEQ_CST) < enough && clock_ns() < smp_deadline) {
        cpu_relax();
        spin_poll();
    }
}

// Round r maps the page that holds r, and then kills the page of round r - 1: whoever still reads
// that has a stale TLB. Every other round lies in a round of aging, which clears the accessed bits
// that else say what to flush.
static void writer(struct pmap *pm, uint64_t rounds)
{
    for (uint64_t r = 1; r <= rounds && clock_ns() < smp_deadline; r++) {
        uint64_t *word = page_to_dmap(two[r % 2]);
        __atomic_store_n(word, r, __ATOMIC_SEQ_CST);
        if (r % 2) {
            pmap_age_begin();
            pmap_age(two[(r - 1) % 2]);
        }
        if (r % 3 == 0 && !linked)
            pmap_remove(pm, TEST_VA, TEST_VA + PAGE_SIZE);
        else if (r % 3 <= 1)
            pmap_page_protect(two[(r - 1) % 2], PROT_NONE);
        if (pmap_enter(pm, TEST_VA, two[r % 2], PROT_RW, 0))
            ktest_fail("round %lu: no memory", r);
        __atomic_store_n((uint64_t *)page_to_dmap(two[(r - 1) % 2]), DEAD, __ATOMIC_SEQ_CST);
        __atomic_store_n(&published, r, __ATOMIC_SEQ_CST);
        wait_for_looks();
        if (r % 2)
            pmap_age_end();
    }
    __atomic_store_n(&published, ~0ul, __ATOMIC_SEQ_CST);
}

static void reader(unsigned cpu)
{
    uint64_t r, word;

    while ((r = __atomic_load_n(&published, __ATOMIC_SEQ_CST)) != ~0ul) {
        if (peek(TEST_VA, &word) && (word == DEAD || word < r))
            ktest_fail("CPU %u read %lx in round %lu", cpu, word, r);
        __atomic_fetch_add(&looks, 1, __ATOMIC_SEQ_CST);
        spin_poll();
    }
}

static unsigned writing_cpu;

static void shoot_part(unsigned cpu)
{
    pmap_activate(shoot_pm[cpu % 2]);
    if (cpu == writing_cpu)
        writer(shoot_pm[cpu % 2], ncpus > 1 ? 5000 : 100);
    else
        reader(cpu);
}

// All CPUs run in the pmaps of shoot_pm, which show the same at TEST_VA.
static void shoot(void)
{
    struct pmap_stats old, new;

    two[0] = new_page(0);
    two[1] = new_page(0);
    published = 0;
    writing_cpu = ncpus - 1;
    pmap_get_stats(&old);
    smp_deadline = clock_ns() + SMP_TEST_NS;
    on_all_cpus(shoot_part);
    pmap_get_stats(&new);
    KTEST_CHECK(ncpus == 1 || new.shootdowns > old.shootdowns, "%lu shootdowns in all",
                new.shootdowns);
    check_all();
}

KTEST(pmap_shootdown)
{
    uint64_t before = free_pages();

    shoot_pm[0] = shoot_pm[1] = pmap_create();
    shoot();
    // The other CPUs still have the pmap loaded, and interrupts on: they must be interrupted.
    pmap_remove(shoot_pm[0], TEST_VA, TEST_VA + PAGE_SIZE);
    pmap_destroy(shoot_pm[0]);
    free_page(two[0]);
    free_page(two[1]);
    KTEST_CHECK(free_pages() == before, "%lu free pages, were %lu", free_pages(), before);
}

// The same with two pmaps that link one table, each for every other CPU.
KTEST(pmap_shootdown_linked)
{
    uint64_t before = free_pages();
    struct pmap *pm = pmap_create_shared();

    linked = true;
    for (unsigned i = 0; i < 2; i++) {
        shoot_pm[i] = pmap_create();
        KTEST_CHECK(pmap_link(shoot_pm[i], TEST_VA, pm, 4 * TEST_VA) == 0, "link %u", i);
    }
    shoot();
    linked = false;
    // Exit: one after the other, while the other CPUs have them loaded.
    for (unsigned i = 0; i < 2; i++) {
        uint64_t nlinks = pm->nlinks;
        KTEST_CHECK(pmap_unlink(shoot_pm[i], TEST_VA) == pm && pm->nlinks == nlinks - 1, "unlink");
        pmap_remove_all_user(shoot_pm[i]);
        pmap_destroy(shoot_pm[i]);
        check_all();
    }
    pmap_destroy(pm);
    free_page(two[0]);
    free_page(two[1]);
    KTEST_CHECK(free_pages() == before, "%lu free pages, were %lu", free_pages(), before);
}

#define STRESS_PMAPS 3
#define STRESS_PAGES 24
#define STRESS_SLOTS 64

static struct pmap *stress_pm[STRESS_PMAPS];
static struct {
    struct spinlock lock; // the owner's lock, as pmap_enter wants it
    struct vm_page *pg;
} stress_page[STRESS_PAGES];

// Slots lie in eight different page-table pages.
static vaddr_t slot_va(uint64_t slot)
{
    return TEST_VA + (slot % 8) * (2ul << 20) + slot / 8 * PAGE_SIZE;
}

static void stress_one_page(struct rng *rng, unsigned i, struct pmap *pm, vaddr_t va)
{
    struct vm_page *pg = stress_page[i].pg;
    uint64_t *word = page_to_dmap(pg);

    switch (rng_below(rng, 6)) {
    case 0:
        // Nobody may read the page once it is unmapped everywhere.
        pmap_page_protect(pg, PROT_NONE);
        if (pmap_page_mapped(pg))
            ktest_fail("page %u is mapped after its removal", i);
        __atomic_store_n(word, DEAD, __ATOMIC_SEQ_CST);
        for (unsigned n = 0; n < 500; n++)
            spin_poll();
        __atomic_store_n(word, i, __ATOMIC_SEQ_CST);
        break;
    case 1:
        pmap_page_protect(pg, PROT_READ);
        break;
    case 2:
        pmap_clear_reference(pg);
        pmap_clear_modify(pg);
        break;
    default:
        enter(pm, va, pg, rng_below(rng, 2) ? PROT_RW : PROT_READ, PROT_READ);
    }
}

static void stress_part(unsigned cpu)
{
    struct rng rng = {cpu + 1};
    uint64_t word;

    for (unsigned n = 0; n < 6000 && clock_ns() < smp_deadline; n++) {
        struct pmap *pm = stress_pm[rng_below(&rng, STRESS_PMAPS)];
        vaddr_t va = slot_va(rng_below(&rng, STRESS_SLOTS));
        unsigned i = (unsigned)rng_below(&rng, STRESS_PAGES);
        uint64_t what = rng_below(&rng, 16);
        if (what == 0)
            pmap_remove(pm, va, va + rng_below(&rng, 9) * (1ul << 20));
        else if (what == 1)
            pmap_protect(pm, va, va + PAGE_SIZE * rng_below(&rng, 9), PROT_READ);
        else if (what == 2)
            pmap_activate(pm);
        else if (what < 8 && peek(va, &word) && word >= STRESS_PAGES)
            ktest_fail("CPU %u read %lx at %lx", cpu, word, va);
        else if (spin_trylock(&stress_page[i].lock)) {
            stress_one_page(&rng, i, pm, va);
            spin_unlock(&stress_page[i].lock);
        }
        spin_poll();
    }
}

KTEST(pmap_stress)
{
    uint64_t before = free_pages();

    for (unsigned i = 0; i < STRESS_PAGES; i++) {
        spin_init(&stress_page[i].lock, "test page", LOCK_VNODE_REF, 0);
        stress_page[i].pg = new_page(i);
    }
    for (unsigned i = 0; i < STRESS_PMAPS; i++)
        stress_pm[i] = pmap_create();
    smp_deadline = clock_ns() + SMP_TEST_NS;
    on_all_cpus(stress_part);
    check_all();
    for (unsigned i = 0; i < STRESS_PMAPS; i++) {
        if (i > 0)
            pmap_remove_all_user(stress_pm[i]);
        check_all();
        pmap_destroy(stress_pm[i]);
    }
    for (unsigned i = 0; i < STRESS_PAGES; i++)
        free_page(stress_page[i].pg);
    KTEST_CHECK(free_pages() == before, "%lu free pages, were %lu", free_pages(), before);
}
