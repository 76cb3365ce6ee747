// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of finding space, against a model with a bit per page. A form of the module may pass
// over a tight fit for an aligned request (map_space.h); without alignment it must find the lowest,
// or the highest, fit.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "pmap/pmap.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/map_space.h"
#include "vm/vm_map.h"

#define FIRST  0x40000000ul
#define PAGES  200u
#define ROUNDS 20000

static struct vm_map map;
static bool taken[PAGES];
static struct rng rng;
static char text[1024];

static unsigned below(unsigned n)
{
    return rng_below(&rng, n);
}

static bool fits(unsigned at, unsigned n, size_t align)
{
    if ((FIRST + at * PAGE_SIZE) % align || at + n > PAGES)
        return false;
    for (unsigned i = at; i < at + n; i++)
        if (taken[i])
            return false;
    return true;
}

// What must come out: the lowest fit at or after `from', or (down) the highest that ends at or
// before it; PAGES if there is none.
static unsigned model_find(unsigned from, unsigned n, size_t align, bool down)
{
    if (!down) {
        for (unsigned at = from; at < PAGES; at++)
            if (fits(at, n, align))
                return at;
    } else {
        for (unsigned at = from; at-- > 0;)
            if (at + n <= from && fits(at, n, align))
                return at;
    }
    return PAGES;
}

static void find(void)
{
    static const size_t aligns[] = {0, 1, PAGE_SIZE, 4 * PAGE_SIZE, 16 * PAGE_SIZE, 3 * PAGE_SIZE};
    unsigned from = below(PAGES), n = 1 + below(20);
    size_t align = aligns[below(array_len(aligns))], unit = max(align, PAGE_SIZE);
    bool down = below(2);
    vaddr_t va = 0, at_va = FIRST + from * PAGE_SIZE;

    rw_lock_write(&map.lock);
    int error = down ? map_space_find_down(&map, at_va, n * PAGE_SIZE, align, &va)
                     : map_space_find(&map, at_va, n * PAGE_SIZE, align, &va);
    rw_unlock_write(&map.lock);
    unsigned best = model_find(from, n, unit, down);
    unsigned sure = model_find(from, n + unit / PAGE_SIZE - 1, PAGE_SIZE, down);
    CHECK(!error || error == ENOMEM, "%d", error);
    CHECK(!error || sure == PAGES, "%u pages, align %#zx, from %u: not found, though %u fits", n,
          align, from, sure);
    if (error)
        return;
    unsigned at = (va - FIRST) / PAGE_SIZE;
    CHECK(va >= FIRST && fits(at, n, unit) && (down ? at + n <= from : at >= from),
          "%#lx for %u pages, align %#zx, from %u", va, n, align, from);
    CHECK(unit > PAGE_SIZE || at == best, "%u, not %u, for %u pages from %u", at, best, n, from);
}

static void change(void)
{
    unsigned at = below(PAGES), n = 1 + below(min(PAGES - at, 12u));
    struct vm_map_req req = {
        .va = FIRST + at * PAGE_SIZE,
        .len = n * PAGE_SIZE,
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
        .entry_flags = ME_COW,
    };
    bool free = fits(at, n, PAGE_SIZE);

    rw_lock_read(&map.lock);
    CHECK(map_space_is_free(&map, req.va, req.va + req.len) == free, "page %u, %u pages", at, n);
    rw_unlock_read(&map.lock);
    if (below(2)) {
        CHECK(vm_map_map(&map, &req) == (free ? 0 : EEXIST), "map");
        if (!free)
            return;
        memset(taken + at, true, n);
    } else {
        CHECK(vm_map_unmap(&map, req.va, req.va + req.len) == 0, "unmap");
        memset(taken + at, false, n);
    }
}

static void test_random(void)
{
    struct strbuf out;

    rng.state = shim_seed;
    for (unsigned i = 0; i < ROUNDS; i++) {
        change();
        find();
        rw_lock_read(&map.lock);
        strbuf_init(&out, text, sizeof(text));
        CHECK(vm_map_check(&map, &out) == 0, "%s", text);
        rw_unlock_read(&map.lock);
    }
}

// Lengths and alignments that wrap.
static void test_extremes(void)
{
    vaddr_t va;

    rw_lock_write(&map.lock);
    CHECK(map_space_find(&map, FIRST, -PAGE_SIZE, 0, &va) == ENOMEM, "%#lx", va);
    CHECK(map_space_find(&map, FIRST, -PAGE_SIZE, 1ul << 40, &va) == ENOMEM, "%#lx", va);
    CHECK(map_space_find(&map, ~PAGE_MASK, PAGE_SIZE, 0, &va) == ENOMEM, "%#lx", va);
    CHECK(map_space_find(&map, FIRST, PAGE_SIZE, 1ul << 63, &va) == ENOMEM, "%#lx", va);
    CHECK(map_space_find_down(&map, PAGE_SIZE, PAGE_SIZE, 0, &va) == ENOMEM, "%#lx", va);
    CHECK(map_space_find_down(&map, ~PAGE_MASK, -PAGE_SIZE, 0, &va) == ENOMEM, "%#lx", va);
    rw_unlock_write(&map.lock);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1000);
    vm_map_init(&map, pmap_create(), FIRST, FIRST + PAGES * PAGE_SIZE, false);
    RUN(test_random);
    RUN(test_extremes);
    return shim_done();
}
