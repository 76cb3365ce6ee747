// SPDX-License-Identifier: BSD-2-Clause
//
// What a form tells other modules: map_space_update of each end that moves, though the search in
// its first form keeps nothing of a gap that becomes smaller, and amap_extend and amap_extend_down
// of each length by itself. The debug registers stop where these functions begin. One CPU.

#include "lab_map.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "tests/kernel/watch.h"
#include "vm/amap.h"
#include "vm/map_space.h"
#include "vm/vm_space.h"

// ---- gaps ----

enum { USER, KERNEL, MAPS };

#define PAGES  64u
#define ROUNDS 1200u

static size_t first_gap[MAPS]; // below the first entry

// The gap behind e, or the first one.
static size_t gap_behind(struct vm_map *map, struct vm_map_entry *e)
{
    struct vm_map_entry *next = e ? vm_map_next(map, e) : vm_map_first(map);

    return (next ? next->start_va : map->max_va) - (e ? e->end_va : map->min_va);
}

static bool is_in(struct vm_map *map, const struct vm_map_entry *e)
{
    list_for_each (each, &map->entries, struct vm_map_entry, link)
        if (each == e)
            return true;
    return false;
}

// As a search does that keeps what it is told: of the ends as they are when it is called.
static void keep_gap(unsigned i, const uint64_t args[WATCH_ARGS])
{
    struct vm_map *map = (struct vm_map *)args[0];
    struct vm_map_entry *e = (struct vm_map_entry *)args[1];

    (void)i;
    for (unsigned m = 0; m < MAPS; m++) {
        if (map != lab_map[m])
            continue;
        if (!e)
            first_gap[m] = gap_behind(map, NULL);
        else if (is_in(map, e))
            e->gap = gap_behind(map, e);
    }
}

static void compare_gaps(const char *what, unsigned m)
{
    struct vm_map *map = lab_map[m];

    rw_lock_read(&map->lock);
    size_t gap = gap_behind(map, NULL);
    KTEST_CHECK(first_gap[m] == gap,
                "after %s map_space_update was told last of %#zx free bytes before the first "
                "entry, and there are %#zx",
                what, first_gap[m], gap);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        gap = gap_behind(map, e);
        KTEST_CHECK(e->gap == gap,
                    "after %s map_space_update was told last of %#zx free bytes behind [%#lx, "
                    "%#lx), and there are %#zx",
                    what, e->gap, e->start_va, e->end_va, gap);
    }
    rw_unlock_read(&map->lock);
}

// What is mapped differs in its rights, at times: so it merges with none, one, or two.
static const char *change_user(struct rng *r)
{
    uint64_t page = rng_below(r, PAGES), n = 1 + rng_below(r, 8), what = rng_below(r, 4);
    vaddr_t from = LAB_USER_VA + page * PAGE_SIZE, to = from + n * PAGE_SIZE;
    vm_prot_t prot = rng_below(r, 4) ? PROT_READ : PROT_NONE;
    struct vm_map_req req = lab_plain(from);

    if (what == 0) {
        vm_map_unmap(lab_map[USER], from, to);
        return "an unmap";
    }
    if (what == 1) {
        vm_map_protect(lab_map[USER], from, to, prot);
        return "a change of rights";
    }
    req.len = to - from;
    req.attr.prot = prot;
    if (vm_map_map(lab_map[USER], &req)) // something is mapped there
        vm_map_unmap(lab_map[USER], from, to);
    return "a mapping";
}

static const char *change_kernel(struct rng *r)
{
    unsigned slot = (unsigned)rng_below(r, PAGES);

    if (lab_slot[slot].va) {
        lab_free(slot);
        return "an unmap of a quantum";
    }
    lab_alloc(KERNEL, slot, rng_below(r, 4) ? LAB_QUANTUM : LAB_GUARD,
              lab_map[KERNEL]->min_va + slot * 4 * PAGE_SIZE, 4);
    return "the mapping of a quantum";
}

