// SPDX-License-Identifier: BSD-2-Clause
//
// Pairs of neighbours: which may be one entry, and which must not. What an entry says of its pages
// is gone through field by field, and flag by flag: a pair that agrees in everything for each, and
// one that differs in that alone. The judge compares with the structure's own list of fields, so
// that none is forgotten. And pairs that differ in two fields, by all their values. First
// map_entry_link is asked, in both orders of coming, and then map_entry_simplify, of either one.
// One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "vm/vm_object.h"

#define PAIR     (1ul << 20) // address space for a pair, and half of it for each order
#define LEN      (4 * PAGE_SIZE)
#define GIB4     (1ul << 32)
#define LAST_BIT 62 // of an offset

struct lab_pair lab_pair[LAB_MAX_PAIRS];
uint64_t lab_npairs;

// A field of the request, which becomes one of the entry, and two values for it.
struct field {
    const char *name;
    size_t offset, size;
    uint64_t one, other;
};

#define FIELD(name, one, other)                                                                    \
    {                                                                                              \
#name, offsetof(struct vm_map_req, name), sizeof(((struct vm_map_req *)0)->name), one,     \
            other                                                                                  \
    }

static const struct field fields[] = {
    FIELD(attr.prot, PROT_READ, PROT_NONE),
    FIELD(attr.max_prot, PROT_RW, PROT_ALL),
    FIELD(attr.inherit, INHERIT_COPY, INHERIT_SHARE),
    FIELD(attr.advice, ADVICE_NORMAL, ADVICE_RANDOM),
    FIELD(wired, 0, 1),
    FIELD(entry_flags, 0, ME_COW),
    FIELD(entry_flags, ME_COW, ME_COW | ME_NEEDSCOPY),
    FIELD(entry_flags, 0, ME_STACK),
    FIELD(entry_flags, 0, ME_GUARD),
    FIELD(entry_flags, 0, ME_WRITER),
    // two values that are both "yes"
    FIELD(attr.prot, PROT_READ, PROT_RW),
    FIELD(attr.inherit, INHERIT_COPY, INHERIT_NONE),
    FIELD(attr.advice, ADVICE_RANDOM, ADVICE_SEQUENTIAL),
    FIELD(wired, 1, 2),
};

// Pairs that take more than one field to tell: the object and the offset in it, in bytes.
struct placed {
    const char *name;
    uint64_t lower, upper;
    unsigned lower_object, upper_object; // number + 1, 0: none
    unsigned flags;
    bool apart;
};

static const struct placed placed[] = {
    {"an object, a gap in the offset", 0, LEN + PAGE_SIZE, 1, 1, 0, true},
    {"an object, the same offset", LEN, LEN, 1, 1, 0, true},
    {"an object, offsets in the other order", LEN, 0, 1, 1, 0, true},
    {"an object, 4 GiB too near", GIB4, LEN, 1, 1, 0, true},
    {"two objects", 0, LEN, 1, 2, 0, true},
    {"an object and none", 0, LEN, 1, 0, 0, true},
    {"none and an object", 0, 0, 0, 1, 0, true},
    {"no object, other offsets", USER_MIN, LAB_USER_VA, 0, 0, ME_COW | ME_STACK, true},
    {"a shared object", 8 * PAGE_SIZE, 8 * PAGE_SIZE + LEN, 1, 1, 0, false},
    {"a shared object across 4 GiB", GIB4 - LEN, GIB4, 1, 1, 0, false},
    {"a shared object beyond 4 GiB", GIB4 + LEN, GIB4 + 2 * LEN, 1, 1, 0, false},
    {"a private object", LEN, 2 * LEN, 1, 1, ME_COW, false},
    {"an object that is still to be copied", LEN, 2 * LEN, 1, 1, ME_COW | ME_NEEDSCOPY, false},
    {"an object, made for writing", 0, LEN, 1, 1, ME_WRITER, false},
    {"a stack", USER_MIN, USER_MIN, 0, 0, ME_COW | ME_STACK, false},
    {"nothing", 0, 0, 0, 0, 0, false},
};

struct vm_map_req lab_plain(vaddr_t va)
{
    return (struct vm_map_req){
        .va = va,
        .len = LEN,
        .attr = {.prot = PROT_READ, .max_prot = PROT_RW, .inherit = INHERIT_COPY},
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
    };
}

void lab_map_in(unsigned n, struct vm_map_req req)
{
    if (req.attr.object)
        vm_object_ref(req.attr.object);
    if (req.entry_flags & ME_WRITER)
        vm_object_claim(req.attr.object, (int64_t)(req.len >> PAGE_SHIFT));
    int error = vm_map_map(lab_map[n], &req);
    KASSERT(!error, "mapping at %#lx: error %d", req.va, error);
}

