// SPDX-License-Identifier: BSD-2-Clause
//
// Three maps are changed by turns: two users' at the same addresses, and a kernel's, in which
// quanta and plain mappings lie side by side and both have their attributes changed, quanta as
// wholes. After each change every page of each map shows what it must, in every field: so what one
// map was left with, or one change, is not taken for another's. One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

enum { USER, OTHER, KERNEL, MAPS };

#define PAGES  64u
#define MOST   8u // pages of a mapping, or of a change
#define POINTS 8u
#define ROUND  600u

// What a page shows, and of a quantum's, where that begins and ends.
struct shown {
    bool mapped;
    struct vm_map_attr attr; // the offset is the page's own
    uint32_t wired, flags;
    uint64_t first, end;
};

static struct shown shown[MAPS][PAGES];

static vaddr_t page_va(unsigned m, uint64_t page)
{
    return (m == KERNEL ? lab_map[m]->min_va : LAB_USER_VA) + page * PAGE_SIZE;
}

static bool in_quantum(unsigned m, uint64_t page)
{
    return shown[m][page].mapped && shown[m][page].flags & ME_QUANTUM;
}

// ---- what there is ----

static void compare_page(unsigned m, uint64_t page, const struct vm_map_entry *e)
{
    const struct shown *s = &shown[m][page];
    vaddr_t va = page_va(m, page);
    const char *what = NULL;
    uint64_t is = 0, must = 0;

#define SAME(field, value)                                                                         \
    if (!what && (uint64_t)(value) != (uint64_t)s->field) {                                        \
        what = #field;                                                                             \
        is = (uint64_t)(value);                                                                    \
        must = (uint64_t)s->field;                                                                 \
    }
    SAME(attr.object, e->attr.object)
    SAME(attr.offset, e->attr.offset + (e->attr.object ? va - e->start_va : 0))
    SAME(attr.prot, e->attr.prot)
    SAME(attr.max_prot, e->attr.max_prot)
    SAME(attr.inherit, e->attr.inherit)
    SAME(attr.advice, e->attr.advice)
    SAME(wired, e->wired)
    SAME(flags, e->flags)
#undef SAME
    KTEST_CHECK(!what, "map %u: page %lu, in [%#lx, %#lx), shows %s %#lx, not %#lx", m, page,
                e->start_va, e->end_va, what, is, must);
}

static void compare(unsigned m)
{
    struct vm_map *map = lab_map[m];
    uint64_t page = 0;

    rw_lock_read(&map->lock);
    struct vm_map_entry *at = vm_map_first(map);
    for (; page < PAGES && !ktest_failed(); page++) {
        vaddr_t va = page_va(m, page);
        while (at && at->end_va <= va)
            at = vm_map_next(map, at);
        bool mapped = at && at->start_va <= va;
        KTEST_CHECK(mapped == shown[m][page].mapped, "map %u: page %lu is %smapped", m, page,
                    mapped ? "" : "not ");
        if (mapped && shown[m][page].mapped)
            compare_page(m, page, at);
    }
    rw_unlock_read(&map->lock);
}

// ---- changes ----

// Mappings are of few kinds, so that neighbours often agree, or differ in one thing.
static struct vm_map_req draw_mapping(struct rng *r, unsigned m, uint64_t page, uint64_t n)
{
    static const uint32_t user[] = {0, ME_COW, ME_COW | ME_NEEDSCOPY, ME_STACK, ME_WRITER};
    static const uint32_t kernel[] = {ME_QUANTUM, 0, ME_QUANTUM | ME_GUARD};
    struct vm_map_req req = lab_plain(page_va(m, page));
    uint64_t kind = rng_below(r, 24);

    req.len = n * PAGE_SIZE;
    req.attr.prot = kind == 0 ? PROT_NONE : PROT_READ;
    req.attr.max_prot = kind == 1 ? PROT_ALL : PROT_RW;
    req.attr.inherit = kind == 2 ? INHERIT_NONE : INHERIT_COPY;
    req.attr.advice = kind == 3 ? ADVICE_RANDOM : ADVICE_NORMAL;
    req.wired = m != KERNEL && (kind == 4 || kind == 5);
    req.entry_flags = m == KERNEL ? kernel[rng_below(r, 3)] : user[kind % 5];
    if (m != KERNEL && (kind > 16 || req.entry_flags == ME_WRITER)) {
        req.attr.object = lab_object[kind % 2];
        req.attr.offset = page * PAGE_SIZE;
    } else if (kind == 6) {
        req.attr.offset = 1;
    }
    req.flags = m == KERNEL ? MAP_FIXED_ADDR | MAP_NOREPLACE : MAP_FIXED_ADDR;
    return req;
}

