// SPDX-License-Identifier: BSD-2-Clause
//
// Written pages that a process and its child share, to copy or to write to: parts of them change
// and change back, in both maps. The judge counts entries, the guest compares pages. One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/vm_space.h"

#define NPAGES 64u

// Parts of NPAGES pages change and change back: rights, advice and what a child gets.
static void change_back(struct vm_map *map, enum vm_inherit inherit)
{
    vaddr_t va = LAB_USER_VA, at = va + 8 * PAGE_SIZE, end_va = at + 8 * PAGE_SIZE;
    int error = 0;

    for (unsigned i = 0; i < 2; i++) {
        error |= vm_map_protect(map, at, end_va, i ? PROT_RW : PROT_READ);
        error |= vm_map_advise(map, va, at, i ? ADVICE_NORMAL : ADVICE_RANDOM);
        error |= vm_map_inherit(map, at, end_va, i ? inherit : INHERIT_NONE);
    }
    KTEST_CHECK(error == 0, "changes of parts and back: errors %#x", error);
}

static void change_both(enum vm_inherit inherit)
{
    for (unsigned n = 0; n < 2; n++)
        change_back(lab_map[n], inherit);
}

// A child has the same amap, to copy or to write to: what was one entry is one again, in both maps,
// before either has written and after. A copy does not see what the other one writes.
static void with_child(enum vm_inherit inherit)
{
    struct vm_space *vs = lab_make_space(0), *child = NULL;
    vaddr_t va = lab_map_private(vs, LAB_USER_VA, NPAGES);
    bool copy = inherit == INHERIT_COPY;

    for (unsigned i = 0; i < NPAGES; i++)
        lab_poke(vs, va + i * PAGE_SIZE, i);
    int error = vm_map_inherit(&vs->map, va, va + NPAGES * PAGE_SIZE, inherit);
    KASSERT(!error, "inherit %u: error %d", inherit, error);
    error = vm_space_fork(vs, &child);
    KASSERT(!error, "fork: error %d", error);
    lab_map[1] = &child->map;
    change_both(inherit);
    lab_point("forked");
    for (unsigned i = 0; i < NPAGES; i++)
        lab_poke(i & 1 ? vs : child, va + i * PAGE_SIZE, i + NPAGES);
    change_both(inherit);
    lab_point("written");
    for (unsigned i = 0; i < NPAGES; i++) {
        lab_expect_word(vs, va + i * PAGE_SIZE, copy && !(i & 1) ? i : i + NPAGES);
        lab_expect_word(child, va + i * PAGE_SIZE, copy && i & 1 ? i : i + NPAGES);
    }
    lab_map[1] = NULL;
    vm_space_unref(child);
    change_back(&vs->map, inherit);
    lab_point("alone");
    lab_destroy_maps();
}

KTEST(lab_map_forked)
{
    with_child(INHERIT_COPY);
    with_child(INHERIT_SHARE);
    lab_point("end");
}
