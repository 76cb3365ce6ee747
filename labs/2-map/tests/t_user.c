// SPDX-License-Identifier: BSD-2-Clause
//
// What programs do to a map, and what it does when something fails: mprotect back and forth,
// mappings beside mappings, errors, allocations that fail one by one.

#include "lab_map.h"
#include "dev/record.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define ANON   (LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS)
#define NPAGES 64u

vaddr_t lab_map_private(struct vm_space *vs, vaddr_t va, size_t npages)
{
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, PROT_RW, PROT_ALL,
                        ANON | (va ? LINUX_MAP_FIXED : 0), NULL, 0);
    KASSERT(!error, "mmap of %zu pages: error %d", npages, error);
    return va;
}

// ---- as programs do ----

// Writes a page as a program would, by a fault.
void lab_poke(struct vm_space *vs, vaddr_t va, uint64_t word)
{
    paddr_t pa;
    vm_prot_t prot;

    int error = vm_fault(&vs->map, va, PROT_WRITE);
    KASSERT(!error && pmap_extract(vs->pmap, va, &pa, &prot), "writing %#lx: error %d", va, error);
    *(uint64_t *)phys_to_dmap(pa) = word;
}

void lab_expect_word(struct vm_space *vs, vaddr_t va, uint64_t word)
{
    paddr_t pa;
    vm_prot_t prot;

    int error = vm_fault(&vs->map, va, PROT_READ);
    KASSERT(!error && pmap_extract(vs->pmap, va, &pa, &prot), "reading %#lx: error %d", va, error);
    uint64_t found = *(uint64_t *)phys_to_dmap(pa);
    KTEST_CHECK(found == word, "%#lx holds %#lx, not %#lx", va, found, word);
}

KTEST(lab_map_protect)
{
    struct vm_space *vs = lab_make_space(0);
    vaddr_t va = lab_map_private(vs, LAB_USER_VA, NPAGES);

    lab_point("mapped");
    for (unsigned i = 0; i < NPAGES; i += 3)
        lab_poke(vs, va + i * PAGE_SIZE, i);
    for (unsigned i = 0; i < 200; i++) {
        vaddr_t at = va + i % 56 * PAGE_SIZE;
        vm_mprotect(vs, at, 8 * PAGE_SIZE, PROT_READ);
        if (i == 13)
            lab_point("split");
        vm_mprotect(vs, at, 8 * PAGE_SIZE, PROT_RW);
    }
    lab_point("back");
    for (unsigned i = 0; i < NPAGES; i++)
        vm_mprotect(vs, va + i * PAGE_SIZE, PAGE_SIZE, PROT_READ);
    lab_point("one-by-one");
    for (unsigned i = 0; i < NPAGES; i++)
        lab_expect_word(vs, va + i * PAGE_SIZE, i % 3 ? 0 : i);
    lab_destroy_maps();
}

KTEST(lab_map_adjacent)
{
    struct vm_space *vs = lab_make_space(0);

    for (unsigned i = 0; i < 200; i++)
        lab_map_private(vs, LAB_USER_VA + i * PAGE_SIZE, 1);
    lab_point("upward");
    for (unsigned i = 0; i < 200; i++)
        lab_map_private(vs, 0, 1);
    lab_point("downward");
    vs->brk_start = vs->brk_end = LAB_USER_VA / 2;
    for (unsigned i = 1; i <= 200; i++)
        vm_brk(vs, LAB_USER_VA / 2 + i * PAGE_SIZE);
    lab_point("break");
    // Each page is written before the next one is mapped.
    for (unsigned i = 0; i < 200; i++)
        lab_poke(vs, lab_map_private(vs, LAB_USER_VA + (1000 + i) * PAGE_SIZE, 1), i);
    lab_point("written-upward");
    for (unsigned i = 0; i < 200; i++)
        lab_poke(vs, lab_map_private(vs, 0, 1), i);
    lab_point("written-downward");
    for (unsigned i = 0; i < 200; i++) {
        lab_expect_word(vs, LAB_USER_VA + (1000 + i) * PAGE_SIZE, i);
        lab_expect_word(vs, vs->mmap_top - (201 + i) * PAGE_SIZE, i);
    }
    lab_destroy_maps();
}

