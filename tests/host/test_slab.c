// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of the slab allocator and of kernel memory: random sizes against a model of live
// blocks, whose contents nobody else may touch; failures at every allocation; blocks that are freed
// while the map is locked; misuse.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/rng.h"
#include "mem/pool.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

#define BLOCKS 200
#define ROUNDS 10000

struct block {
    uint8_t *p;
    size_t size;
    uint8_t fill;
    bool slab;
    struct vm_map *map; // if not slab
};

static struct block blocks[BLOCKS];
static struct rng rng;

static unsigned below(unsigned n)
{
    return rng_below(&rng, n);
}

static void release(struct block *b)
{
    for (size_t i = 0; b->p && i < b->size; i++)
        CHECK(b->p[i] == b->fill, "byte %zu of %zu is %#x, not %#x", i, b->size, b->p[i], b->fill);
    if (b->slab)
        slab_free(b->p);
    else if (b->p)
        kmem_free(b->map, b->p, b->size);
    *b = (struct block){0};
}

static void acquire(struct block *b)
{
    bool zero = below(2);
    unsigned flags = (zero ? KM_ZERO : 0) | (below(2) ? KM_NOWAIT : 0);
    size_t align = below(4) ? 0 : PAGE_SIZE << below(4);

    b->slab = below(4) != 0;
    b->size = 1 + below(below(3) ? 300 : 20000);
    b->map = below(2) ? kernel_map : kmem_map;
    if (!b->slab && !align && below(2))
        flags |= KM_GUARD;
    b->p = b->slab ? slab_alloc(b->size, flags) : kmem_alloc(b->map, b->size, align, flags);
    if (!b->p) {
        b->slab = false;
        return;
    }
    size_t unit = !b->slab ? max(align, PAGE_SIZE) : b->size >= PAGE_SIZE ? PAGE_SIZE : 16;
    CHECK((vaddr_t)b->p % unit == 0, "%zu bytes at %p", b->size, b->p);
    CHECK(!b->slab || slab_usable_size(b->p) >= b->size, "%zu", b->size);
    for (size_t i = 0; zero && i < b->size; i++)
        CHECK(b->p[i] == 0, "byte %zu is %#x", i, b->p[i]);
    b->fill = below(256);
    memset(b->p, b->fill, b->size);
}

static void rounds(unsigned n, uint64_t every)
{
    for (unsigned i = 0; i < n; i++) {
        struct block *b = &blocks[below(BLOCKS)];
        if (every && below(4) == 0)
            fail_nth(1 + below(every));
        if (b->p)
            release(b);
        else
            acquire(b);
        fail_nth(0);
        if (i % 100 == 0)
            machine_check();
    }
}

static void release_all(void)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        release(&blocks[i]);
    machine_check();
}

static void test_random(void)
{
    rounds(ROUNDS, 0);
    release_all();
    uint64_t free_before = machine_free_pages();
    rounds(ROUNDS, 8);
    release_all();
    // A zone per class may stay, and has come to stay in the first half.
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

// A block that is freed while someone else holds the map.
static void hold_map(void *arg)
{
    volatile int *step = arg;

    rw_lock_write(&kernel_map->lock);
    __atomic_store_n(step, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(step, __ATOMIC_ACQUIRE) != 2)
        shim_sleep(100000);
    rw_unlock_write(&kernel_map->lock);
}

static void test_deferred_free(void)
{
    uint64_t free_before = machine_free_pages();
    void *a = kmem_alloc(kernel_map, 10000, 0, KM_GUARD);
    void *b = kmem_alloc(kernel_map, 10000, 0, 0);
    int step = 0;
    struct shim_thread *t = shim_spawn("holder", hold_map, &step);

    while (__atomic_load_n(&step, __ATOMIC_ACQUIRE) != 1)
        shim_sleep(100000);
    nosleep_enter();
    kmem_free(kernel_map, a, 10000);
    kmem_free(kernel_map, b, 10000);
    nosleep_exit();
    CHECK(machine_free_pages() < free_before, "freed under a locked map");
    __atomic_store_n(&step, 2, __ATOMIC_RELEASE);
    shim_join(t);
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
    machine_check();
}

// The bounded submap ends, and comes back.
static void test_bounded(void)
{
    void *p[KMEM_SIZE / PAGE_SIZE + 1];
    unsigned n = 0;

    while ((p[n] = kmem_alloc(kmem_map, PAGE_SIZE, 0, KM_WAITOK)))
        n++;
    CHECK(n == KMEM_SIZE / PAGE_SIZE, "%u pages", n);
    for (unsigned i = 0; i < n; i += 2)
        kmem_free(kmem_map, p[i], PAGE_SIZE);
    CHECK(!kmem_alloc(kmem_map, 2 * PAGE_SIZE, 0, KM_WAITOK), "two pages in one-page holes");
    for (unsigned i = 1; i < n; i += 2)
        kmem_free(kmem_map, p[i], PAGE_SIZE);
    void *all = kmem_alloc(kmem_map, KMEM_SIZE, 0, KM_WAITOK);
    CHECK(all, "the whole submap");
    kmem_free(kmem_map, all, KMEM_SIZE);
    machine_check();
}

static void test_kva_pool(void)
{
    static struct pool pool;
    void *items[50];

    pool_init(&pool, "kva items", 3000, 0, &pool_allocator_kva);
    for (unsigned i = 0; i < array_len(items); i++)
        CHECK((items[i] = pool_get(&pool, PR_WAITOK)), "item %u", i);
    for (unsigned i = 0; i < array_len(items); i++)
        pool_put(&pool, items[i]);
    machine_check();
    pool_destroy(&pool);
    machine_check();
}

// The last one: the slab's lock stays taken.
static void test_misuse(void)
{
    char *p = slab_alloc(100, 0);

    PANICS("is no block", slab_free(p + 1));
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(2500);
    rng.state = shim_seed;
    RUN(test_random);
    RUN(test_deferred_free);
    RUN(test_bounded);
    RUN(test_kva_pool);
    RUN(test_misuse);
    return shim_done();
}
