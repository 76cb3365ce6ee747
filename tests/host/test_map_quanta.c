// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel maps against a model that knows each quantum: random mappings and unmappings, after each
// of which the entries are as few as they can be, the law holds, and unmapping has allocated
// nothing; what merges and what does not; broken promises; failures; two threads in one map.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/map_change.h"
#include "vm/vm_map.h"

#define FIRST  0x400000000000ul
#define PAGES  400u
#define QUANTA 150u
#define ROUNDS 40000

struct quantum { // npages 0: none
    unsigned page, npages, kind;
};

static struct vm_map map;
static struct quantum quanta[QUANTA];
static unsigned owner[PAGES]; // 1 + index in quanta; 0: free
static struct rng rng;
static char text[1024];

static unsigned below(unsigned n)
{
    return rng_below(&rng, n);
}

static vaddr_t va_of(unsigned page)
{
    return FIRST + page * PAGE_SIZE;
}

static uint64_t entries_live(void)
{
    struct map_entry_stats st;

    map_entry_get_stats(&st);
    return st.live;
}

static unsigned nentries(struct vm_map *m)
{
    unsigned n = 0;

    rw_lock_read(&m->lock);
    for (struct vm_map_entry *e = vm_map_first(m); e; e = vm_map_next(m, e))
        n++;
    rw_unlock_read(&m->lock);
    return n;
}

static void check_map(struct vm_map *m)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    rw_lock_read(&m->lock);
    unsigned faults = vm_map_check(m, &out);
    rw_unlock_read(&m->lock);
    CHECK(faults == 0, "%s", text);
}

static struct vm_map_req quantum_req(unsigned page, unsigned npages)
{
    return (struct vm_map_req){
        .va = va_of(page),
        .len = npages * PAGE_SIZE,
        .attr = {.prot = PROT_RW, .max_prot = PROT_RW, .inherit = INHERIT_NONE},
        .entry_flags = ME_QUANTUM,
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
    };
}

static void map_at(unsigned page, unsigned npages)
{
    struct vm_map_req req = quantum_req(page, npages);

    CHECK(vm_map_map(&map, &req) == 0, "map %u+%u", page, npages);
}

// Unmaps what must be a quantum: at once, with every allocation failing.
static void unmap(unsigned page, unsigned npages)
{
    uint64_t allocs = kctx_current()->allocs;

    fail_nth(1);
    CHECK(vm_map_unmap(&map, va_of(page), va_of(page + npages)) == 0, "unmap %u+%u", page, npages);
    CHECK(!fail_nth_done() && kctx_current()->allocs == allocs, "unmap allocates");
    fail_nth(0);
}

static void map_init(void)
{
    vm_map_init(&map, NULL, FIRST, va_of(PAGES), true);
}

// ---- the model ----

// The runs of pages that one entry can stand for.
static unsigned model_entries(void)
{
    unsigned n = 0, kind, last = 0; // 1 + kind, 0: free

    for (unsigned p = 0; p < PAGES; p++) {
        kind = owner[p] ? 1 + quanta[owner[p] - 1].kind : 0;
        n += kind && kind != last;
        last = kind;
    }
    return n;
}

static void check_model(unsigned nquanta)
{
    check_map(&map);
    CHECK(map.nquanta == nquanta, "%u quanta, not %u", map.nquanta, nquanta);
    CHECK(map.nentries == model_entries(), "%u entries, not %u", map.nentries, model_entries());
    CHECK(map.nentries + map.nreserve == nquanta, "%u entries + %u", map.nentries, map.nreserve);
}

// Every page shows what the model says.
static void check_pages(void)
{
    struct vm_map_entry *e;

    rw_lock_read(&map.lock);
    for (unsigned p = 0; p < PAGES; p++) {
        bool found = vm_map_lookup(&map, va_of(p), &e);
        CHECK(found == !!owner[p], "page %u", p);
        if (found)
            CHECK((e->flags & ME_GUARD) == (quanta[owner[p] - 1].kind & 1 ? ME_GUARD : 0) &&
                      e->attr.prot == (quanta[owner[p] - 1].kind & 2 ? PROT_READ : PROT_RW),
                  "page %u: flags %#x, prot %u", p, e->flags, e->attr.prot);
    }
    rw_unlock_read(&map.lock);
}

static bool model_map(struct quantum *q)
{
    unsigned kind = below(8) ? 0 : below(4), npages = 1 + below(below(4) ? 4 : 20);
    struct vm_map_req req = quantum_req(below(PAGES), npages);

    req.entry_flags |= kind & 1 ? ME_GUARD : 0;
    req.attr.prot = kind & 2 ? PROT_READ : PROT_RW;
    if (below(3) == 0)
        req.flags = 0; // there, if it is free
    else if (below(2) == 0)
        req.va = req.flags = 0; // the lowest
    int error = vm_map_map(&map, &req);
    unsigned page = (req.va - FIRST) / PAGE_SIZE;
    bool fits = page + npages <= PAGES;
    for (unsigned p = page; fits && p < page + npages; p++)
        fits = !owner[p];
    CHECK(error ? req.flags == 0 || !fits : fits, "map %u+%u: %d", page, npages, error);
    if (error)
        return false;
    *q = (struct quantum){page, npages, kind};
    for (unsigned p = page; p < page + npages; p++)
        owner[p] = 1 + (q - quanta);
    return true;
}

