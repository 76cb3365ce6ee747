// SPDX-License-Identifier: BSD-2-Clause
//
// What was one entry and is cut. Each part says of its pages all that the whole one said, field by
// field, and so does the part that goes. And parts of which one was changed, in one field alone,
// stay apart, though one amap serves them, and whichever of them map_entry_simplify is asked of.
// One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define NPAGES 12u
#define LEN    (NPAGES * PAGE_SIZE)
#define FROM   (LAB_USER_VA + LEN / 3) // the middle third
#define TO     (LAB_USER_VA + 2 * LEN / 3)

// A field of an entry that parts have in common, and a bit that tells them apart when it changes.
struct field {
    const char *name;
    size_t offset, size;
    uint64_t bit;
};

#define FIELD(name, bit)                                                                           \
    {                                                                                              \
#name, offsetof(struct vm_map_entry, name), sizeof(((struct vm_map_entry *)0)->name), bit  \
    }

static const struct field fields[] = {
    FIELD(attr.object, 0),  FIELD(attr.prot, PROT_WRITE), FIELD(attr.max_prot, PROT_EXEC),
    FIELD(attr.inherit, 1), FIELD(attr.advice, 1),        FIELD(amap, 0),
    FIELD(wired, 1),        FIELD(flags, ME_NEEDSCOPY),   FIELD(flags, ME_STACK),
    FIELD(flags, ME_GUARD), FIELD(flags, ME_WRITER),      FIELD(attr.offset, PAGE_SIZE),
};

static uint64_t value(const struct vm_map_entry *e, const struct field *f)
{
    uint64_t v = 0;

    memcpy(&v, (const char *)e + f->offset, f->size);
    return v;
}

static void flip(struct vm_map_entry *e, const struct field *f)
{
    uint64_t v = value(e, f) ^ f->bit;

    memcpy((char *)e + f->offset, &v, f->size);
}

// A whole one: anonymous, with an amap and pages, or of an object; no field is what a new entry has
// by itself.
enum whole { NO_OBJECT, OBJECT, PRIVATE, WHOLES };

static void map_whole(enum whole what)
{
    struct vm_map_req req = lab_plain(LAB_USER_VA);

    req.len = LEN;
    req.attr.inherit = INHERIT_NONE;
    req.attr.advice = ADVICE_SEQUENTIAL;
    req.attr.prot = PROT_RW;
    req.attr.offset = 16 * PAGE_SIZE;
    req.attr.object = what == OBJECT ? lab_object[0] : NULL;
    req.entry_flags = what == PRIVATE ? ME_COW : 0;
    req.wired = 1;
    lab_map_one(req);
    for (vaddr_t va = req.va; what == PRIVATE && va < req.va + LEN; va += PAGE_SIZE) {
        int error = vm_fault(lab_map[0], va, PROT_WRITE);
        KASSERT(!error, "writing %#lx: error %d", va, error);
    }
}

static void unmap_whole(void)
{
    int error = vm_map_unmap(lab_map[0], LAB_USER_VA, LAB_USER_VA + LEN);
    KASSERT(!error, "unmapping all: error %d", error);
}

static void begin_change(struct map_change *c, vaddr_t from, vaddr_t to)
{
    int error = map_change_begin_clip(c, lab_map[0], from, to, 0);
    KASSERT(!error, "no memory for a split: error %d", error);
}

static struct vm_map_entry *entry_at(vaddr_t va)
{
    struct vm_map_entry *e;

    bool found = vm_map_lookup(lab_map[0], va, &e);
    KASSERT(found, "%#lx is not mapped", va);
    return e;
}

// ---- parts say what the whole one said ----

