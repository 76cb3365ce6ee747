// SPDX-License-Identifier: BSD-2-Clause
//
// Contracts that are broken on purpose: one row for each kind of assertion, and what its panic
// says. A contract that nobody asserts any more fails here. (Those of pmap: test_pmap.)
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "mem/vm_page_impl.h"
#include "sync/irq.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/kmem.h"
#include "vm/map_change.h"
#include "vm/map_space.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define BASE 0x10000000ul

static struct vm_space *vs;
static struct vm_map *map;
static struct vm_object *object; // one page, not busy
static struct vm_page *page;     // that page
static struct vm_page *loose;    // of no object, not busy
static struct pool pool;
static struct mutex mutex;
static struct spinlock spin;
static struct rwlock rw;
static struct waitq queue;
static struct vm_map_entry *entry;
static struct map_change change = {.map = NULL};

static struct fault a_fault(void)
{
    return (struct fault){.map = map, .va = BASE, .access = PROT_READ, .entry = entry};
}

// ---- what breaks a contract ----

static void spin_requeue(void)
{
    vm_page_requeue(loose, PQ_ACTIVE);
}

static void spin_first(void)
{
    vm_page_queue_first(PQ_ACTIVE);
}

static void spin_kick(void)
{
    page_daemon_kick();
}

static void spin_wait(void)
{
    waitq_await_spin(&queue, &spin);
}

static void spin_grant(void)
{
    struct waiter w = {.queue = &queue};

    waitq_grant(&queue, &w);
}

static void spin_granted(void)
{
    struct waiter w = {.queue = &queue};

    waitq_wait_granted(&queue, &w);
}

static void mutex_lookup(void)
{
    vm_object_lookup(object, 0);
}

static void mutex_free_page(void)
{
    vm_object_free_page(object, page);
}

static void mutex_enter(void)
{
    struct fault f = a_fault();

    rw_lock_read(&map->lock);
    f.locked = true;
    fault_enter(&f, page, PROT_READ);
}

static void mutex_wait(void)
{
    waitq_await_mutex(&queue, &mutex);
}

static void read_lookup(void)
{
    struct vm_map_entry *e;

    vm_map_lookup(map, BASE, &e);
}

static void read_first(void)
{
    vm_map_first(map);
}

static void read_unlock(void)
{
    rw_lock_write(&rw);
    rw_unlock_read(&rw);
}

static void write_space(void)
{
    vaddr_t va;

    rw_lock_read(&map->lock);
    map_space_find_down(map, BASE, PAGE_SIZE, 0, &va);
}

static void write_unwire(void)
{
    rw_lock_read(&map->lock);
    vm_map_pmap_unwire(map, entry, BASE, BASE + PAGE_SIZE);
}

static void write_unlock(void)
{
    rw_lock_read(&rw);
    rw_unlock_write(&rw);
}

// The lock alone does not make a change: between begin and end, no one waits for memory.
static void change_clear(void)
{
    struct map_change c = {.map = map, .spare = LIST_INIT(c.spare), .dead = LIST_INIT(c.dead)};

    rw_lock_write(&map->lock);
    vm_map_clear(&c, BASE, BASE + PAGE_SIZE);
}

static void change_end(void)
{
    struct map_change c = {.map = map, .spare = LIST_INIT(c.spare), .dead = LIST_INIT(c.dead)};

    map_change_end(&c);
}

static void busy_twice(void)
{
    vm_page_busy(loose);
    vm_page_busy(loose);
}

static void busy_unbusy(void)
{
    vm_page_unbusy(loose);
}

static void busy_wait(void)
{
    mutex_lock(&mutex);
    vm_page_busy_wait(loose, &mutex);
}

static void busy_swap(void)
{
    swap_out(1, &loose, 1);
}

static void backed_dirty(void)
{
    mutex_lock(&object->lock);
    page->flags &= ~PG_BACKED;
    vm_object_dirty(object, page);
}

static void sleep_under_spinlock(void)
{
    spin_lock(&spin);
    mutex_lock(&mutex);
}

static void sleep_nosleep(void)
{
    nosleep_enter();
    pool_get(&pool, PR_WAITOK);
}

static void sleep_in_interrupt(void)
{
    this_cpu()->in_interrupt = true;
    rw_lock_read(&rw);
}

static void sleep_irqs_off(void)
{
    irq_push();
    vm_fault(map, BASE, PROT_READ);
}

static void sleep_kmem(void)
{
    nosleep_enter();
    kmem_alloc(kernel_map, PAGE_SIZE, 0, KM_WAITOK);
}

static void sleep_none_held(void)
{
    mutex_lock(&mutex);
    waitq_block(WAIT_INTR, WAIT_FOREVER);
}

static void begin(void)
{
    int error = map_change_begin(&change, map, 0, PR_WAITOK);

    CHECK(!error, "begin: error %d", error);
}

static void memwait_pool(void)
{
    begin();
    pool_get(&pool, PR_WAITOK);
}

static void memwait_page(void)
{
    begin();
    vm_page_wait();
}

static void noalloc_pool(void)
{
    noalloc_enter();
    pool_get(&pool, PR_NOWAIT);
}

static void depth_nosleep(void)
{
    nosleep_exit();
}

static void depth_noalloc(void)
{
    noalloc_exit();
}

static void pool_twice(void)
{
    void *item = pool_get(&pool, PR_NOWAIT);

    CHECK(item, "no item");
    pool_put(&pool, item);
    pool_put(&pool, item);
}

static void pool_foreign(void)
{
    pool_put(&pool, page_to_dmap(loose));
}

