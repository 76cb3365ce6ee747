// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel memory is freed without sleeping or allocating, whoever has the map locked.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include "lib/shim.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/kmem.h"
#include "vm/vm_map.h"

// Freed while another has the map locked: neither sleeps nor allocates; found again later.
static void test_kmem_free_locked(void)
{
    uint64_t free_before = machine_free_pages();
    void *blocks[30];

    for (unsigned i = 0; i < array_len(blocks); i++)
        blocks[i] = kmem_alloc(kernel_map, (1 + i % 3) * PAGE_SIZE, 0, i % 2 ? KM_GUARD : 0);
    unsigned nquanta = kernel_map->nquanta;
    nosleep_enter();
    for (unsigned i = 0; i < array_len(blocks); i += 3)
        kmem_free(kernel_map, blocks[i], (1 + i % 3) * PAGE_SIZE);
    nosleep_exit();
    CHECK(kernel_map->nquanta == nquanta - 10, "%u quanta", kernel_map->nquanta);
    rw_lock_read(&kernel_map->lock);
    nosleep_enter();
    for (unsigned i = 1; i < array_len(blocks); i += 3)
        kmem_free(kernel_map, blocks[i], (1 + i % 3) * PAGE_SIZE);
    nosleep_exit();
    CHECK(kernel_map->nquanta == nquanta - 10, "%u quanta", kernel_map->nquanta);
    rw_unlock_read(&kernel_map->lock);
    kmem_drain();
    CHECK(kernel_map->nquanta == nquanta - 20, "%u quanta", kernel_map->nquanta);
    machine_check();
    for (unsigned i = 2; i < array_len(blocks); i += 3)
        kmem_free(kernel_map, blocks[i], (1 + i % 3) * PAGE_SIZE);
    machine_check();
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    RUN(test_kmem_free_locked);
    return shim_done();
}
