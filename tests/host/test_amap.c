// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of amaps: random references, splits, releases, fills and wipes of one amap against a
// model that knows which entries cover each slot; inheritance between spaces.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/vm_space.h"

#define SLOTS  150u
#define REFS   20
#define ROUNDS 3000

struct ref { // an entry that refers to slots [start, end); end 0: none
    unsigned start, end;
};

static struct vm_amap *am;
static struct ref refs[REFS];
static struct vm_anon *anons[SLOTS];
static struct rng rng;

static unsigned below(unsigned n)
{
    return rng_below(&rng, n);
}

static bool covered(unsigned slot)
{
    for (unsigned i = 0; i < REFS; i++)
        if (refs[i].start <= slot && slot < refs[i].end)
            return true;
    return false;
}

static struct ref *unused_ref(void)
{
    for (unsigned i = 0; i < REFS; i++)
        if (!refs[i].end)
            return &refs[i];
    return NULL;
}

static unsigned count_refs(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < REFS; i++)
        n += refs[i].end != 0;
    return n;
}

// A slot that is no longer covered must have been wiped.
static void forget_uncovered(void)
{
    for (unsigned s = 0; s < SLOTS; s++)
        if (!covered(s))
            anons[s] = NULL;
}

static void share(const struct ref *r)
{
    struct ref *n = unused_ref();

    if (!n)
        return;
    n->start = r->start + below(r->end - r->start);
    n->end = n->start + 1 + below(r->end - n->start);
    CHECK(amap_ref(am, n->start, n->end - n->start) == 0, "ref");
}

static void split(struct ref *r)
{
    struct ref *n = unused_ref();

    if (!n || r->end - r->start < 2)
        return;
    n->start = r->start + 1 + below(r->end - r->start - 1);
    n->end = r->end;
    amap_split(am, r->start, n->start, n->end);
    r->end = n->start;
}

static void fill(const struct ref *r)
{
    unsigned slot = r->start + below(r->end - r->start);

    amap_lock(am);
    struct vm_anon *an = amap_lookup(am, slot);
    CHECK(an == anons[slot], "slot %u holds %p, not %p", slot, an, anons[slot]);
    if (!an) {
        anons[slot] = anon_alloc_page(NULL);
        mutex_unlock(&anons[slot]->lock);
        CHECK(amap_add(am, slot, anons[slot]) == 0, "add");
    } else if (below(2)) {
        amap_wipe(am, slot, 1);
        anons[slot] = NULL;
    } else {
        mutex_lock(&an->lock);
        anons[slot] = anon_alloc_page(an->page);
        mutex_unlock(&anons[slot]->lock);
        CHECK(amap_replace(am, slot, anons[slot]) == an, "replace");
        anon_unref_unlock(an);
    }
    amap_unlock(am);
}

// A slot is shared if more than one entry covers it.
static void check_shared(void)
{
    amap_lock(am);
    for (unsigned s = 0; s < SLOTS; s++) {
        unsigned n = 0;
        for (unsigned i = 0; i < REFS; i++)
            n += refs[i].start <= s && s < refs[i].end;
        CHECK(amap_shared(am, s, 1) == (n > 1), "slot %u, which %u entries cover", s, n);
    }
    amap_unlock(am);
}

// What amap_next reports, one after the other, is what is there.
static void check_next(void)
{
    pgno_t slot = 0;

    amap_lock(am);
    for (unsigned s = 0; s < SLOTS; s++) {
        if (!anons[s])
            continue;
        CHECK(amap_next(am, &slot, SLOTS) == anons[s] && slot == s, "slot %lu, not %u", slot, s);
        slot++;
    }
    CHECK(!amap_next(am, &slot, SLOTS), "slot %lu", slot);
    amap_unlock(am);
}

static void one_amap(bool shared)
{
    am = amap_alloc(SLOTS);
    refs[0] = (struct ref){0, SLOTS};
    for (unsigned i = 0; count_refs(); i++) {
        struct ref *r = &refs[below(REFS)];
        if (!r->end)
            continue;
        unsigned dice = below(20);
        if (dice == 0 && shared) {
            share(r);
        } else if (dice < 2) {
            split(r);
        } else if (dice == 2 && i > ROUNDS / 20) {
            struct ref gone = *r;
            *r = (struct ref){0};
            amap_unref(am, gone.start, gone.end - gone.start);
            forget_uncovered();
        } else {
            fill(r);
        }
        machine_check();
        if (count_refs()) {
            CHECK(amap_nrefs(am) == count_refs(), "%u references, not %u", amap_nrefs(am),
                  count_refs());
            check_next();
            check_shared();
        }
    }
    CHECK(anon_count() == 0, "%lu anons are left", anon_count());
}