static void page_queued(void)
{
    vm_page_activate(loose);
    vm_page_free(loose);
}

static void lock_twice(void)
{
    mutex_lock(&mutex);
    mutex_lock(&mutex);
}

static void lock_order(void)
{
    mutex_lock(&object->lock);
    rw_lock_read(&map->lock);
}

static const struct broken {
    const char *kind; // for the report
    void (*act)(void);
    const char *says;
} broken[] = {
    {"spinlock held", spin_requeue, "vm_page_requeue: assertion `spin_held("},
    {"spinlock held", spin_first, "vm_page_queue_first: assertion `spin_held("},
    {"spinlock held", spin_kick, "page_daemon_kick: assertion `spin_held("},
    {"spinlock held", spin_wait, "waitq_wait_spin: assertion `spin_held("},
    {"spinlock held", spin_grant, "waitq_grant: assertion `spin_held("},
    {"spinlock held", spin_granted, "waitq_wait_granted: assertion `spin_held("},
    {"mutex held", mutex_lookup, "vm_object_lookup: assertion `mutex_held("},
    {"mutex held", mutex_free_page, "vm_object_free_page: assertion `mutex_held("},
    {"mutex held", mutex_enter, "fault_enter: assertion `mutex_held("},
    {"mutex held", mutex_wait, "waitq_wait_mutex: assertion `mutex_held("},
    {"held for reading", read_lookup, "vm_map_lookup: assertion `rw_held("},
    {"held for reading", read_first, "vm_map_first: assertion `rw_held("},
    {"held for reading", read_unlock, "is held for writing"},
    {"held for writing", write_space, "map_space_find_down: assertion `rw_held_write("},
    {"held for writing", write_unwire, "vm_map_pmap_unwire: assertion `rw_held_write("},
    {"held for writing", write_unlock, "is not held for writing"},
    {"change begun", change_clear, "assert_map_changes: assertion `rw_held_write("},
    {"change begun", change_end, "assert_map_changes: assertion `rw_held_write("},
    {"page busy", busy_twice, "vm_page_busy: assertion `!(pg->flags & PG_BUSY)"},
    {"page busy", busy_unbusy, "vm_page_unbusy: assertion `pg->flags & PG_BUSY"},
    {"page busy", busy_wait, "vm_page_busy_wait: assertion `pg->flags & PG_BUSY"},
    {"page busy", busy_swap, "swap_start: assertion `io->pages[i]->flags & PG_BUSY"},
    {"page backed", backed_dirty, "vm_object_dirty: assertion `pg->object == o"},
    {"may not sleep", sleep_under_spinlock, "mutex_lock may sleep"},
    {"may not sleep", sleep_nosleep, "pool_get may sleep"},
    {"may not sleep", sleep_in_interrupt, "rw_lock_read may sleep"},
    {"may not sleep", sleep_irqs_off, "vm_fault may sleep"},
    {"may not sleep", sleep_kmem, "kmem_alloc may sleep"},
    {"no lock at all", sleep_none_held, "waitq_block: thread"},
    {"no wait for memory", memwait_pool, "pool_get may wait for memory"},
    {"no wait for memory", memwait_page, "vm_page_wait may wait for memory"},
    {"no allocation", noalloc_pool, "may not allocate, and does"},
    {"depth", depth_nosleep, "nosleep depth is 0"},
    {"depth", depth_noalloc, "the depth is 0"},
    {"item", pool_foreign, "is not of pool"},
    {"page free", page_queued, "assert_freeable: assertion `pg->on_queue == PQ_NONE"},
    {"lock order", lock_twice, "is taken again by the thread that holds it"},
    {"lock order", lock_order, "against the lock order"},
    // The last one: the pool stays locked.
    {"item", pool_twice, "is put twice"},
};

static struct pmap *pmaps[array_len(broken)]; // or they look leaked

// A panic leaves taken what its row took: everything is made anew for the next one.
static void set_up(void)
{
    vaddr_t va = BASE;

    vs = vm_space_create();
    CHECK(vs, "no space");
    map = &vs->map;
    int error = vm_mmap(vs, &va, PAGE_SIZE, PROT_RW, PROT_ALL,
                        LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED | LINUX_MAP_PRIVATE, NULL, 0);
    CHECK(!error, "mmap: error %d", error);
    rw_lock_read(&map->lock);
    entry = vm_map_first(map);
    rw_unlock_read(&map->lock);
    object = anon_object_create(1);
    CHECK(object, "no object");
    mutex_lock(&object->lock);
    page = vm_object_new_page(object, 0, PA_ZERO);
    CHECK(page, "no page");
    vm_page_unbusy(page);
    mutex_unlock(&object->lock);
    loose = vm_page_alloc(PAGE_KMEM, 0);
    CHECK(loose, "no page");
    spin_init(&spin, "a spinlock", LOCK_VM_LISTS, 0);
    mutex_init(&mutex, "a mutex", LOCK_PROC, 0);
    rw_init(&rw, "an rwlock", LOCK_MAP, 0);
    waitq_init(&queue, "a queue");
}

static void test_broken_contracts(void)
{
    static size_t i; // a panic comes back here

    for (i = 0; i < array_len(broken); i++) {
        kprintf("%s: %s\n", broken[i].kind, broken[i].says);
        set_up();
        pmaps[i] = vs->pmap;
        PANICS(broken[i].says, broken[i].act());
    }
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(4096);
    pool_init(&pool, "a pool", 64, 0, NULL);
    RUN(test_broken_contracts);
    return shim_done();
}