void lab_map_one(struct vm_map_req req)
{
    lab_map_in(0, req);
}

static void set(struct vm_map_req *req, const struct field *f, uint64_t value)
{
    memcpy((char *)req + f->offset, &value, f->size);
    if (req->entry_flags & ME_WRITER && !req->attr.object)
        req->attr.object = lab_object[2];
}

// Maps a pair in both orders of coming, and tells the judge what must become of it.
static void map_pair(const char *name, bool apart, struct vm_map_req lower, struct vm_map_req upper)
{
    vaddr_t base = LAB_USER_VA + lab_npairs * PAIR;
    struct lab_pair *p = &lab_pair[lab_npairs++];

    KASSERT(lab_npairs <= LAB_MAX_PAIRS, "%lu pairs", lab_npairs);
    p->va = base;
    p->apart = apart;
    p->offset = lower.attr.offset;
    ksnprintf(p->name, sizeof(p->name), "%s", name);
    for (unsigned order = 0; order < 2; order++) {
        lower.va = base + order * PAIR / 2;
        upper.va += lower.va + LEN;
        lab_map_one(order ? upper : lower);
        lab_map_one(order ? lower : upper);
        upper.va -= lower.va + LEN;
    }
}

// By one field alone: both have the other value, or the upper one only.
static void map_fields(bool apart)
{
    for (unsigned i = 0; i < array_len(fields); i++) {
        const struct field *f = &fields[i];
        struct vm_map_req lower = lab_plain(0), upper = lab_plain(0);
        char name[64];
        set(&upper, f, f->other);
        lower.attr.object = upper.attr.object;
        upper.attr.offset = upper.attr.object ? LEN : 0;
        set(&lower, f, apart ? f->one : f->other);
        ksnprintf(name, sizeof(name), "%s %#lx, %#lx", f->name, apart ? f->one : f->other,
                  f->other);
        map_pair(name, apart, lower, upper);
    }
}

static struct vm_map_req place(const struct placed *p, bool upper)
{
    struct vm_map_req req = lab_plain(0);
    unsigned object = upper ? p->upper_object : p->lower_object;

    req.attr.object = object ? lab_object[object - 1] : NULL;
    req.attr.offset = upper ? p->upper : p->lower;
    req.entry_flags = p->flags;
    return req;
}

static void map_placed(bool apart)
{
    for (unsigned i = 0; i < array_len(placed); i++)
        if (placed[i].apart == apart)
            map_pair(placed[i].name, apart, place(&placed[i], false), place(&placed[i], true));
}

// Fields with their first value and their last: all that are between are values, too.
static const struct field ranges[] = {
    FIELD(attr.prot, PROT_NONE, PROT_ALL),
    FIELD(attr.max_prot, PROT_NONE, PROT_ALL),
    FIELD(attr.inherit, INHERIT_SHARE, INHERIT_NONE),
    FIELD(attr.advice, ADVICE_NORMAL, ADVICE_SEQUENTIAL),
    FIELD(wired, 0, 2),
    FIELD(entry_flags, 0, ME_COW | ME_NEEDSCOPY),
};

static struct vm_map_entry *entry_at(unsigned n, vaddr_t va)
{
    struct vm_map_entry *e;

    rw_lock_read(&lab_map[n]->lock);
    bool found = vm_map_lookup(lab_map[n], va, &e);
    rw_unlock_read(&lab_map[n]->lock);
    KASSERT(found, "%#lx is not mapped", va);
    return e;
}

// As after a change of attributes, of which there was none.
static void simplify(struct vm_map *map, vaddr_t va)
{
    struct vm_map_entry *e;
    struct map_change c;

    int error = map_change_begin(&c, map, 0, PR_WAITOK);
    KASSERT(!error, "without entries to reserve: error %d", error);
    if (vm_map_lookup(map, va, &e))
        map_entry_simplify(&c, e);
    map_change_end(&c);
}

// Maps both, asks for them to be made one, and takes them away again.
static bool stay_apart(struct vm_map_req lower, struct vm_map_req upper, bool upper_first)
{
    lower.va = LAB_USER_VA + LAB_MAX_PAIRS * PAIR;
    upper.va = lower.va + lower.len;
    lab_map_one(upper_first ? upper : lower);
    lab_map_one(upper_first ? lower : upper);
    simplify(lab_map[0], upper_first ? lower.va : upper.va);
    bool apart = entry_at(0, lower.va) != entry_at(0, upper.va);
    KTEST_CHECK(vm_map_unmap(lab_map[0], lower.va, upper.va + upper.len) == 0, "unmapping two");
    return apart;
}

