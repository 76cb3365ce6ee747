// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel maps that several CPUs change at once, without sleeping: a lock that is busy is tried
// again. Two maps, so that what one CPU does in one map meets what another does in the other.

#include "lab_map.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "sync/irq.h"
#include "tests/kernel/smp_test.h"
#include "vm/kmem.h"

#define SMP_MAPS  2u
#define SMP_EACH  96u // slots of each CPU
#define SMP_TIMES 1200u

static void smp_alloc(struct lab_slot *slot, unsigned map, size_t npages)
{
    struct vm_map_req req = lab_req(LAB_QUANTUM, 0, npages);
    int error;

    req.flags = MAP_NOWAIT;
    while ((error = vm_map_map(lab_map[map], &req)) == EAGAIN)
        spin_poll();
    if (error)
        ktest_fail("mapping %zu pages: error %d", npages, error);
    else
        *slot = (struct lab_slot){map, req.va, req.len, LAB_QUANTUM};
}

static void smp_free(struct lab_slot *slot)
{
    struct map_change c;

    while (map_change_begin(&c, lab_map[slot->map], 0, PR_NOWAIT))
        spin_poll();
    vm_map_clear(&c, slot->va, slot->va + slot->len);
    slot->va = 0;
    map_change_end(&c);
}

static void smp_work(unsigned cpu)
{
    struct rng r = lab_rng(100 + cpu);

    for (unsigned n = 0; n < SMP_TIMES; n++) {
        struct lab_slot *slot = &lab_slot[cpu * SMP_EACH + rng_below(&r, SMP_EACH)];
        unsigned map = (unsigned)rng_below(&r, SMP_MAPS);
        size_t npages = 1 + rng_below(&r, 3);
        if (slot->va)
            smp_free(slot);
        else
            smp_alloc(slot, map, npages);
        spin_poll();
    }
}

KTEST(lab_map_smp)
{
    struct rng r = lab_rng(200);

    take_short_turns(&r);
    for (unsigned n = 0; n < SMP_MAPS; n++)
        lab_make_kernel_map(n, 4096);
    on_all_cpus(smp_work);
    lab_point("worked");
    for (unsigned slot = 0; slot < ncpus * SMP_EACH; slot++)
        if (lab_slot[slot].va)
            lab_free(slot);
    lab_point("freed");
    lab_destroy_maps();
    lab_point("end");
}

// ---- kernel memory itself ----

#define BLOCKS 300u

static unsigned char *block[BLOCKS];
static size_t size_of[BLOCKS];
static bool guarded[BLOCKS];

static void fill(unsigned i)
{
    for (size_t at = 0; at < size_of[i]; at += 512)
        block[i][at] = (unsigned char)(i + at / 512);
}

static void compare(unsigned i)
{
    for (size_t at = 0; at < size_of[i]; at += 512)
        if (block[i][at] != (unsigned char)(i + at / 512)) {
            ktest_fail("block %u at %zu holds %u", i, at, block[i][at]);
            return;
        }
}

static struct vm_map *map_of(unsigned i)
{
    return i % 3 == 0 ? kmem_map : kernel_map;
}

static void get(unsigned i, struct rng *r)
{
    size_of[i] = (1 + rng_below(r, 5)) * PAGE_SIZE;
    guarded[i] = rng_below(r, 4) == 0;
    block[i] = kmem_alloc(map_of(i), size_of[i], 0, KM_NOWAIT | (guarded[i] ? KM_GUARD : 0));
    KASSERT(block[i], "no kernel memory for block %u", i);
    fill(i);
}

static void put(unsigned i)
{
    compare(i);
    lab_forbid();
    kmem_free(map_of(i), block[i], size_of[i]);
    uint64_t allocs = lab_allow();
    KTEST_CHECK(allocs == 0, "freeing block %u allocated", i);
    lab_report.unmap_allocs += allocs;
    lab_report.unmaps++;
    block[i] = NULL;
}

// Blocks of kernel memory come, and go while the "may not sleep" depth is raised.
KTEST(lab_map_kmem)
{
    struct rng r = lab_rng(0);

    lab_point("before");
    for (unsigned i = 0; i < BLOCKS; i++)
        get(i, &r);
    lab_point("full");
    for (unsigned n = 0; n < 3000; n++) {
        unsigned i = (unsigned)rng_below(&r, BLOCKS);
        if (block[i])
            put(i);
        else
            get(i, &r);
    }
    lab_point("worked");
    for (unsigned i = 0; i < BLOCKS; i++)
        if (block[i])
            put(i);
    lab_point("end");
}