KTEST(lab_map_told)
{
    const vaddr_t told[] = {(vaddr_t)map_space_update};
    struct rng r = lab_rng(11);

    lab_make_space(USER);
    lab_make_kernel_map(KERNEL, 4 * PAGES);
    for (unsigned m = 0; m < MAPS; m++)
        first_gap[m] = lab_map[m]->max_va - lab_map[m]->min_va;
    watch_calls(told, array_len(told), keep_gap);
    for (unsigned n = 0; n < ROUNDS && !ktest_failed(); n++) {
        compare_gaps(change_user(&r), USER);
        compare_gaps(change_kernel(&r), KERNEL);
    }
    watch_off();
    lab_point("changed");
    lab_destroy_maps();
    lab_point("end");
}

// ---- lengths ----

#define BASE (LAB_USER_VA + 64 * PAGE_SIZE)

static struct vm_map_entry owner; // the entry with the amap, as it was
static pgno_t nmore;              // pages beside it
static struct {
    const char *who;
    pgno_t slot, npages, more;
} wrong;

static void check_lengths(unsigned down, const uint64_t args[WATCH_ARGS])
{
    pgno_t slot = down ? *(const pgno_t *)args[1] : args[1];
    pgno_t npages = (owner.end_va - owner.start_va) >> PAGE_SHIFT;

    if ((struct vm_amap *)args[0] != owner.amap || wrong.who ||
        (slot == owner.amap_slot && args[2] == npages && args[3] == nmore))
        return;
    wrong.who = down ? "amap_extend_down" : "amap_extend";
    wrong.slot = slot;
    wrong.npages = args[2];
    wrong.more = args[3];
}

// Maps so many pages at va, with the rights of what is beside it, or with others, that are changed
// then; fn sees what an amap is asked meanwhile.
static void map_beside(struct vm_space *vs, vaddr_t va, pgno_t npages, bool changed,
                       void (*fn)(unsigned down, const uint64_t args[WATCH_ARGS]))
{
    const vaddr_t asked[] = {(vaddr_t)amap_extend, (vaddr_t)amap_extend_down};
    size_t len = npages * PAGE_SIZE;

    watch_calls(asked, array_len(asked), fn);
    int error = vm_mmap(vs, &va, len, changed ? PROT_READ : PROT_RW, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0);
    if (!error && changed)
        error = vm_mprotect(vs, va, len, PROT_RW);
    watch_off();
    KASSERT(!error, "mapping %lu pages at %#lx: error %d", npages, va, error);
}

// So many pages come beside npages that have an amap, in which two slots below theirs were once
// used: with the same rights, or with others, that are changed then.
static void try_beside(struct vm_space *vs, pgno_t npages, bool below, bool changed)
{
    vaddr_t va = below ? BASE - nmore * PAGE_SIZE : BASE + npages * PAGE_SIZE;
    struct vm_map_entry *e;

    lab_map_private(vs, BASE - 2 * PAGE_SIZE, npages + 2);
    lab_poke(vs, BASE, npages);
    int error = vm_map_unmap(&vs->map, BASE - 2 * PAGE_SIZE, BASE);
    KASSERT(!error, "unmapping two pages: error %d", error);
    rw_lock_read(&vs->map.lock);
    bool found = vm_map_lookup(&vs->map, BASE, &e);
    KASSERT(found && e->amap, "%#lx has no amap", BASE);
    owner = *e;
    rw_unlock_read(&vs->map.lock);
    map_beside(vs, va, nmore, changed, check_lengths);
    lab_expect_word(vs, BASE, npages);
    KTEST_CHECK(!wrong.who,
                "%s was told of slot %lu, %lu pages and %lu more, where the entry with the amap "
                "had %lu pages from slot %lu on, and %lu came beside it",
                wrong.who, wrong.slot, wrong.npages, wrong.more, npages, owner.amap_slot, nmore);
    error = vm_map_unmap(&vs->map, LAB_USER_VA, BASE + BASE);
    KASSERT(!error, "unmapping all: error %d", error);
}