// Neighbours that differ in both fields, by every value of one and of the other. Who makes one
// number of several fields may find the same number for two that differ.
static void try_two_fields(const struct field *f, const struct field *g)
{
    uint64_t m = f->other + 1, n = g->other + 1, all = m * n;
    struct vm_map_req lower = lab_plain(0), upper;

    lower.attr.prot = PROT_NONE;
    lower.attr.max_prot = PROT_ALL;
    upper = lower;
    for (uint64_t i = 0; i < all * all; i++) {
        uint64_t low = i / all, high = i % all;
        if (low % m >= high % m || low / m == high / m)
            continue;
        set(&lower, f, low % m);
        set(&lower, g, low / m);
        set(&upper, f, high % m);
        set(&upper, g, high / m);
        if ((lower.attr.prot & ~lower.attr.max_prot) | (upper.attr.prot & ~upper.attr.max_prot))
            continue;
        KTEST_CHECK(stay_apart(lower, upper, i & 1),
                    "neighbours that differ in %s (%lu, %lu) and in %s (%lu, %lu) are one entry",
                    f->name, low % m, high % m, g->name, low / m, high / m);
    }
}

// Offsets that differ in one bit from those that would do.
static void map_bits(void)
{
    struct vm_map_req lower = lab_plain(0), upper = lab_plain(0);
    char name[64];

    for (unsigned bit = PAGE_SHIFT; bit <= LAST_BIT; bit++) {
        lower.attr.object = upper.attr.object = lab_object[0];
        lower.entry_flags = upper.entry_flags = 0;
        upper.attr.offset = LEN ^ 1ul << bit;
        ksnprintf(name, sizeof(name), "an object, an offset with another bit %u", bit);
        map_pair(name, true, lower, upper);
        lower.attr.object = upper.attr.object = NULL;
        lower.entry_flags = upper.entry_flags = ME_COW | ME_STACK;
        upper.attr.offset = 1ul << bit;
        ksnprintf(name, sizeof(name), "no object, an offset with another bit %u", bit);
        map_pair(name, true, lower, upper);
    }
}

// Without an object an offset is what was given, whatever it means to whom: all its bits count, in
// mappings of every kind.
static void try_given_offsets(void)
{
    static const uint32_t flags[] = {0, ME_COW, ME_STACK, ME_COW | ME_STACK};
    struct vm_map_req lower = lab_plain(0), upper = lower;

    for (unsigned i = 0; i < array_len(flags) * 64; i++) {
        lower.entry_flags = upper.entry_flags = flags[i / 64];
        upper.attr.offset = 1ul << i % 64;
        for (unsigned order = 0; order < 2; order++)
            KTEST_CHECK(stay_apart(lower, upper, order),
                        "neighbours without object, offsets 0 and %#lx, flags %#x, are one entry",
                        upper.attr.offset, flags[i / 64]);
    }
}

// An object from its beginning, 4 GiB of it or more, and behind it the same from another offset on.
static bool large_apart(size_t len, uint64_t offset, bool upper_first)
{
    struct vm_map_req lower = lab_plain(0), upper = lab_plain(0);

    lower.len = len;
    lower.attr.object = upper.attr.object = lab_object[0];
    upper.attr.offset = offset;
    return stay_apart(lower, upper, upper_first);
}

static const size_t large[] = {GIB4, GIB4 + LEN, 3 * GIB4 - PAGE_SIZE};

static void try_large(bool apart)
{
    for (unsigned i = 0; i < 2 * array_len(large); i++) {
        size_t len = large[i / 2];
        uint64_t offset = apart ? len - GIB4 : len;
        KTEST_CHECK(large_apart(len, offset, i & 1) == apart,
                    "%#zx bytes of an object from 0 and, behind them, from offset %#lx are %s", len,
                    offset, apart ? "one entry" : "two entries");
    }
}

static void begin(void)
{
    lab_npairs = 0;
    lab_make_objects();
    lab_make_space(0);
}

static void end(void)
{
    lab_destroy_maps();
    lab_point("end");
    lab_drop_objects();
}

// Ranges of a kernel map that belong to submaps: each says which is whose, and stays as it is.
static void map_submaps(void)
{
    lab_make_kernel_map(1, 64);
    for (unsigned i = 0; i < 4; i++) {
        struct vm_map_req req = lab_req(LAB_PLAIN, lab_map[1]->min_va + (i ^ 1) * LEN, 4);
        req.entry_flags = ME_SUBMAP;
        int error = vm_map_map(lab_map[1], &req);
        KASSERT(!error, "submap %u: error %d", i, error);
    }
}