static void test_random(void)
{
    uint64_t free_before = machine_free_pages();

    for (unsigned i = 0; i < 20; i++)
        one_amap(i % 2);
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

static void test_extend(void)
{
    struct vm_amap *a = amap_alloc(10);
    pgno_t slot = 0;

    CHECK(amap_extend(a, 0, 10, 5) == 0, "one reference");
    amap_lock(a);
    struct vm_anon *an = anon_alloc_page(NULL);
    mutex_unlock(&an->lock);
    CHECK(amap_add(a, 14, an) == 0, "add");
    amap_unlock(a);
    amap_split(a, 0, 5, 15);
    CHECK(amap_extend(a, 5, 10, 1) == EBUSY, "two references");
    CHECK(amap_extend_down(a, &slot, 5, 1) == EBUSY && slot == 0, "two references");
    amap_join(a, 0, 5, 15);
    CHECK(amap_nrefs(a) == 1, "%u references", amap_nrefs(a));
    amap_split(a, 0, 5, 15);
    amap_unref(a, 5, 10);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    amap_unref(a, 0, 5);
}

// An amap grows downward: its anons move with their slots, and what is below is empty.
static void test_extend_down(void)
{
    struct vm_amap *a = amap_alloc(40);
    pgno_t slot = 0;

    amap_lock(a);
    struct vm_anon *an = anon_alloc_page(NULL);
    mutex_unlock(&an->lock);
    CHECK(amap_add(a, 35, an) == 0, "add");
    amap_unlock(a);
    for (unsigned grown = 1; grown < 200; grown++) {
        CHECK(amap_extend_down(a, &slot, 39 + grown, 1) == 0, "one page more");
        pgno_t at = slot;
        amap_lock(a);
        CHECK(amap_next(a, &at, slot + 40 + grown) == an && at == slot + grown + 35, "slot %lu",
              at);
        amap_unlock(a);
        machine_check();
    }
    amap_unref(a, slot, 239);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
}

// Private memory that is inherited shared: both see each other's writes, also of pages that nobody
// had touched, until one of them unmaps its part.
static void test_inherit_share(void)
{
    struct vm_space *vs = vm_space_create(), *child;
    vaddr_t va = 0x10000000;
    uint64_t value;

    vm_mmap(vs, &va, 10 * PAGE_SIZE, PROT_RW, PROT_ALL,
            LINUX_MAP_FIXED | LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, NULL, 0);
    CHECK(user_store(vs, va, 1) == 0, "store");
    CHECK(vm_map_inherit(&vs->map, va, va + 6 * PAGE_SIZE, INHERIT_SHARE) == 0, "inherit");
    CHECK(vm_space_fork(vs, &child) == 0, "fork");
    CHECK(user_store(child, va, 2) == 0 && user_load(vs, va, &value) == 0 && value == 2, "shared");
    CHECK(user_store(child, va + PAGE_SIZE, 3) == 0, "store");
    CHECK(user_load(vs, va + PAGE_SIZE, &value) == 0 && value == 3, "%lu", value);
    CHECK(user_store(child, va + 7 * PAGE_SIZE, 4) == 0, "store");
    CHECK(user_load(vs, va + 7 * PAGE_SIZE, &value) == 0 && value == 0, "private: %lu", value);
    CHECK(vm_munmap(vs, va, 2 * PAGE_SIZE) == 0, "munmap");
    CHECK(user_load(child, va, &value) == 0 && value == 2, "the other's unmap is seen");
    machine_check();
    vm_space_unref(vs);
    CHECK(user_load(child, va + PAGE_SIZE, &value) == 0 && value == 3, "%lu", value);
    machine_check();
    vm_space_unref(child);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    machine_check();
}

// What a child leaves is taken over window by window, and is one entry again in the end.
static void test_windows_merge(void)
{
    enum { N = 3 * AMAP_WINDOW, BASE = 0x10000000 };
    struct vm_space *vs, *child;
    vaddr_t va = BASE;
    uint64_t value;
    size_t len = N * PAGE_SIZE, window = AMAP_WINDOW * PAGE_SIZE;

    vs = vm_space_create();
    CHECK(vm_mmap(vs, &va, len, PROT_RW, PROT_ALL,
                  LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0) == 0,
          "mmap");
    for (size_t at = 0; at < len; at += 16 * PAGE_SIZE)
        CHECK(user_store(vs, BASE + at, at + 1) == 0, "store");
    CHECK(vm_space_fork(vs, &child) == 0, "fork");
    CHECK(vm_munmap(child, BASE + window, 2 * window) == 0, "munmap");
    CHECK(user_store(vs, BASE + window + PAGE_SIZE, 2) == 0, "store");
    unsigned clipped = vs->map.nentries;
    CHECK(clipped <= 3, "%u entries", clipped);
    CHECK(user_store(vs, BASE + 2 * window + PAGE_SIZE, 3) == 0, "store");
    CHECK(vs->map.nentries <= 2, "%u entries, %u before", vs->map.nentries, clipped);
    vm_space_unref(child);
    CHECK(user_store(vs, BASE + PAGE_SIZE, 1) == 0, "store");
    CHECK(vs->map.nentries == 1, "%u entries", vs->map.nentries);
    for (size_t at = 0; at < len; at += 16 * PAGE_SIZE)
        CHECK(user_load(vs, BASE + at, &value) == 0 && value == at + 1, "at %#lx", at);
    vm_space_unref(vs);
    machine_check();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    rng.state = shim_seed;
    RUN(test_random);
    RUN(test_extend);
    RUN(test_extend_down);
    RUN(test_inherit_share);
    RUN(test_windows_merge);
    return shim_done();
}