static void compare(const char *what, const struct vm_map_entry *e,
                    const struct vm_map_entry *whole)
{
    vaddr_t below = e->start_va - whole->start_va;
    uint64_t offset = whole->attr.offset + (whole->attr.object ? below : 0);
    pgno_t slot = whole->amap_slot + (below >> PAGE_SHIFT);

    for (unsigned i = 0; i < array_len(fields) - 1; i++) {
        uint64_t is = value(e, &fields[i]), was = value(whole, &fields[i]);
        KTEST_CHECK(is == was, "after %s [%#lx, %#lx) says %s %#lx, and the whole entry said %#lx",
                    what, e->start_va, e->end_va, fields[i].name, is, was);
    }
    KTEST_CHECK(e->attr.offset == offset,
                "after %s [%#lx, %#lx) says attr.offset %#lx, not %#lx: that of its first page",
                what, e->start_va, e->end_va, e->attr.offset, offset);
    KTEST_CHECK(!e->amap || e->amap_slot == slot,
                "after %s [%#lx, %#lx) says amap_slot %lu, not %lu: that of its first page", what,
                e->start_va, e->end_va, e->amap_slot, slot);
}

static void compare_all(const char *what, const struct vm_map_entry *whole)
{
    for (vaddr_t va = LAB_USER_VA; va < LAB_USER_VA + LEN; va += LEN / 3)
        compare(what, entry_at(va), whole);
}

static void cut(enum whole what)
{
    struct map_change c;

    map_whole(what);
    begin_change(&c, FROM, TO);
    struct vm_map_entry *e = entry_at(FROM), whole = *e;
    map_entry_clip_start(&c, e, FROM);
    map_entry_clip_end(&c, e, TO);
    compare_all("two clips", &whole);
    map_entry_simplify(&c, e);
    compare_all("map_entry_simplify", &whole);
    map_change_end(&c);
    unmap_whole();
}

static void cut_out(enum whole what)
{
    struct map_change c;

    map_whole(what);
    begin_change(&c, FROM, TO);
    struct vm_map_entry whole = *entry_at(FROM);
    vm_map_clear(&c, FROM, TO);
    compare("map_entry_unlink_range", entry_at(LAB_USER_VA), &whole);
    compare("map_entry_unlink_range", entry_at(TO), &whole);
    list_for_each (e, &c.dead, struct vm_map_entry, link) {
        struct vm_map_entry gone = *e;
        gone.flags &= ~(uint32_t)ME_GONE;
        compare("map_entry_unlink_range, on c->dead,", &gone, &whole);
    }
    map_change_end(&c);
    unmap_whole();
}

// ---- parts that differ ----

static void check_apart(struct map_change *c, vaddr_t va, const struct field *f)
{
    struct vm_map_entry *e = map_entry_simplify(c, entry_at(va));

    KTEST_CHECK(e->start_va == va && e->end_va == va + LEN / 3,
                "parts of one entry that differ in %s, bit %#lx, are one again, [%#lx, %#lx), "
                "after map_entry_simplify",
                f->name, f->bit, e->start_va, e->end_va);
}

// The middle one is changed, and all are asked.
static void change_one(enum whole what, const struct field *f)
{
    struct map_change c;

    map_whole(what);
    begin_change(&c, FROM, TO);
    struct vm_map_entry *e = entry_at(FROM);
    map_entry_clip_start(&c, e, FROM);
    map_entry_clip_end(&c, e, TO);
    flip(e, f);
    for (vaddr_t va = LAB_USER_VA; va < LAB_USER_VA + LEN && !ktest_failed(); va += LEN / 3)
        check_apart(&c, va, f);
    if (!ktest_failed())
        flip(entry_at(FROM), f);
    map_change_end(&c);
    unmap_whole();
}

KTEST(lab_map_halves)
{
    lab_make_objects();
    lab_make_space(0);
    for (enum whole what = 0; what < WHOLES && !ktest_failed(); what++) {
        cut(what);
        cut_out(what);
        for (unsigned i = 0; i < array_len(fields) && !ktest_failed(); i++)
            if (fields[i].bit)
                change_one(what, &fields[i]);
    }
    lab_point("tried");
    lab_destroy_maps();
    lab_point("end");
    lab_drop_objects();
}