// Each one is asked to become one with its neighbours: now as when it came.
static void simplify_all(void)
{
    for (vaddr_t va = LAB_USER_VA; va < LAB_USER_VA + lab_npairs * PAIR; va += PAIR / 2) {
        simplify(lab_map[0], va);
        simplify(lab_map[0], va + LEN);
    }
    for (vaddr_t va = lab_map[1]->min_va; va < lab_map[1]->max_va; va += LEN)
        simplify(lab_map[1], va);
}

KTEST(lab_map_apart)
{
    struct vm_map_req hole = lab_plain(PAGE_SIZE);

    begin();
    map_fields(true);
    map_placed(true);
    map_bits();
    map_pair("a hole between", true, lab_plain(0), hole);
    map_submaps();
    for (unsigned i = 1; i < array_len(ranges); i++)
        for (unsigned before = 0; before < i; before++)
            try_two_fields(&ranges[before], &ranges[i]);
    try_given_offsets();
    try_large(true);
    lab_point("mapped");
    simplify_all();
    lab_point("simplified");
    end();
}

// Two pages in the middle are clipped out, and nothing is changed.
static void cut_and_join(vaddr_t va)
{
    vaddr_t from = va + 3 * PAGE_SIZE, to = va + 5 * PAGE_SIZE;
    struct vm_map_entry *e;
    struct map_change c;

    int error = map_change_begin_clip(&c, lab_map[0], from, to, 0);
    KASSERT(!error, "no memory for a split: error %d", error);
    bool found = vm_map_lookup(lab_map[0], from, &e);
    KASSERT(found, "%#lx is not mapped", from);
    if (e->start_va < from)
        map_entry_clip_start(&c, e, from);
    if (e->end_va > to)
        map_entry_clip_end(&c, e, to);
    map_entry_simplify(&c, e);
    map_change_end(&c);
}

// What nobody promised to unmap as it came merges in a kernel map, too.
static void map_plain_pairs(void)
{
    lab_make_kernel_map(1, 64);
    for (unsigned i = 0; i < 4; i++) {
        vaddr_t va = lab_map[1]->min_va + i / 2 * 4 * LEN;
        struct vm_map_req req = lab_req(LAB_PLAIN, va + (i == 1 || i == 2) * LEN, 4);
        int error = vm_map_map(lab_map[1], &req);
        KASSERT(!error, "mapping at %#lx: error %d", req.va, error);
        KTEST_CHECK(i % 2 == 0 || entry_at(1, va) == entry_at(1, va + LEN),
                    "plain neighbours in a kernel map that agree are two entries");
    }
}

KTEST(lab_map_together)
{
    begin();
    map_plain_pairs();
    try_large(false);
    map_fields(false);
    map_placed(false);
    lab_point("mapped");
    // A hole is filled: three become one.
    for (unsigned i = 0; i < lab_npairs; i++) {
        vaddr_t va = lab_pair[i].va;
        int error = vm_map_unmap(lab_map[0], va + 3 * PAGE_SIZE, va + 5 * PAGE_SIZE);
        KTEST_CHECK(error == 0, "unmapping at %#lx: error %d", va, error);
    }
    lab_point("holes");
    for (unsigned i = 0; i < lab_npairs; i++) {
        struct vm_map_entry *e = NULL;
        rw_lock_read(&lab_map[0]->lock);
        bool found = vm_map_lookup(lab_map[0], lab_pair[i].va, &e);
        KASSERT(found, "%#lx is not mapped", lab_pair[i].va);
        struct vm_map_req fill = {.va = lab_pair[i].va + 3 * PAGE_SIZE,
                                  .len = 2 * PAGE_SIZE,
                                  .attr = e->attr,
                                  .wired = e->wired,
                                  .entry_flags = e->flags,
                                  .flags = MAP_FIXED_ADDR | MAP_NOREPLACE};
        rw_unlock_read(&lab_map[0]->lock);
        if (fill.attr.object)
            fill.attr.offset += 3 * PAGE_SIZE;
        lab_map_one(fill);
    }
    lab_point("filled");
    end();
}

// The same pairs, of which a part is clipped out and simplified.
KTEST(lab_map_joined)
{
    begin();
    map_fields(false);
    map_placed(false);
    for (unsigned i = 0; i < lab_npairs; i++)
        cut_and_join(lab_pair[i].va);
    lab_point("joined");
    end();
}