static void map_one(struct rng *r, unsigned m, uint64_t page, uint64_t n)
{
    struct vm_map_req req = draw_mapping(r, m, page, n);

    for (uint64_t i = page; i < page + n; i++)
        if (m == KERNEL && shown[m][i].mapped)
            return;
    lab_map_in(m, req);
    for (uint64_t i = page; i < page + n; i++) {
        shown[m][i] = (struct shown){true, req.attr, req.wired, req.entry_flags, page, page + n};
        if (req.attr.object)
            req.attr.offset += PAGE_SIZE;
    }
}

// A quantum, or any pages that are no quanta's.
static void unmap_some(unsigned m, uint64_t page, uint64_t n)
{
    uint64_t end = page;

    if (in_quantum(m, page)) {
        end = shown[m][page].end;
        page = shown[m][page].first;
        lab_free_at(lab_map[m], page_va(m, page), (end - page) * PAGE_SIZE);
    } else {
        while (end < page + n && !in_quantum(m, end))
            end++;
        int error = vm_map_unmap(lab_map[m], page_va(m, page), page_va(m, end));
        KTEST_CHECK(error == 0, "unmapping pages %lu to %lu: error %d", page, end, error);
    }
    for (; page < end; page++)
        shown[m][page].mapped = false;
}

enum change { ADVISE, INHERIT, PROTECT, WIRE, CHANGES };

static bool change_page(struct shown *s, enum change what, unsigned value)
{
    if (what == ADVISE)
        s->attr.advice = (uint8_t)value;
    else if (what == INHERIT)
        s->attr.inherit = (uint8_t)value;
    else if (what == PROTECT && value & ~(unsigned)s->attr.max_prot)
        return false;
    else if (what == PROTECT)
        s->attr.prot = (uint8_t)value;
    else
        s->wired = value;
    return true;
}

// Up to the first hole, or to what may not have these rights; of quanta, whole ones.
static void change_some(struct rng *r, unsigned m, uint64_t page, uint64_t n)
{
    enum change what = (enum change)rng_below(r, m == KERNEL ? PROTECT : CHANGES);
    unsigned value = (unsigned)rng_below(r, 2);
    uint64_t end = page + n;
    int error;

    page = in_quantum(m, page) ? shown[m][page].first : page;
    end = in_quantum(m, end - 1) ? shown[m][end - 1].end : end;
    vaddr_t from = page_va(m, page), to = page_va(m, end);
    if (what == ADVISE)
        error = vm_map_advise(lab_map[m], from, to, (enum vm_advice)value);
    else if (what == INHERIT)
        error = vm_map_inherit(lab_map[m], from, to, value ? INHERIT_COPY : INHERIT_NONE);
    else if (what == PROTECT)
        error = vm_map_protect(lab_map[m], from, to, value ? PROT_READ : PROT_NONE);
    else
        error = vm_map_wire(lab_map[m], from, to, value);
    value = what == INHERIT ? (value ? INHERIT_COPY : INHERIT_NONE) : value;
    while (page < end && shown[m][page].mapped && change_page(&shown[m][page], what, value))
        page++;
    KTEST_CHECK(!error == (page == end), "changing pages of map %u up to %lu: error %d", m, end,
                error);
}

// What became superfluous in one map is soon an entry of the other, with an end that is the same;
// and then something is mapped behind what it was.
static void pass_on(struct rng *r, uint64_t page, uint64_t n)
{
    uint64_t next = page + n;

    if (next + n > PAGES)
        return;
    map_one(r, USER, page, n);
    change_some(r, USER, page, n);
    change_some(r, USER, page, n);
    change_some(r, OTHER, next, n);
    map_one(r, USER, next, n);
}

static void change(struct rng *r)
{
    unsigned m = (unsigned)rng_below(r, MAPS);
    uint64_t page = rng_below(r, PAGES), most = 1 + rng_below(r, MOST), what = rng_below(r, 11);
    uint64_t n = min(most, PAGES - page);

    lab_check_need(m, page_va(m, page), page_va(m, page + n));
    if (what == 10)
        pass_on(r, page, n);
    else if (what < 4)
        map_one(r, m, page, n);
    else if (what < 6)
        unmap_some(m, page, n);
    else
        change_some(r, m, page, n);
}

KTEST(lab_map_shown)
{
    struct rng r = lab_rng(11);

    lab_make_objects();
    lab_make_space(USER);
    lab_make_space(OTHER);
    lab_make_kernel_map(KERNEL, PAGES);
    lab_point("start");
    for (unsigned i = 0; i < POINTS; i++) {
        for (unsigned n = 0; n < ROUND && !ktest_failed(); n++) {
            change(&r);
            for (unsigned m = 0; m < MAPS; m++)
                compare(m);
        }
        lab_point("shown");
    }
    for (uint64_t page = 0; page < PAGES; page++)
        if (in_quantum(KERNEL, page))
            unmap_some(KERNEL, page, 1);
    lab_destroy_maps();
    lab_point("end");
    lab_drop_objects();
}
