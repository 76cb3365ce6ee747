// SPDX-License-Identifier: BSD-2-Clause
//
// Mappings that nobody promised anything about: which neighbours may be one entry and which must
// not, and seeded sequences of changes. The judge plays the sequence on a model, so the draws here
// and there must stay in step. One CPU.

#include "lab_map.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define NOBJECTS 3u
#define PAIR     (1ul << 20) // address space for a pair, and half of it for each order

struct vm_object *lab_object[NOBJECTS];

static void make_objects(void)
{
    for (unsigned i = 0; i < NOBJECTS; i++) {
        lab_object[i] = anon_object_create(4096);
        KASSERT(lab_object[i], "no memory for object %u", i);
    }
}

static void drop_objects(void)
{
    for (unsigned i = 0; i < NOBJECTS; i++) {
        vm_object_unref(lab_object[i]);
        lab_object[i] = NULL;
    }
}

// ---- pairs ----

enum apart {
    BY_PROT,
    BY_MAX_PROT,
    BY_INHERIT,
    BY_ADVICE,
    BY_WIRING,
    BY_COW,
    BY_NEEDSCOPY,
    BY_STACK_LIMIT,
    BY_OBJECT,
    BY_HAVING_AN_OBJECT,
    BY_OFFSET_GAP,
    BY_SAME_OFFSET,
    BY_OFFSET_ORDER,
    BY_HOLE,
    NAPART
};
enum together { ANONYMOUS, PRIVATE, SHARED, READ_ONLY, ADVISED, STACK, NTOGETHER };

struct pair {
    struct vm_map_req lower, upper;
};

static struct vm_map_req plain(vaddr_t va)
{
    return (struct vm_map_req){
        .va = va,
        .len = 4 * PAGE_SIZE,
        .attr = {.prot = PROT_READ, .max_prot = PROT_RW, .inherit = INHERIT_COPY},
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
    };
}

static void with_object(struct pair *p, uint64_t lower_page, uint64_t upper_page)
{
    p->lower.attr.object = p->upper.attr.object = lab_object[0];
    p->lower.attr.offset = lower_page * PAGE_SIZE;
    p->upper.attr.offset = upper_page * PAGE_SIZE;
}

static struct pair make_apart(enum apart what, vaddr_t va)
{
    struct pair p = {plain(va), plain(va + 4 * PAGE_SIZE)};

    switch (what) {
    case BY_PROT:
        p.upper.attr.prot = PROT_RW;
        break;
    case BY_MAX_PROT:
        p.upper.attr.max_prot = PROT_ALL;
        break;
    case BY_INHERIT:
        p.upper.attr.inherit = INHERIT_SHARE;
        break;
    case BY_ADVICE:
        p.upper.attr.advice = ADVICE_RANDOM;
        break;
    case BY_WIRING:
        p.upper.wired = 1;
        break;
    case BY_COW:
        p.upper.entry_flags = ME_COW;
        break;
    case BY_NEEDSCOPY:
        p.lower.entry_flags = ME_COW;
        p.upper.entry_flags = ME_COW | ME_NEEDSCOPY;
        break;
    case BY_STACK_LIMIT:
        p.lower.entry_flags = p.upper.entry_flags = ME_COW | ME_STACK;
        p.lower.attr.offset = USER_MIN;
        p.upper.attr.offset = LAB_USER_VA;
        break;
    case BY_OBJECT:
        with_object(&p, 0, 4);
        p.upper.attr.object = lab_object[1];
        break;
    case BY_HAVING_AN_OBJECT:
        p.upper.attr.object = lab_object[0];
        break;
    case BY_OFFSET_GAP:
        with_object(&p, 0, 5);
        break;
    case BY_SAME_OFFSET:
        with_object(&p, 4, 4);
        break;
    case BY_OFFSET_ORDER:
        with_object(&p, 4, 0);
        break;
    default:
        p.upper.va += PAGE_SIZE;
        break;
    }
    return p;
}

static struct pair make_together(enum together what, vaddr_t va)
{
    struct pair p = {plain(va), plain(va + 4 * PAGE_SIZE)};

