// SPDX-License-Identifier: BSD-2-Clause
//
// Quanta in kernel maps: what is mapped whole is unmapped whole, with allocation forbidden. The
// judge plays the same sequences on a model, so the draws here and there must stay in step. One
// CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"

#define SPACE_PAGES 16384u

// ---- 40,000 operations ----

#define OPS_SLOTS  2400u
#define OPS_POINTS 8u
#define OPS_ROUND  5000u

// Sizes as a kernel has them: mostly stacks, pipe buffers and pool pages of a few pages each.
static size_t size_of(uint64_t draw)
{
    return draw < 8 ? 5 : draw < 14 ? 4 : 1 + draw % 3 * 8;
}

static void one_op(struct rng *r)
{
    unsigned slot = (unsigned)rng_below(r, OPS_SLOTS);
    uint64_t size = rng_below(r, 16), kind = rng_below(r, 32);

    if (lab_slot[slot].va)
        lab_free(slot);
    else
        lab_alloc(0, slot,
                  kind < 30    ? LAB_QUANTUM
                  : kind == 30 ? LAB_GUARD
                               : LAB_READ_ONLY,
                  0, size_of(size));
}

static void check_now(void)
{
    static char text[512];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    rw_lock_read(&lab_map[0]->lock);
    unsigned faults = vm_map_check(lab_map[0], &out);
    rw_unlock_read(&lab_map[0]->lock);
    KTEST_CHECK(faults == 0, "%u faults: %s", faults, text);
}

KTEST(lab_map_sequence)
{
    struct rng r = lab_rng(0);

    lab_make_kernel_map(0, SPACE_PAGES);
    lab_point("start");
    for (unsigned i = 0; i < OPS_POINTS; i++) {
        for (unsigned n = 1; n <= OPS_ROUND; n++) {
            one_op(&r);
            if (n % 50 == 0)
                check_now();
        }
        lab_point("ops");
    }
    for (unsigned slot = 0; slot < OPS_SLOTS; slot++)
        if (lab_slot[slot].va)
            lab_free(slot);
    lab_point("freed");
    lab_destroy_maps();
    lab_point("end");
}

// ---- a row ----

#define ROW 1000u

KTEST(lab_map_row)
{
    struct rng r = lab_rng(0);

    lab_make_kernel_map(0, SPACE_PAGES);
    lab_point("before");
    for (unsigned i = 0; i < ROW; i++)
        lab_alloc(0, i, LAB_QUANTUM, 0, 1);
    lab_point("mapped");
    for (unsigned i = 1; i < ROW; i += 2)
        lab_free(i);
    lab_point("holes");
    for (unsigned i = 1; i < ROW; i += 2)
        lab_alloc(0, i, LAB_QUANTUM, lab_slot[0].va + i * PAGE_SIZE, 1);
    lab_point("filled");
    for (unsigned left = ROW; left > 0;) {
        unsigned slot = (unsigned)rng_below(&r, ROW);
        if (!lab_slot[slot].va)
            continue;
        lab_free(slot);
        if (--left == ROW / 2)
            lab_point("half");
    }
    lab_point("freed");
    lab_destroy_maps();
}