static void model_unmap(struct quantum *q)
{
    unmap(q->page, q->npages);
    memset(&owner[q->page], 0, q->npages * sizeof(owner[0]));
    *q = (struct quantum){0};
}

static void test_random(void)
{
    uint64_t free_before = machine_free_pages(), live_before = entries_live();
    unsigned nquanta = 0;

    rng.state = shim_seed;
    map_init();
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct quantum *q = &quanta[below(QUANTA)];
        if (q->npages) {
            model_unmap(q);
            nquanta--;
        } else {
            nquanta += model_map(q);
        }
        check_model(nquanta);
        CHECK(entries_live() == live_before + nquanta, "%lu entries for %u quanta",
              entries_live() - live_before, nquanta);
        if (round % 100 == 0)
            check_pages();
    }
    vm_map_destroy(&map);
    CHECK(entries_live() == live_before, "%lu entries are left", entries_live() - live_before);
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

// ---- merging ----

static void test_merge_directions(void)
{
    map_init();
    map_at(10, 2);
    map_at(12, 3);
    CHECK(nentries(&map) == 1 && map.nreserve == 1, "upward: %u", nentries(&map));
    map_at(8, 2);
    CHECK(nentries(&map) == 1 && map.nreserve == 2, "downward: %u", nentries(&map));
    map_at(16, 1);
    CHECK(nentries(&map) == 2 && map.nreserve == 2, "apart: %u", nentries(&map));
    map_at(15, 1);
    CHECK(nentries(&map) == 1 && map.nreserve == 4, "between: %u", nentries(&map));
    unmap(10, 2);
    CHECK(nentries(&map) == 2 && map.nreserve == 2, "middle: %u", nentries(&map));
    unmap(12, 3);
    CHECK(nentries(&map) == 2 && map.nreserve == 1, "start: %u", nentries(&map));
    unmap(16, 1);
    CHECK(nentries(&map) == 2 && map.nreserve == 0, "end: %u", nentries(&map));
    vm_map_destroy(&map);
}

// Two neighbours that differ in one thing stay two; a third that agrees with one joins that.
static void check_apart(const char *what, struct vm_map_req other)
{
    struct vm_map_req third = other;

    map_init();
    map_at(0, 4);
    other.va = va_of(4);
    third.va = va_of(8);
    other.len = third.len = 4 * PAGE_SIZE;
    CHECK(vm_map_map(&map, &other) == 0, "%s", what);
    CHECK(nentries(&map) == 2, "%s: %u entries", what, nentries(&map));
    CHECK(vm_map_map(&map, &third) == 0, "%s", what);
    CHECK(nentries(&map) == 2, "%s: %u entries", what, nentries(&map));
    check_map(&map);
    vm_map_destroy(&map);
}