// A mapping with pages moves beside one without: below it, above it, and between two.
KTEST(lab_map_alone)
{
    enum { PART = 4, MOVE_FIXED = 3 };
    struct vm_space *vs = lab_make_space(0);
    vaddr_t away = LAB_USER_VA + (1ul << 28);

    for (unsigned i = 0; i < 3; i++) {
        vaddr_t at = LAB_USER_VA + i * 64 * PAGE_SIZE, to = at + PART * PAGE_SIZE;
        if (i != 1)
            lab_map_private(vs, at, PART);
        if (i != 0)
            lab_map_private(vs, at + 2 * PART * PAGE_SIZE, PART);
        lab_map_private(vs, away, PART);
        for (unsigned page = 0; page < PART; page++)
            lab_poke(vs, away + page * PAGE_SIZE, i * PART + page + 1);
        int error = vm_mremap(vs, away, PART * PAGE_SIZE, PART * PAGE_SIZE, MOVE_FIXED, &to);
        KTEST_CHECK(error == 0, "moving a mapping: error %d", error);
        for (unsigned page = 0; page < PART; page++)
            lab_expect_word(vs, to + page * PAGE_SIZE, i * PART + page + 1);
    }
    lab_point("moved");
    lab_destroy_maps();
    lab_point("end");
}

// A part of a mapping moves beside another part of it: one amap, but slots that do not go on; then
// the parts are put in the other order, and back in place, where they are one again.
KTEST(lab_map_moved)
{
    enum { PART = 4, MOVE_FIXED = 3 };
    static const uint8_t order[][3] = {{0, 2, 1}, {2, 1, 0}, {1, 0, 2}, {0, 1, 2}};
    struct vm_space *vs = lab_make_space(0);
    vaddr_t away = LAB_USER_VA + (1ul << 28), at = LAB_USER_VA;
    uint8_t now[3] = {0, 1, 2}; // which part is in which place

    lab_map_private(vs, at, 3 * PART);
    for (unsigned i = 0; i < 3 * PART; i++)
        lab_poke(vs, at + i * PAGE_SIZE, i + 1);
    lab_point("mapped");
    for (unsigned n = 0; n < array_len(order); n++) {
        for (unsigned place = 0; place < 3; place++) {
            vaddr_t to = away + now[place] * 2 * PART * PAGE_SIZE;
            int error = vm_mremap(vs, at + place * PART * PAGE_SIZE, PART * PAGE_SIZE,
                                  PART * PAGE_SIZE, MOVE_FIXED, &to);
            KTEST_CHECK(error == 0, "moving part %u away: error %d", now[place], error);
        }
        for (unsigned place = 0; place < 3; place++) {
            vaddr_t to = at + place * PART * PAGE_SIZE;
            now[place] = order[n][place];
            vm_mremap(vs, away + now[place] * 2 * PART * PAGE_SIZE, PART * PAGE_SIZE,
                      PART * PAGE_SIZE, MOVE_FIXED, &to);
        }
        for (unsigned i = 0; i < 3 * PART; i++)
            lab_expect_word(vs, at + i * PAGE_SIZE, now[i / PART] * PART + i % PART + 1);
        lab_point("moved");
    }
    lab_destroy_maps();
    lab_point("end");
}

// ---- stale hints ----

// The entry that a lookup finds must be one of the map's, whatever was merged, split or freed.
KTEST(lab_map_hints)
{
    enum { SLOTS = 64, STEP = 4 };
    struct rng r = lab_rng(0);

    lab_make_kernel_map(0, 1024);
    vaddr_t base = lab_map[0]->min_va;
    for (unsigned n = 0; n < 4000; n++) {
        unsigned slot = (unsigned)rng_below(&r, SLOTS), other = (unsigned)rng_below(&r, SLOTS);
        vaddr_t va = base + slot * STEP * PAGE_SIZE, look = base + other * STEP * PAGE_SIZE;
        struct vm_map_entry *e;
        if (lab_slot[slot].va) {
            rw_lock_read(&lab_map[0]->lock);
            vm_map_lookup(lab_map[0], va, &e); // the hint is the entry that will be split
            rw_unlock_read(&lab_map[0]->lock);
            lab_free(slot);
        } else {
            rw_lock_read(&lab_map[0]->lock);
            // The hint is the neighbour, which merging may free.
            vm_map_lookup(lab_map[0], va + (rng_below(&r, 2) ? STEP : -1ul) * PAGE_SIZE, &e);
            rw_unlock_read(&lab_map[0]->lock);
            lab_alloc(0, slot, LAB_QUANTUM, va, STEP);
        }
        for (unsigned again = 0; again < 2; again++, look = va) {
            unsigned at = again ? slot : other;
            rw_lock_read(&lab_map[0]->lock);
            bool found = vm_map_lookup(lab_map[0], look, &e);
            KTEST_CHECK(found == !!lab_slot[at].va, "block %u is %sfound", at, found ? "" : "not ");
            bool linked = !found || e == vm_map_first(lab_map[0]) ||
                          list_entry(e->link.prev->next, struct vm_map_entry, link) == e;
            KTEST_CHECK(linked && (!found || (e->start_va <= look && look < e->end_va)),
                        "the entry found for block %u is none of the map's", at);
            rw_unlock_read(&lab_map[0]->lock);
        }
        if (n % 400 == 0)
            lab_quick_point("looked");
    }
    lab_point("end");
    lab_destroy_maps();
}