// An amap of four slots, of which another entry shared two until now: one reference, and maybe
// counts that are left. Then it says EBUSY.
static struct vm_amap *once_shared(void)
{
    struct vm_amap *am = amap_alloc(4);

    KASSERT(am && !amap_ref(am, 0, 2), "no memory for an amap");
    amap_unref(am, 0, 2);
    return am;
}

// Whether it can serve four pages more is asked of another one.
static bool can_extend(bool below)
{
    struct vm_amap *am = once_shared();
    pgno_t slot = 0;
    bool can = !(below ? amap_extend_down(am, &slot, 4, 4) : amap_extend(am, 0, 4, 4));

    amap_unref(am, 0, can ? 8 : 4);
    return can;
}

static size_t length_at(struct vm_map *map, vaddr_t va)
{
    struct vm_map_entry *e;

    rw_lock_read(&map->lock);
    size_t len = vm_map_lookup(map, va, &e) ? e->end_va - e->start_va : 0;
    rw_unlock_read(&map->lock);
    return len;
}

// What the amap answers is heard, whatever can be known of it otherwise.
static void try_answer(bool below, bool changed)
{
    struct vm_map_req req = lab_plain(BASE), beside = req;
    bool can = can_extend(below);

    req.entry_flags = beside.entry_flags = ME_COW;
    req.amap = once_shared();
    beside.va = below ? BASE - req.len : BASE + req.len;
    beside.attr.prot = changed ? PROT_NONE : PROT_READ;
    lab_map_one(req);
    lab_map_one(beside);
    int error = vm_map_protect(lab_map[0], beside.va, beside.va + beside.len, PROT_READ);
    KASSERT(!error, "protecting: error %d", error);
    size_t len = length_at(lab_map[0], BASE);
    KTEST_CHECK(can || len == req.len,
                "an amap that could not be extended %s serves an entry of %#zx bytes that had "
                "%#zx",
                below ? "downward" : "upward", len, req.len);
    if (!ktest_failed())
        vm_map_unmap(lab_map[0], LAB_USER_VA, BASE + BASE);
}

static void say_no_memory(unsigned down UNUSED, const uint64_t args[WATCH_ARGS] UNUSED)
{
    watch_answer(ENOMEM);
}

// An amap that gets no memory to be extended is as it was: its entry, too.
static void try_without_memory(struct vm_space *vs, bool below, bool changed)
{
    enum { N = 4, MORE = 3 };
    vaddr_t va = below ? BASE - MORE * PAGE_SIZE : BASE + N * PAGE_SIZE;

    lab_map_private(vs, BASE, N);
    lab_poke(vs, BASE, N);
    map_beside(vs, va, MORE, changed, say_no_memory);
    KTEST_CHECK(length_at(&vs->map, BASE) == N * PAGE_SIZE,
                "an amap that had no memory to be extended %s serves an entry of %#zx bytes that "
                "had %#zx",
                below ? "downward" : "upward", length_at(&vs->map, BASE), N * PAGE_SIZE);
    lab_expect_word(vs, BASE, N);
    int error = vm_map_unmap(&vs->map, LAB_USER_VA, BASE + BASE);
    KASSERT(!error, "unmapping all: error %d", error);
}

KTEST(lab_map_lengths)
{
    static const pgno_t owned[] = {1, 4, 9};
    struct vm_space *vs = lab_make_space(0);

    for (unsigned i = 0; i < 4 * array_len(owned) && !ktest_failed(); i++) {
        nmore = 3 + 4 * (i / 4); // 3, 7, 11: none of the others
        try_beside(vs, owned[i / 4], i & 1, i & 2);
    }
    for (unsigned i = 0; i < 4 && !ktest_failed(); i++) {
        try_answer(i & 1, i & 2);
        try_without_memory(vs, i & 1, i & 2);
    }
    lab_point("extended");
    lab_destroy_maps();
    lab_point("end");
}
