// SPDX-License-Identifier: BSD-2-Clause
//
// Mappings that nobody promised anything about, under seeded sequences of changes, and very large
// ones. The judge plays the sequence on a model, so the draws here and there must stay in step. One
// CPU.

#include "lab_map.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

struct vm_object *lab_object[LAB_OBJECTS];

// The objects count their claims.
static struct vm_pager_ops counting_ops;

static void count_claim(struct vm_object *o, int64_t npages)
{
    (void)o;
    lab_report.claims += (uint64_t)npages;
}

void lab_make_objects(void)
{
    for (unsigned i = 0; i < LAB_OBJECTS; i++) {
        lab_object[i] = anon_object_create(4096);
        KASSERT(lab_object[i], "no memory for object %u", i);
        counting_ops = *lab_object[i]->ops;
        counting_ops.claim = count_claim;
        lab_object[i]->ops = &counting_ops;
    }
}

void lab_drop_objects(void)
{
    for (unsigned i = 0; i < LAB_OBJECTS; i++) {
        vm_object_unref(lab_object[i]);
        lab_object[i] = NULL;
    }
}

// ---- a sequence of changes ----

#define REGION     256u
#define SEQ_POINTS 6u
#define SEQ_ROUND  500u

static uint64_t word_of[REGION];  // what a private page must hold
static bool private_page[REGION]; // anonymous, private
static bool touching;

static vaddr_t page_va(uint64_t page)
{
    return LAB_USER_VA + page * PAGE_SIZE;
}

static void forget(uint64_t page, uint64_t n, bool private)
{
    for (uint64_t i = page; i < page + n; i++) {
        word_of[i] = 0;
        private_page[i] = private;
    }
}

// Up to 16 pages of the region, which will be changed.
static uint64_t draw_range(struct rng *r, uint64_t *n)
{
    uint64_t page = rng_below(r, REGION), most = 1 + rng_below(r, 16);

    *n = min(most, REGION - page);
    lab_check_need(0, page_va(page), page_va(page + *n));
    return page;
}

static void op_map(struct rng *r)
{
    uint64_t n, page = draw_range(r, &n);
    uint64_t what = rng_below(r, 5), shift = rng_below(r, 2), prot = rng_below(r, 8);
    struct vm_map_req req = lab_plain(page_va(page));

    req.len = n * PAGE_SIZE;
    req.attr.prot = prot & 1 ? PROT_RW : PROT_READ;
    req.attr.max_prot = prot == 6 ? PROT_READ : PROT_RW;
    req.flags = MAP_FIXED_ADDR;
    if (what < LAB_OBJECTS) {
        req.attr.object = lab_object[what];
        req.attr.offset = (page + shift) * PAGE_SIZE;
    } else if (what == LAB_OBJECTS) {
        req.entry_flags = ME_COW;
    }
    lab_map_one(req);
    forget(page, n, what == LAB_OBJECTS);
}

// As a program does: writes a private page, and finds in it what it wrote last.
static void op_touch(uint64_t page, uint64_t word)
{
    struct vm_map *map = lab_map[0];
    paddr_t pa;
    vm_prot_t prot;

    if (!private_page[page] || vm_fault(map, page_va(page), PROT_READ))
        return;
    if (!pmap_extract(map->pmap, page_va(page), &pa, &prot))
        panic("page %lu: nothing is mapped after a fault", page);
    uint64_t found = *(uint64_t *)phys_to_dmap(pa);
    KTEST_CHECK(found == word_of[page], "page %lu holds %lx, not %lx", page, found, word_of[page]);
    if (vm_fault(map, page_va(page), PROT_WRITE))
        return;
    pmap_extract(map->pmap, page_va(page), &pa, &prot);
    *(uint64_t *)phys_to_dmap(pa) = word_of[page] = word;
}

static void one_change(struct rng *r)
{
    static const vm_prot_t prots[] = {PROT_NONE, PROT_READ, PROT_RW};
    uint64_t what = rng_below(r, 100);

    if (what < 35) {
        op_map(r);
        return;
    }
    uint64_t n, page = draw_range(r, &n);
    uint64_t value = rng_below(r, 3);
    vaddr_t from = page_va(page), to = page_va(page + n);
    if (what < 50) {
        vm_map_unmap(lab_map[0], from, to);
        forget(page, n, false);
    } else if (what < 75) {
        vm_map_protect(lab_map[0], from, to, prots[value]);
    } else if (what < 85) {
        vm_map_advise(lab_map[0], from, to, (enum vm_advice)value);
    } else {
        vm_map_inherit(lab_map[0], from, to, (enum vm_inherit)value);
    }
}

