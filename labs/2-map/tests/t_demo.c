// SPDX-License-Identifier: BSD-2-Clause
//
// What the lecture's demonstration shows: few blocks in a small map, a step at a time. Not graded.

#include "lab_map.h"
#include "lib/ktest.h"
#include "vm/vm_space.h"

#define SHOWN 44u // pages of the map that is drawn

static vaddr_t page(unsigned n)
{
    return lab_map[0]->min_va + n * PAGE_SIZE;
}

// Slots are named A, B, C... on the screen.
KTEST(lab_map_demo_merge)
{
    lab_make_kernel_map(0, SHOWN);
    lab_alloc(0, 0, LAB_QUANTUM, page(0), 6);
    lab_quick_point("one");
    lab_alloc(0, 1, LAB_QUANTUM, page(6), 6);
    lab_quick_point("neighbours");
    lab_alloc(0, 2, LAB_QUANTUM, page(18), 6);
    lab_quick_point("apart");
    lab_alloc(0, 3, LAB_QUANTUM, page(12), 6);
    lab_quick_point("filled");
    lab_alloc(0, 4, LAB_GUARD, page(24), 6);
    lab_alloc(0, 5, LAB_GUARD, page(30), 6);
    lab_quick_point("guards");
    lab_free(1);
    lab_quick_point("middle");
    lab_free(0);
    lab_quick_point("first");
    lab_free(2);
    lab_quick_point("last");
    lab_destroy_maps();
}

KTEST(lab_map_demo_counter)
{
    lab_make_kernel_map(0, SHOWN);
    lab_alloc(0, 0, LAB_QUANTUM, page(0), 6);
    lab_alloc(0, 1, LAB_QUANTUM, page(6), 6);
    lab_alloc(0, 2, LAB_QUANTUM, page(12), 6);
    lab_alloc(0, 3, LAB_PLAIN, page(22), 18);
    lab_quick_point("mapped");
    vm_map_unmap(lab_map[0], page(28), page(34));
    lab_slot[3].len = 6 * PAGE_SIZE;
    lab_slot[4] = (struct lab_slot){0, page(34), 6 * PAGE_SIZE, LAB_PLAIN};
    lab_quick_point("split");
    lab_free(1);
    lab_quick_point("freed");
    lab_destroy_maps();
}

KTEST(lab_map_demo_program)
{
    struct vm_space *vs = lab_make_space(0);
    vaddr_t va = LAB_USER_VA;

    for (unsigned i = 0; i < SHOWN; i += 4, va += 4 * PAGE_SIZE)
        vm_mmap(vs, &va, 4 * PAGE_SIZE, PROT_RW, PROT_ALL,
                LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0);
    lab_quick_point("eleven");
    vm_mprotect(vs, LAB_USER_VA + 12 * PAGE_SIZE, 16 * PAGE_SIZE, PROT_READ);
    lab_quick_point("read-only");
    vm_mprotect(vs, LAB_USER_VA + 12 * PAGE_SIZE, 16 * PAGE_SIZE, PROT_RW);
    lab_quick_point("and-back");
    vm_munmap(vs, LAB_USER_VA + 18 * PAGE_SIZE, 6 * PAGE_SIZE);
    lab_quick_point("hole");
    lab_destroy_maps();
}