// ---- errors ----

static void expect(const char *what, int error, int wanted)
{
    KTEST_CHECK(error == wanted, "%s: error %d, not %d", what, error, wanted);
    KTEST_CHECK(kctx_current()->nheld == 0, "%s leaves a lock taken", what);
}

// The next allocation fails; and what needed it has failed.
static void fail_next(void)
{
    kctx_current()->fail_nth = 1;
}

static void expect_failed(const char *what, int error)
{
    bool asked = kctx_current()->fail_nth == 0;

    kctx_current()->fail_nth = 0;
    KTEST_CHECK(asked, "%s: no memory was asked for, where an entry is needed (error %d)", what,
                error);
    expect(what, error, ENOMEM);
}

// Every way to fail leaves the map as it was, and unlocked. The first map has a reserve.
KTEST(lab_map_errors)
{
    lab_make_kernel_map(0, 4096);
    lab_make_space(1);
    struct vm_map *map = lab_map[0];
    lab_alloc(0, 0, LAB_QUANTUM, map->min_va + 16 * PAGE_SIZE, 16);
    lab_alloc(0, 1, LAB_PLAIN, map->min_va + 64 * PAGE_SIZE, 16);
    for (unsigned i = 2; i < 10; i++)
        lab_alloc(0, i, LAB_QUANTUM, map->min_va + (100 + i * 4) * PAGE_SIZE, 4);
    lab_map_private(container_of(lab_map[1], struct vm_space, map), LAB_USER_VA, 16);
    lab_point("before");
    for (unsigned i = 0; i < 300; i++) {
        struct vm_map_req req = lab_req(LAB_QUANTUM, map->min_va + 20 * PAGE_SIZE, 16);
        expect("mapping what is mapped", vm_map_map(map, &req), EEXIST);
        req = lab_req(LAB_QUANTUM, map->max_va, 16);
        expect("mapping beyond the end", vm_map_map(map, &req), EINVAL);
        req = lab_req(LAB_QUANTUM, 0, 5000);
        expect("mapping more than there is", vm_map_map(map, &req), ENOMEM);
        req = lab_req(LAB_QUANTUM, 0, 4);
        fail_next();
        int error = vm_map_map(map, &req);
        expect_failed("mapping without memory", error);
        fail_next();
        error = vm_map_unmap(map, lab_slot[1].va + PAGE_SIZE, lab_slot[1].va + 2 * PAGE_SIZE);
        expect_failed("splitting without memory", error);
        expect("more rights than the most",
               vm_map_protect(map, lab_slot[1].va, lab_slot[1].va + PAGE_SIZE, PROT_ALL), EACCES);
        expect("a stack that is none", vm_map_grow_stack(lab_map[1], LAB_USER_VA / 2), EFAULT);
        expect("protecting a hole",
               vm_map_protect(lab_map[1], LAB_USER_VA, LAB_USER_VA + 32 * PAGE_SIZE, PROT_READ),
               ENOMEM);
        vm_map_protect(lab_map[1], LAB_USER_VA, LAB_USER_VA + 16 * PAGE_SIZE, PROT_RW);
    }
    lab_point("after");
    lab_destroy_maps();
    lab_point("end");
}

// ---- no memory ----