static void changes(void)
{
    struct rng r = lab_rng(0), t = lab_rng(1);

    lab_make_objects();
    lab_make_space(0);
    lab_point("start");
    for (unsigned i = 0; i < SEQ_POINTS; i++) {
        for (unsigned n = 0; n < SEQ_ROUND; n++) {
            one_change(&r);
            lab_check_hint("a change");
            if (touching)
                op_touch(rng_below(&t, REGION), rng_next(&t));
        }
        lab_point("ops");
    }
}

static void end_changes(void)
{
    lab_destroy_maps();
    lab_point("end");
    lab_drop_objects();
}

KTEST(lab_map_changes)
{
    changes();
    end_changes();
}

// With pages in the amaps; and the same is there in a child.
KTEST(lab_map_touched)
{
    struct vm_space *child = NULL;
    paddr_t pa;
    vm_prot_t prot;

    touching = true;
    changes();
    int error = vm_space_fork(container_of(lab_map[0], struct vm_space, map), &child);
    KTEST_CHECK(error == 0, "fork: error %d", error);
    lab_point("forked");
    for (unsigned page = 0; page < REGION; page++) {
        if (!private_page[page] || vm_fault(&child->map, page_va(page), PROT_READ) ||
            vm_fault(lab_map[0], page_va(page), PROT_READ))
            continue;
        pmap_extract(child->pmap, page_va(page), &pa, &prot);
        KTEST_CHECK(*(uint64_t *)phys_to_dmap(pa) == word_of[page], "page %u of the child", page);
    }
    vm_space_unref(child);
    for (unsigned page = 0; page < REGION; page++)
        op_touch(page, 1);
    lab_point("touched");
    end_changes();
}

// ---- very large mappings ----

#define FAR_VA   (1ul << 40)
#define FAR_LEN  (6ul << 30)
#define FAR_FROM (3ul << 30) // offset of the object's mapping
#define HUGE_VA  (1ul << 46)
#define HUGE_LEN (40ul << 40)

// Six GiB of an object from its third on, 40 TiB of it, and six GiB of private memory, cut in seven
// places, and pages taken out of them: what a page shows does not depend on how far into its entry
// it lies.
static void cut(vaddr_t va, size_t len)
{
    for (unsigned i = 7; i > 0; i--) { // from above: what is left below is as long as it can be
        vaddr_t at = va + i * (len / 8);
        KTEST_CHECK(vm_map_protect(lab_map[0], at, at + 2 * PAGE_SIZE, PROT_READ) == 0,
                    "protecting two pages at %#lx", at);
        KTEST_CHECK(vm_map_unmap(lab_map[0], at + 8 * PAGE_SIZE, at + 9 * PAGE_SIZE) == 0,
                    "unmapping a page at %#lx", at);
    }
}

static void write_far(vaddr_t va, uint64_t word)
{
    paddr_t pa;
    vm_prot_t prot;

    int error = vm_fault(lab_map[0], va, PROT_WRITE);
    KASSERT(!error && pmap_extract(lab_map[0]->pmap, va, &pa, &prot), "%#lx: %d", va, error);
    *(uint64_t *)phys_to_dmap(pa) = word;
}

static void read_far(vaddr_t va, uint64_t word)
{
    paddr_t pa;
    vm_prot_t prot;

    int error = vm_fault(lab_map[0], va, PROT_READ);
    KASSERT(!error && pmap_extract(lab_map[0]->pmap, va, &pa, &prot), "%#lx: %d", va, error);
    uint64_t found = *(uint64_t *)phys_to_dmap(pa);
    KTEST_CHECK(found == word, "%#lx holds %#lx, not %#lx", va, found, word);
}

KTEST(lab_map_far)
{
    struct vm_map_req req = lab_plain(FAR_VA);

    lab_make_objects();
    lab_make_space(0);
    req.len = FAR_LEN;
    req.attr.object = lab_object[0];
    req.attr.offset = FAR_FROM;
    lab_map_one(req);
    req.va = HUGE_VA;
    req.len = HUGE_LEN;
    lab_map_one(req);
    req = lab_plain(2 * FAR_VA);
    req.len = FAR_LEN;
    req.attr.prot = PROT_RW;
    req.entry_flags = ME_COW;
    lab_map_one(req);
    for (unsigned i = 0; i < 8; i++)
        write_far(2 * FAR_VA + i * (FAR_LEN / 8) + 4 * PAGE_SIZE, i + 1);
    lab_point("mapped");
    cut(FAR_VA, FAR_LEN);
    cut(2 * FAR_VA, FAR_LEN);
    cut(HUGE_VA, HUGE_LEN);
    lab_point("cut");
    for (unsigned i = 0; i < 8; i++)
        read_far(2 * FAR_VA + i * (FAR_LEN / 8) + 4 * PAGE_SIZE, i + 1);
    end_changes();
}