    switch (what) {
    case ANONYMOUS:
        break;
    case PRIVATE:
        p.lower.entry_flags = p.upper.entry_flags = ME_COW;
        break;
    case SHARED:
        with_object(&p, 8, 12);
        p.lower.attr.inherit = p.upper.attr.inherit = INHERIT_SHARE;
        break;
    case READ_ONLY:
        with_object(&p, 0, 4);
        p.lower.attr.max_prot = p.upper.attr.max_prot = PROT_READ;
        break;
    case ADVISED:
        p.lower.attr.advice = p.upper.attr.advice = ADVICE_SEQUENTIAL;
        break;
    default:
        p.lower.entry_flags = p.upper.entry_flags = ME_COW | ME_STACK;
        p.lower.attr.offset = p.upper.attr.offset = USER_MIN;
        break;
    }
    return p;
}

static void map_one(struct vm_map_req req)
{
    if (req.attr.object)
        vm_object_ref(req.attr.object);
    int error = vm_map_map(lab_map[0], &req);
    KASSERT(!error, "mapping at %#lx: error %d", req.va, error);
}

static void map_pair(struct pair p, bool upper_first)
{
    map_one(upper_first ? p.upper : p.lower);
    map_one(upper_first ? p.lower : p.upper);
}

KTEST(lab_map_apart)
{
    make_objects();
    lab_make_space(0);
    for (unsigned i = 0; i < NAPART; i++)
        for (unsigned order = 0; order < 2; order++)
            map_pair(make_apart(i, LAB_USER_VA + i * PAIR + order * PAIR / 2), order);
    lab_point("mapped");
    lab_destroy_maps();
    lab_point("end");
    drop_objects();
}

KTEST(lab_map_together)
{
    make_objects();
    lab_make_space(0);
    for (unsigned i = 0; i < NTOGETHER; i++)
        for (unsigned order = 0; order < 2; order++)
            map_pair(make_together(i, LAB_USER_VA + i * PAIR + order * PAIR / 2), order);
    lab_point("mapped");
    // A hole is filled: three become one.
    for (unsigned i = 0; i < NTOGETHER; i++) {
        vaddr_t va = LAB_USER_VA + i * PAIR;
        int error = vm_map_unmap(lab_map[0], va + 3 * PAGE_SIZE, va + 5 * PAGE_SIZE);
        KTEST_CHECK(error == 0, "unmapping at %#lx: error %d", va, error);
    }
    lab_point("holes");
    for (unsigned i = 0; i < NTOGETHER; i++) {
        struct vm_map_req fill = make_together(i, LAB_USER_VA + i * PAIR).lower;
        fill.va += 3 * PAGE_SIZE;
        fill.len = 2 * PAGE_SIZE;
        if (fill.attr.object)
            fill.attr.offset += 3 * PAGE_SIZE;
        map_one(fill);
    }
    lab_point("filled");
    lab_destroy_maps();
    lab_point("end");
    drop_objects();
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

// Up to 16 pages of the region.
static uint64_t draw_range(struct rng *r, uint64_t *n)
{
    uint64_t page = rng_below(r, REGION), most = 1 + rng_below(r, 16);

    *n = min(most, REGION - page);
    return page;
}

static void op_map(struct rng *r)
{
    uint64_t n, page = draw_range(r, &n);
    uint64_t what = rng_below(r, 5), shift = rng_below(r, 2), prot = rng_below(r, 8);
    struct vm_map_req req = plain(page_va(page));

    req.len = n * PAGE_SIZE;
    req.attr.prot = prot & 1 ? PROT_RW : PROT_READ;
    req.attr.max_prot = prot == 6 ? PROT_READ : PROT_RW;
    req.flags = MAP_FIXED_ADDR;
    if (what < NOBJECTS) {
        req.attr.object = lab_object[what];
        req.attr.offset = (page + shift) * PAGE_SIZE;
    } else if (what == NOBJECTS) {
        req.entry_flags = ME_COW;
    }
    map_one(req);
    forget(page, n, what == NOBJECTS);
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

    make_objects();
    lab_make_space(0);
    lab_point("start");
    for (unsigned i = 0; i < SEQ_POINTS; i++) {
        for (unsigned n = 0; n < SEQ_ROUND; n++) {
            one_change(&r);
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
    drop_objects();
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