// What is left when others have taken all that they get is for those who free memory: no entry
// comes from it. Until there is no more, each reservation has what it asked for.
KTEST(lab_map_scarce)
{
    enum { MOST_ENTRIES = 100000 }; // more than there is memory for
    static const unsigned flags[] = {PR_NOWAIT, PR_WAITOK};
    struct list taken = LIST_INIT(taken);
    struct vm_page_stats st;
    struct vm_page *pg;

    lab_make_space(0);
    lab_point("before");
    while ((pg = vm_page_alloc(PAGE_KMEM, 0)))
        list_push_back(&taken, &pg->queue);
    for (unsigned i = 0; i < array_len(flags); i++) {
        struct map_change c = {.map = lab_map[0]};
        unsigned n;
        int error = 0;
        list_init(&c.spare);
        list_init(&c.dead);
        for (n = 0; !error && n < MOST_ENTRIES; n++)
            error = map_entry_reserve(&c, 1, flags[i]);
        vm_page_get_stats(&st);
        map_entry_unreserve(&c);
        KTEST_CHECK(error == ENOMEM,
                    "%u reservations of one entry each, and no page is left: error %d", n, error);
        KTEST_CHECK(st.nfree >= vm_page_reserve_kernel,
                    "entries were taken from the page reserve: %lu pages are left of %lu", st.nfree,
                    vm_page_reserve_kernel);
    }
    while ((pg = list_pop(&taken, struct vm_page, queue)))
        vm_page_free(pg);
    lab_point("after");
    lab_destroy_maps();
}

// ---- fail-nth ----

// The map's pages with all that is known of them, in one number: however they are cut into entries.
static uint64_t digest(struct vm_map *map)
{
    uint64_t sum = 0;

    rw_lock_read(&map->lock);
    for (struct vm_map_entry *e = vm_map_first(map); e; e = vm_map_next(map, e)) {
        for (vaddr_t va = e->start_va; va < e->end_va; va += PAGE_SIZE) {
            struct rng r = {va ^ (uint64_t)e->attr.prot << 1 ^ (uint64_t)e->attr.advice << 4};
            r.state += rng_next(&r) ^ (uint64_t)e->attr.object ^ (uint64_t)e->attr.inherit << 60;
            r.state += e->attr.object ? e->attr.offset + (va - e->start_va) : 0;
            sum += rng_next(&r);
        }
    }
    rw_unlock_read(&map->lock);
    return sum;
}

static int try(struct vm_space *vs, unsigned op, struct vm_object *object)
{
    vaddr_t va = LAB_USER_VA + 20 * PAGE_SIZE;
    struct vm_map_req req = {
        .va = va,
        .len = 8 * PAGE_SIZE,
        .attr = {.prot = PROT_RW, .max_prot = PROT_ALL, .inherit = INHERIT_COPY},
        .flags = MAP_FIXED_ADDR};

    switch (op) {
    case 0:
        return vm_map_unmap(&vs->map, va, va + 8 * PAGE_SIZE);
    case 1:
        return vm_map_protect(&vs->map, va, va + 8 * PAGE_SIZE, PROT_READ);
    case 2:
        return vm_map_advise(&vs->map, va, va + 8 * PAGE_SIZE, ADVICE_RANDOM);
    case 3:
        return vm_map_inherit(&vs->map, va, va + 8 * PAGE_SIZE, INHERIT_NONE);
    case 4:
        return vm_map_map(&vs->map, &req);
    default:
        req.attr.object = object;
        vm_object_ref(object);
        int error = vm_map_map(&vs->map, &req);
        if (error)
            vm_object_unref(object);
        return error;
    }
}

// In every change each allocation fails in turn: then nothing is changed, and nothing is lost.
KTEST(lab_map_fail_nth)
{
    enum { OPS = 6, TIMES = 60 };
    unsigned refused = 0, granted = 0;
    struct vm_object *object = anon_object_create(64);

    struct vm_space *vs = lab_make_space(0);
    lab_map_private(vs, LAB_USER_VA, NPAGES);
    lab_point("before");
    for (unsigned i = 0; i < OPS * TIMES; i++) {
        bool reached = true;
        for (unsigned nth = 1; reached; nth++) {
            uint64_t before = digest(&vs->map), refs = object->nrefs;
            kctx_current()->fail_nth = nth;
            int error = try(vs, i % OPS, object);
            reached = kctx_current()->fail_nth == 0;
            kctx_current()->fail_nth = 0;
            if (error) {
                refused++;
                KTEST_CHECK(error == ENOMEM && reached, "operation %u: error %d", i % OPS, error);
                KTEST_CHECK(digest(&vs->map) == before && object->nrefs == refs,
                            "operation %u failed and changed the map (nth %u)", i % OPS, nth);
            } else {
                granted++;
                lab_map_private(vs, LAB_USER_VA, NPAGES);
            }
        }
    }
    record_printf("refused %u granted %u", refused, granted);
    lab_point("after");
    lab_destroy_maps();
    vm_object_unref(object);
    lab_point("end");
}
