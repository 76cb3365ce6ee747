// SPDX-License-Identifier: BSD-2-Clause
//
// Rights: a mapping has those of its entry, whoever else has the page, but for writing.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

static uint64_t words;

static void allow(unsigned n, unsigned first, unsigned end, vm_prot_t prot)
{
    int error = vm_mprotect(lab_space[n], lab_va(first), (end - first) * PAGE_SIZE, prot);

    KASSERT(!error, "mprotect: error %d", error);
}

// The access is let through, and no more than the entry allows is.
static void expect_right(unsigned n, unsigned page, vm_prot_t access, vm_prot_t most)
{
    paddr_t pa;
    vm_prot_t prot = PROT_NONE;
    int error = vm_fault(&lab_space[n]->map, lab_va(page), access);
    bool mapped = pmap_extract(lab_space[n]->pmap, lab_va(page), &pa, &prot);

    KTEST_CHECK(!error && mapped && !(access & ~prot),
                "page %u of space %u, access %#x: error %d, and it is mapped with rights %#x", page,
                n, access, error, mapped ? prot : 0);
    KTEST_CHECK(!(prot & ~most),
                "page %u of space %u is mapped with rights %#x, of %#x that it has", page, n, prot,
                most);
}

// Pages that both have, that one has written since, and that nobody has: read, and executed.
static void look_at_all(unsigned npages, vm_prot_t prot)
{
    static const vm_prot_t accesses[] = {PROT_EXEC, PROT_READ, PROT_EXEC};

    for (unsigned n = 0; n < 2; n++)
        allow(n, 0, npages, prot);
    for (unsigned i = 0; i < 3 * npages; i++)
        for (unsigned n = 0; n < 2; n++)
            if (!(accesses[i % 3] & ~prot))
                expect_right(n, i / 3, accesses[i % 3], prot);
}

static void fork_code(unsigned nwritten, bool file)
{
    enum { N = 24 };

    lab_begin(N);
    lab_below = file ? anon_object_create(N) : NULL;
    KASSERT(lab_below || !file, "no memory for an object");
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, nwritten, &words);
    lab_fork(0, 1);
    look_at_all(N, PROT_ALL);
    for (unsigned i = 0; i < nwritten; i += 3)
        lab_write(i / 3 % 2, i, ++words);
    look_at_all(N, PROT_ALL);
    look_at_all(N, PROT_READ | PROT_EXEC);
    look_at_all(N, PROT_RW);
    look_at_all(N, PROT_READ);
    lab_read_all();
    if (file)
        vm_object_unref(lab_below);
    lab_below = NULL;
    lab_end();
}

KTEST(lab_anon_rights)
{
    fork_code(20, false);
    fork_code(4, false);
    fork_code(20, true);
    fork_code(0, true);
}

// Pages that were read before anybody wrote them: shown to both, and written by one. Behind so many
// that were written: a fork may copy an amap of few pages at once, and need not one of many.
static void read_untouched(unsigned full)
{
    const unsigned first = full, mid = full + 20, end = full + 30;

    lab_begin(end);
    lab_new_space(0);
    lab_map(0, 0, end);
    lab_fill(0, 0, full, &words);
    lab_fork(0, 1);
    for (unsigned i = first; i < end; i++)
        lab_read_untouched(i % 2, i);
    lab_point("read");
    for (unsigned i = first; i < mid; i++)
        lab_write(i % 3 == 0, i, ++words);
    lab_point("written");
    for (unsigned i = first; i < mid; i++)
        lab_read_untouched(i % 3 != 0, i);
    lab_point("read");
    lab_fork(1, 2);
    for (unsigned i = mid; i < end; i++)
        lab_write(2, i, ++words);
    for (unsigned i = mid; i < end; i++)
        lab_read_untouched(1, i);
    lab_point("written");
    lab_end();
}

KTEST(lab_anon_zeroes)
{
    read_untouched(10);
    read_untouched(200);
}
