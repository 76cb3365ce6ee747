// SPDX-License-Identifier: BSD-2-Clause
//
// What the frozen functions promise to their callers, asked of them one by one: which entry they
// return, how many they take, and in which order they hand over what is gone. One CPU.

#include "lab_map.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "sync/kctx.h"

#define PAGES  128u
#define ROUNDS 1500u

static vaddr_t page_va(uint64_t page)
{
    return LAB_USER_VA + page * PAGE_SIZE;
}

static unsigned length(const struct list *entries)
{
    unsigned n = 0;

    list_for_each (e, entries, struct vm_map_entry, link)
        n++;
    return n;
}

// The entry that a function returned is the map's, and contains what it must.
static void check_entry(const char *who, struct vm_map_entry *e, vaddr_t from, vaddr_t to)
{
    struct vm_map_entry *found;

    lab_check_hint(who);
    bool mapped = vm_map_lookup(lab_map[0], from, &found);
    KTEST_CHECK(mapped && found == e, "%s returned an entry that is not the one at %#lx", who,
                from);
    KTEST_CHECK(!mapped || (found->start_va <= from && to <= found->end_va),
                "%s for [%#lx, %#lx): the entry is [%#lx, %#lx)", who, from, to, found->start_va,
                found->end_va);
}

static unsigned need_of(vaddr_t from, vaddr_t to)
{
    rw_lock_read(&lab_map[0]->lock);
    unsigned need = map_entry_need(lab_map[0], from, to);
    rw_unlock_read(&lab_map[0]->lock);
    return need;
}

static void check_taken(const char *who, unsigned taken, unsigned need)
{
    KTEST_CHECK(taken == need, "map_entry_need says %u for what %s, which took %u entries", need,
                who, taken);
}

// Between begin and end of a change nothing may ask for memory.
static void check_asked(const char *who, uint64_t before)
{
    uint64_t n = kctx_current()->allocs - before;

    KTEST_CHECK(n == 0, "%s asked for memory within a change, %lu times", who, n);
}

// How many entries the map must have, by the figures, once so many more were put into it.
static void check_figures(const char *who, const struct map_entry_stats *before, unsigned nentries)
{
    struct map_entry_stats now;

    map_entry_get_stats(&now);
    uint64_t clips = now.clips - before->clips, merges = now.merges - before->merges;
    KTEST_CHECK(lab_map[0]->nentries == nentries + clips - merges,
                "%s: clips %lu, merges %lu, and of %u entries %u are left", who, clips, merges,
                nentries, lab_map[0]->nentries);
}

static void link(uint64_t page, uint64_t n, vm_prot_t prot)
{
    struct vm_map_req req = lab_plain(page_va(page));
    struct map_entry_stats before;
    unsigned nentries = lab_map[0]->nentries;
    struct map_change c;

    map_entry_get_stats(&before);

    req.len = n * PAGE_SIZE;
    req.attr.prot = prot;
    int error = map_change_begin(&c, lab_map[0], 1, PR_WAITOK);
    KASSERT(!error, "no memory for an entry: error %d", error);
    uint64_t asked = kctx_current()->allocs;
    check_entry("map_entry_link", map_entry_link(&c, &req), req.va, req.va + req.len);
    check_asked("map_entry_link", asked);
    check_figures("map_entry_link", &before, nentries + 1);
    map_change_end(&c);
}

// As vm_map_change.c changes a range, within one entry.
static void change(struct vm_map_entry *e, vaddr_t from, vaddr_t to, vm_prot_t prot)
{
    struct map_entry_stats before;
    unsigned nentries = lab_map[0]->nentries;
    struct map_change c;

    map_entry_get_stats(&before);
    unsigned need = need_of(from, to);
    int error = map_change_begin_clip(&c, lab_map[0], from, to, 0);
    KASSERT(!error, "no memory for a split: error %d", error);
    unsigned had = length(&c.spare);
    uint64_t asked = kctx_current()->allocs;
    if (e->start_va < from)
        map_entry_clip_start(&c, e, from);
    if (e->end_va > to)
        map_entry_clip_end(&c, e, to);
    KTEST_CHECK(e->start_va == from && e->end_va == to,
                "clipping [%#lx, %#lx) out of an entry leaves it as [%#lx, %#lx)", from, to,
                e->start_va, e->end_va);
    check_taken("is clipped out of an entry", had - length(&c.spare), need);
    e->attr.prot = prot;
    check_asked("clipping", asked);
    check_entry("map_entry_simplify", map_entry_simplify(&c, e), from, to);
    check_asked("map_entry_simplify", asked);
    check_figures("a change of an entry", &before, nentries);
    map_change_end(&c);
}

static void unlink(vaddr_t from, vaddr_t to)
{
    struct map_change c;
    vaddr_t last = from;

    unsigned need = need_of(from, to);
    int error = map_change_begin_clip(&c, lab_map[0], from, to, 1);
    KASSERT(!error, "no memory for a split: error %d", error);
    unsigned had = length(&c.spare);
    uint64_t asked = kctx_current()->allocs;
    map_entry_unlink_range(&c, from, to);
    lab_check_hint("map_entry_unlink_range");
    check_asked("map_entry_unlink_range", asked);
    check_taken("is unlinked", had - length(&c.spare), need);
    list_for_each (e, &c.dead, struct vm_map_entry, link) {
        KTEST_CHECK(last <= e->start_va && e->end_va <= to,
                    "map_entry_unlink_range: [%#lx, %#lx) comes after %#lx on c->dead, or is not "
                    "of [%#lx, %#lx)",
                    e->start_va, e->end_va, last, from, to);
        last = e->end_va;
        e->flags |= ME_GONE;
    }
    map_change_end(&c);
}

