// SPDX-License-Identifier: BSD-2-Clause
//
// Quanta that come apart, as they differ, and agree once their attributes are changed: what merging
// leaves over then is kept as it is where they agree from the beginning; and nobody looks at it
// before it is needed. One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "tests/kernel/watch.h"

#define BLOCKS 3u
#define LEN    4u // pages of a block

static vaddr_t block_va(unsigned i)
{
    return lab_map[0]->min_va + (64 + i * LEN) * PAGE_SIZE;
}

// Each of the blocks has its own advice.
static void map_apart(unsigned slot)
{
    struct vm_map_req req = lab_req(LAB_QUANTUM, block_va(slot), LEN);

    req.attr.advice = (uint8_t)slot;
    int error = vm_map_map(lab_map[0], &req);
    KASSERT(!error, "mapping block %u: error %d", slot, error);
    lab_slot[slot] = (struct lab_slot){0, req.va, req.len, LAB_QUANTUM};
    lab_report.mapped++;
}

static void advise(unsigned slot, enum vm_advice advice)
{
    vaddr_t va = lab_slot[slot].va;

    int error = vm_map_advise(lab_map[0], va, va + lab_slot[slot].len, advice);
    KTEST_CHECK(error == 0, "changing the advice of block %u: error %d", slot, error);
}

// Three come apart, in each order they agree, and in each order they go.
KTEST(lab_map_back)
{
    static const uint8_t order[][BLOCKS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                            {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    lab_make_kernel_map(0, 1024);
    for (unsigned change = 0; change < 6; change++) {
        for (unsigned go = 0; go < 6; go++) {
            for (unsigned i = 0; i < BLOCKS; i++)
                map_apart(i);
            for (unsigned i = 0; i < BLOCKS; i++)
                advise(order[change][i], ADVICE_NORMAL);
            if (go == 0)
                lab_quick_point("back");
            advise(order[change][0], ADVICE_RANDOM); // a part of an entry, if it is one
            advise(order[change][0], ADVICE_NORMAL);
            if (go == 0)
                lab_quick_point("again");
            for (unsigned i = 0; i < BLOCKS; i++) {
                lab_free(order[go][i]);
                if (change == 0)
                    lab_quick_point("gone");
            }
        }
    }
    lab_destroy_maps();
    lab_point("end");
}

// ---- what is in the reserve ----

static unsigned nlooks;
static vaddr_t looked_at_rip;

static void count_look(vaddr_t rip)
{
    nlooks++;
    looked_at_rip = rip;
}

// Whoever looks at the range of an entry in the reserve has a pointer from the time when it was one
// of the map's.
static void watch_reserve(void)
{
    struct list *reserve = &lab_map[0]->reserve;

    nlooks = 0;
    if (list_empty(reserve))
        return;
    struct vm_map_entry *e = list_first(reserve, struct vm_map_entry, link);
    watch_words(&e->start_va, 2, WATCH_ALL, count_look);
}

static void check_looks(const char *who)
{
    watch_off();
    KTEST_CHECK(nlooks == 0,
                "%s looks at the range of an entry that is in the map's reserve, %u times, before "
                "%#lx",
                who, nlooks, looked_at_rip);
}

// Beside what was merged something is looked up, mapped and changed that agrees with none of it: on
// which side, and which block was merged last, is tried in all ways. What maps, or changes what is
// no quantum, has no business with the reserve.
static void use_beside(unsigned last, bool above)
{
    vaddr_t va = above ? block_va(2) : block_va(0) - LEN * PAGE_SIZE;
    struct vm_map_req req = lab_req(LAB_PLAIN, va, LEN);
    struct vm_map_entry *e;

    for (unsigned i = 0; i < 2; i++)
        map_apart(i ^ last);
    advise(1, ADVICE_NORMAL);
    lab_quick_point("merged");
    watch_reserve();
    rw_lock_read(&lab_map[0]->lock);
    vm_map_lookup(lab_map[0], block_va(1), &e);
    rw_unlock_read(&lab_map[0]->lock);
    check_looks("vm_map_lookup");
    watch_reserve();
    int error = vm_map_map(lab_map[0], &req);
    check_looks("map_entry_link");
    KASSERT(!error, "mapping at %#lx: error %d", va, error);
    watch_reserve();
    error = vm_map_advise(lab_map[0], va + PAGE_SIZE, va + 2 * PAGE_SIZE, ADVICE_RANDOM);
    check_looks("a change of a plain mapping");
    KTEST_CHECK(error == 0, "changing a page at %#lx: error %d", va, error);
    watch_reserve();
    error = vm_map_unmap(lab_map[0], va, va + LEN * PAGE_SIZE);
    check_looks("unmapping a plain mapping");
    KTEST_CHECK(error == 0, "unmapping at %#lx: error %d", va, error);
    for (unsigned i = 0; i < 2; i++)
        lab_free(i);
}

KTEST(lab_map_unseen)
{
    lab_make_kernel_map(0, 1024);
    for (unsigned i = 0; i < 4 && !ktest_failed(); i++)
        use_beside(i & 1, i & 2);
    lab_point("used");
    lab_destroy_maps();
    lab_point("end");
}