static void test_merge_apart(void)
{
    struct vm_map_req req = quantum_req(0, 1);

#define APART(field, value)                                                                        \
    do {                                                                                           \
        struct vm_map_req other = req;                                                             \
        other.field = value;                                                                       \
        check_apart(#field, other);                                                                \
    } while (0)
    APART(attr.prot, PROT_READ);
    APART(attr.max_prot, PROT_ALL);
    APART(attr.inherit, INHERIT_SHARE);
    APART(attr.advice, ADVICE_RANDOM);
    APART(wired, 1);
    APART(attr.offset, PAGE_SIZE);
    APART(entry_flags, ME_QUANTUM | ME_GUARD);
    APART(entry_flags, 0); // no quantum
#undef APART
}

static void test_submaps_stay_apart(void)
{
    struct vm_map_req req = quantum_req(0, 4);

    map_init();
    req.entry_flags = ME_SUBMAP;
    CHECK(vm_map_map(&map, &req) == 0, "first");
    req.va = va_of(4);
    CHECK(vm_map_map(&map, &req) == 0, "second");
    CHECK(nentries(&map) == 2, "%u entries", nentries(&map));
    vm_map_destroy(&map);
}

// ---- the reserve ----

// Fills the map's reserve with n entries, at its end.
static void fill_reserve(unsigned n)
{
    for (unsigned i = 0; i <= n; i++)
        map_at(PAGES - 1 - i, 1);
    CHECK(map.nreserve == n, "%u in reserve", map.nreserve);
}

// What was mapped as no quantum is unmapped in the middle. The reserve is for others.
static void test_plain_split(void)
{
    struct vm_map_req req = quantum_req(0, 100);

    map_init();
    fill_reserve(10);
    req.entry_flags = 0;
    CHECK(vm_map_map(&map, &req) == 0, "map");
    for (unsigned n = 1; n <= 2; n++) {
        fail_nth(n);
        CHECK(vm_map_unmap(&map, va_of(10), va_of(90)) == ENOMEM && fail_nth_done(), "no memory");
        CHECK(nentries(&map) == 2 && map.nreserve == 10, "nothing changed: %u", nentries(&map));
        check_map(&map);
    }
    CHECK(vm_map_unmap(&map, va_of(10), va_of(90)) == 0, "unmap");
    CHECK(nentries(&map) == 3 && map.nreserve == 10, "%u entries, %u in reserve", nentries(&map),
          map.nreserve);
    check_map(&map);
    vm_map_destroy(&map);
}

// Without the quantum rule this split took an entry that belonged to another unmap.
static void test_counter_example(void)
{
    map_init();
    map_at(0, 100);
    CHECK(map.nreserve == 0, "%u in reserve", map.nreserve);
    PANICS("a part of a quantum", vm_map_unmap(&map, va_of(10), va_of(90)));
    map_init();
    map_at(0, 10);
    map_at(20, 10);
    PANICS("no quantum", vm_map_unmap(&map, va_of(5), va_of(25)));
    map_init();
    map_at(0, 10);
    map_at(20, 10);
    PANICS("takes the quantum", vm_map_unmap(&map, map.min_va, map.max_va)); // it lives on
    map_init();
}

// To map takes memory, however full the reserve is.
static void test_enter_allocates(void)
{
    struct vm_map_req req = quantum_req(0, 1);

    map_init();
    fill_reserve(5);
    fail_nth(1);
    CHECK(vm_map_map(&map, &req) == ENOMEM && fail_nth_done(), "no memory");
    CHECK(map.nreserve == 5 && nentries(&map) == 1, "%u in reserve", map.nreserve);
    CHECK(rw_trylock_write(&map.lock), "the map is locked");
    rw_unlock_write(&map.lock);
    check_map(&map);
    vm_map_destroy(&map);
}

static void test_reserves_are_apart(void)
{
    static struct vm_map other;

    map_init();
    fill_reserve(5);
    vm_map_init(&other, NULL, FIRST, va_of(PAGES), true);
    struct vm_map_req req = quantum_req(0, 10);
    CHECK(vm_map_map(&other, &req) == 0 && other.nreserve == 0, "%u", other.nreserve);
    req = quantum_req(10, 10);
    CHECK(vm_map_map(&other, &req) == 0 && other.nreserve == 1, "%u", other.nreserve);
    CHECK(vm_map_unmap(&other, va_of(0), va_of(10)) == 0 && other.nreserve == 0, "unmap");
    CHECK(map.nreserve == 5, "%u in reserve", map.nreserve);
    check_map(&other);
    vm_map_destroy(&other);
    vm_map_destroy(&map);
}

// ---- prepare and enter ----

static struct vm_map_req other_req;

static void prepare_too(void *arg)
{
    (void)arg;
    other_req = quantum_req(0, 4);
    other_req.flags = 0;
    CHECK(vm_map_map(&map, &other_req) == 0, "map");
}

// Whoever has prepared keeps others out until it enters.
static void test_prepare_enter(void)
{
    struct vm_map_req req = quantum_req(0, 4), nowait;
    struct map_change c, other;

    map_init();
    req.flags = nowait.flags = 0;
    CHECK(vm_map_prepare(&c, &map, &req) == 0 && req.va == va_of(0), "%#lx", req.va);
    struct shim_thread *t = shim_spawn("other", prepare_too, NULL);
    shim_wait_blocked(t);
    vm_map_enter(&c, &req);
    shim_join(t);
    CHECK(other_req.va == va_of(4), "%#lx", other_req.va);
    CHECK(nentries(&map) == 1 && map.nquanta == 2, "%u entries", nentries(&map));

    uint64_t live = entries_live();
    nowait = quantum_req(20, 4);
    nowait.flags |= MAP_NOWAIT;
    rw_lock_read(&map.lock);
    CHECK(vm_map_prepare(&other, &map, &nowait) == EAGAIN, "locked");
    rw_unlock_read(&map.lock);
    CHECK(entries_live() == live, "%lu entries kept", entries_live() - live);
    nowait.va = va_of(2);
    CHECK(vm_map_prepare(&other, &map, &nowait) == EEXIST && entries_live() == live, "taken");
    check_map(&map);
    vm_map_destroy(&map);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    RUN(test_random);
    RUN(test_merge_directions);
    RUN(test_merge_apart);
    RUN(test_submaps_stay_apart);
    RUN(test_plain_split);
    RUN(test_enter_allocates);
    RUN(test_reserves_are_apart);
    RUN(test_prepare_enter);
    RUN(test_counter_example); // last: its panics leave a map locked
    return shim_done();
}