// What the unmapping of one quantum hands over.
static void check_dead(struct map_change *c, const struct lab_slot *slot)
{
    struct vm_map_entry *e = list_first(&c->dead, struct vm_map_entry, link);
    vaddr_t end_va = slot->va + slot->len;
    uint32_t wanted = ME_QUANTUM | ME_GUARD;

    KTEST_CHECK(length(&c->dead) == 1 && e->start_va == slot->va && e->end_va == end_va,
                "map_entry_unlink_range puts %u entries on c->dead for the quantum [%#lx, %#lx)",
                length(&c->dead), slot->va, end_va);
    KTEST_CHECK(!e || (e->flags & wanted) == wanted,
                "map_entry_unlink_range: the entry on c->dead has flags %#x, and the quantum that "
                "was unmapped had %#x",
                e->flags, wanted);
}

// A quantum that was merged is unmapped by somebody who has entries to spare: they are not for it.
static void unlink_quanta(void)
{
    enum { BLOCKS = 9, LEN = 4 };
    static const uint8_t order[BLOCKS] = {4, 0, 8, 2, 3, 7, 1, 6, 5}; // the middle, both ends, ...
    vaddr_t base = lab_map[1]->min_va;
    struct map_change c;

    for (unsigned i = 0; i < BLOCKS; i++)
        lab_alloc(1, i, LAB_GUARD, base + i * LEN * PAGE_SIZE, LEN);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct lab_slot *slot = &lab_slot[order[i]];
        int error = map_change_begin(&c, lab_map[1], MAP_ENTRY_SPLITS, PR_WAITOK);
        KASSERT(!error, "no memory for entries: error %d", error);
        vm_map_clear(&c, slot->va, slot->va + slot->len);
        unsigned left = length(&c.spare), taken = MAP_ENTRY_SPLITS - left;
        KTEST_CHECK(left <= MAP_ENTRY_SPLITS,
                    "map_entry_reserve(%u), and then %u entries are to spare", MAP_ENTRY_SPLITS,
                    left);
        KTEST_CHECK(taken == 0,
                    "unmapping a quantum took %u entries from c->spare, which are not "
                    "for it: the map's reserve is",
                    taken);
        check_dead(&c, slot);
        map_change_end(&c);
        slot->va = 0;
        if (i == BLOCKS / 2)
            lab_point("thinned");
    }
}

// Each reservation adds to what is there, however much it asks for: the copy of a map takes as many
// entries as the map has. One that fails adds nothing, and takes nothing away.
static void reserve_more(void)
{
    enum { REFUSED = 8 };
    static const unsigned more[] = {1, 1, 2, 1, MAP_ENTRIES_MAX};
    struct map_change c = {.map = lab_map[0]};
    unsigned have = 0;

    list_init(&c.spare);
    list_init(&c.dead);
    for (unsigned i = 0; i < array_len(more); i++) {
        unsigned had = have;
        int error = map_entry_reserve(&c, more[i], PR_WAITOK);
        have = length(&c.spare);
        KTEST_CHECK(error == 0 && have == had + more[i],
                    "map_entry_reserve(%u): error %d; c->spare had %u entries before, and has %u",
                    more[i], error, had, have);
    }
    kctx_current()->fail_nth = REFUSED;
    int error = map_entry_reserve(&c, REFUSED, PR_NOWAIT);
    kctx_current()->fail_nth = 0;
    unsigned left = length(&c.spare);
    KTEST_CHECK(error == ENOMEM && left == have,
                "map_entry_reserve(%u) without memory for the last one: error %d; c->spare had %u "
                "entries before, and has %u",
                REFUSED, error, have, left);
    map_entry_unreserve(&c);
}

KTEST(lab_map_calls)
{
    static const vm_prot_t prots[] = {PROT_NONE, PROT_READ, PROT_RW};
    struct rng r = lab_rng(7);
    struct vm_map_entry *e;

    lab_make_space(0);
    lab_make_kernel_map(1, 64);
    lab_point("start");
    unlink_quanta();
    reserve_more();
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t page = rng_below(&r, PAGES), n = 1 + rng_below(&r, 8), what = rng_below(&r, 4);
        vm_prot_t prot = prots[rng_below(&r, 3)];
        vaddr_t from = page_va(page), to = from + n * PAGE_SIZE;
        rw_lock_read(&lab_map[0]->lock);
        bool mapped = vm_map_lookup(lab_map[0], from, &e);
        struct vm_map_entry *next = e ? vm_map_next(lab_map[0], e) : vm_map_first(lab_map[0]);
        rw_unlock_read(&lab_map[0]->lock);
        if (what == 0)
            unlink(from, to);
        else if (mapped)
            change(e, from, min(to, e->end_va), prot);
        else if (!next || next->start_va >= to)
            link(page, n, prot);
    }
    lab_point("changed");
    lab_destroy_maps();
    lab_point("end");
}