// Three blocks side by side, in each order of coming, and of going.
KTEST(lab_map_orders)
{
    static const uint8_t order[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    lab_make_kernel_map(0, SPACE_PAGES);
    vaddr_t base = lab_map[0]->min_va + 64 * PAGE_SIZE;
    for (unsigned come = 0; come < 6; come++) {
        for (unsigned go = 0; go < 6; go++) {
            for (unsigned i = 0; i < 3; i++) {
                unsigned which = order[come][i];
                lab_alloc(0, which, LAB_QUANTUM, base + which * 4 * PAGE_SIZE, 4);
                if (go == 0 && i > 0)
                    lab_quick_point(i == 1 ? "two" : "three");
            }
            for (unsigned i = 0; i < 3; i++) {
                lab_free(order[go][i]);
                if (come == 0)
                    lab_quick_point("gone");
            }
            check_now();
        }
    }
    lab_destroy_maps();
}

// ---- the counter-example ----

// A mapping that was never merged is cut in two beside quanta that were, and quanta are freed.
KTEST(lab_map_counter)
{
    enum { ROUNDS = 40, PLAIN = 100 };
    struct rng r = lab_rng(0);

    lab_make_kernel_map(0, SPACE_PAGES);
    for (unsigned round = 0; round < ROUNDS; round++) {
        vaddr_t base = lab_map[0]->min_va + (round + 1) * 200 * PAGE_SIZE;
        unsigned first = round * 8;
        for (unsigned i = 0; i < 3; i++)
            lab_alloc(0, first + i, LAB_QUANTUM, base + i * 4 * PAGE_SIZE, 4);
        vaddr_t plain = base + 12 * PAGE_SIZE;
        lab_alloc(0, first + 4, LAB_PLAIN, plain + PLAIN / 2 * PAGE_SIZE, PLAIN / 2);
        lab_alloc(0, first + 3, LAB_PLAIN, plain, PLAIN / 2);
        vaddr_t from = plain + (1 + rng_below(&r, 40)) * PAGE_SIZE;
        vaddr_t to = plain + (50 + rng_below(&r, 50)) * PAGE_SIZE;
        int error = vm_map_unmap(lab_map[0], from, to);
        KTEST_CHECK(error == 0, "unmapping the middle: error %d", error);
        lab_slot[first + 3].len = from - plain;
        lab_slot[first + 4] = (struct lab_slot){0, to, plain + PLAIN * PAGE_SIZE - to, LAB_PLAIN};
        if (round % 8 == 0)
            lab_point("split");
        lab_free(first + 1);
        if (round % 8 == 0)
            lab_point("freed");
    }
    for (unsigned slot = 0; slot < ROUNDS * 8; slot++)
        if (lab_slot[slot].va && lab_slot[slot].kind == LAB_QUANTUM)
            lab_free(slot);
    lab_point("left");
    lab_destroy_maps();
    lab_point("end");
}

// How many faults the form's own check finds.
static unsigned form_check(struct vm_map *map)
{
    static char text[512];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    rw_lock_read(&map->lock);
    unsigned faults = map_entry_check(map, &out);
    rw_unlock_read(&map->lock);
    KTEST_CHECK((faults > 0) == (text[0] != '\0'), "map_entry_check: %u faults, and says \"%s\"",
                faults, text);
    return faults;
}

// A law that does not hold must be noticed, in every map.
static void break_the_law(struct vm_map *map, const char *what)
{
    KTEST_CHECK(form_check(map) == 0, "map_entry_check finds faults in a sound map: %s", what);
    map->nquanta++;
    KTEST_CHECK(form_check(map) > 0, "map_entry_check does not miss a quantum's entry: %s", what);
    map->nquanta -= 2;
    KTEST_CHECK(form_check(map) > 0,
                "map_entry_check lets an entry too many in the reserve pass: %s", what);
    map->nquanta++;
    map->nreserve++;
    KTEST_CHECK(form_check(map) > 0,
                "map_entry_check does not see that nreserve is one more than the "
                "entries in the reserve: %s",
                what);
    map->nreserve--;
    struct vm_map_entry stray = {0};
    list_push_back(&map->reserve, &stray.link);
    KTEST_CHECK(form_check(map) > 0,
                "map_entry_check believes nreserve, and does not count the entries that are in the "
                "reserve: %s",
                what);
    map->nreserve++;
    KTEST_CHECK(form_check(map) > 0,
                "map_entry_check lets an entry that nobody brought stay in the reserve: %s", what);
    map->nreserve--;
    list_remove(&stray.link);
}

// The middle of a plain mapping cannot be unmapped without an entry, and must not take one that is
// kept for quanta: it fails, and nothing is changed.
KTEST(lab_map_refused)
{
    lab_make_kernel_map(0, SPACE_PAGES);
    for (unsigned i = 0; i < 10; i++)
        lab_alloc(0, i, LAB_QUANTUM, 0, 4);
    lab_alloc(0, 10, LAB_PLAIN, lab_map[0]->min_va + 1000 * PAGE_SIZE, 100);
    lab_make_kernel_map(1, 16);
    lab_map_private(lab_make_space(2), LAB_USER_VA, 4);
    for (unsigned i = 0; i < 20; i++) {
        struct vm_map *map = lab_map[0];
        vaddr_t va = lab_slot[10].va + (1 + i) * PAGE_SIZE;
        rw_lock_write(&map->lock);
        unsigned need = map_entry_need(map, va, va + 60 * PAGE_SIZE);
        unsigned left = map_entry_need(map, lab_slot[10].va, va);
        unsigned none = map_entry_need(map, lab_slot[10].va, lab_slot[10].va + lab_slot[10].len);
        rw_unlock_write(&map->lock);
        KTEST_CHECK(need >= 1 && left == 1 && none == 0,
                    "map_entry_need says %u for the middle of an entry (1 or 2), %u for its "
                    "beginning (1), %u for the whole of it (0)",
                    need, left, none);
    }
    break_the_law(lab_map[0], "a map with quanta");
    break_the_law(lab_map[1], "a kernel map without any");
    break_the_law(lab_map[2], "a user map");
    lab_point("refused");
    for (unsigned i = 1; i < 10; i += 2)
        lab_free(i);
    lab_point("freed");
    lab_destroy_maps();
}

// ---- several maps ----

// What merging frees in one map is that map's.
KTEST(lab_map_two)
{
    lab_make_kernel_map(0, SPACE_PAGES / 4);
    lab_make_kernel_map(1, SPACE_PAGES / 4);
    lab_make_kernel_map(2, SPACE_PAGES / 4);
    for (unsigned i = 0; i < 100; i++)
        lab_alloc(0, i, LAB_QUANTUM, 0, 2);
    for (unsigned i = 100; i < 200; i++)
        lab_alloc(1, i, LAB_QUANTUM, lab_map[1]->min_va + (i - 100) * 4 * PAGE_SIZE, 2);
    for (unsigned i = 200; i < 203; i++)
        lab_alloc(2, i, LAB_QUANTUM, 0, 2);
    lab_point("mapped");
    for (unsigned i = 201; i < 203; i++)
        lab_free(i);
    for (unsigned i = 100; i < 200; i += 3)
        lab_free(i);
    lab_point("thinned");
    for (unsigned i = 1; i < 100; i += 2)
        lab_free(i);
    lab_point("holes");
    for (unsigned i = 0; i < 203; i++)
        if (lab_slot[i].va && lab_slot[i].map != 2)
            lab_free(i);
    lab_point("freed");
    lab_destroy_maps();
    lab_point("end");
}
