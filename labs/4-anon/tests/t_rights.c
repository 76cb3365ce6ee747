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

// ---- what nobody else has, and what is write-protected ----

// Each access to what nobody else has maps it with all rights of its entry: the next one takes no
// fault, whatever it is.
static void expect_all_rights(unsigned n, unsigned npages, const char *which)
{
    static const vm_prot_t accesses[] = {PROT_READ, PROT_EXEC, PROT_WRITE, PROT_READ};

    for (unsigned i = 0; i < 2 * npages; i++) {
        paddr_t pa;
        vm_prot_t prot = PROT_NONE, all = i < npages ? PROT_ALL : PROT_RW;
        vm_prot_t access = i < npages ? accesses[i % 4] : PROT_READ;
        unsigned page = i % npages;
        if (page == 0) {
            pmap_remove(lab_space[n]->pmap, lab_va(0), lab_va(npages));
            allow(n, 0, npages, all);
        }
        int error = vm_fault(&lab_space[n]->map, lab_va(page), access);
        bool mapped = pmap_extract(lab_space[n]->pmap, lab_va(page), &pa, &prot);
        KTEST_CHECK(!error && mapped && prot == all,
                    "page %u of space %u, %s, which nobody else has, is mapped with rights %#x by "
                    "an access %#x, not with the %#x of its entry: error %d",
                    page, n, which, mapped ? prot : 0, access, all, error);
    }
}

static void begin_fork(unsigned npages)
{
    lab_begin_full(npages, &words);
    lab_fork(0, 1);
}

// The first write to each part of it makes the amap its own.
static void write_some(unsigned n, unsigned npages)
{
    for (unsigned i = 0; i < npages; i += 4)
        lab_write(n, i, ++words);
}

static void look_alone(unsigned npages)
{
    lab_begin(npages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    expect_all_rights(0, npages, "untouched");
    lab_end();
    lab_begin_full(npages, &words);
    expect_all_rights(0, npages, "its own");
    lab_end();
    for (unsigned gone = 0; gone < 2; gone++) {
        begin_fork(npages);
        lab_exit(gone);
        write_some(!gone, npages);
        expect_all_rights(!gone, npages, gone ? "a child's before" : "its parent's before");
        lab_end();
    }
    begin_fork(npages);
    lab_fill(0, 0, npages, &words); // the parent has copies, and the child what was there
    write_some(1, npages);
    expect_all_rights(0, npages, "copied");
    expect_all_rights(1, npages, "left to a child");
    lab_read_all();
    lab_end();
    lab_begin_full(npages, &words);
    lab_inherit(0, 0, npages, true);
    lab_fork(0, 1);
    expect_all_rights(1, npages, "its own and a sharer's");
    expect_all_rights(0, npages, "its own and a sharer's");
    lab_read_all();
    lab_end();
}

// A page of a shared mapping that is dirty: it was written through another mapping of it.
static void look_shared(unsigned npages)
{
    struct vm_object *o = lab_start_object(npages);

    for (unsigned n = 0; n < 2; n++) {
        vaddr_t va = LAB_VA;
        if (n)
            lab_new_space(n);
        vm_object_ref(o);
        int error = vm_mmap(lab_space[n], &va, npages * PAGE_SIZE, PROT_RW, PROT_ALL,
                            LINUX_MAP_SHARED | LINUX_MAP_FIXED, o, 0);
        KASSERT(!error, "mmap: error %d", error);
    }
    for (unsigned i = 0; i < npages; i++)
        lab_write_at(0, lab_va(i), ++words);
    expect_all_rights(1, npages, "of a shared mapping, dirty");
    vm_object_unref(o);
    lab_end();
}

// What is mapped still has all rights but that to write, without a fault.
static void expect_kept(unsigned n, unsigned npages, const char *when)
{
    for (unsigned i = 0; i < npages; i++) {
        paddr_t pa;
        vm_prot_t prot;
        if (pmap_extract(lab_space[n]->pmap, lab_va(i), &pa, &prot))
            KTEST_CHECK((prot | PROT_WRITE) == PROT_ALL,
                        "page %u of space %u is mapped with rights %#x after %s: of %#x it may "
                        "lose that to write, and no other",
                        i, n, prot, when, PROT_ALL);
    }
}

// All pages of it are mapped with all rights, in an entry that has them.
static void map_all(unsigned n, unsigned npages)
{
    allow(n, 0, npages, PROT_ALL);
    for (unsigned i = 0; i < npages; i++) {
        lab_write(n, i, ++words);
        int error = vm_fault(&lab_space[n]->map, lab_va(i), PROT_EXEC);
        KASSERT(!error, "error %d", error);
    }
}

static void protect(unsigned npages, bool share, bool wire)
{
    lab_begin_full(npages, &words);
    if (share) {
        lab_inherit(0, 0, npages, true);
        lab_fork(0, 1);
        lab_inherit(0, 0, npages, false);
        map_all(1, npages);
    }
    if (wire)
        lab_wire(0, 0, npages, true);
    map_all(0, npages);
    lab_fork(0, 2);
    expect_kept(0, npages, "a fork");
    lab_fork(0, 3);
    expect_kept(0, npages, "two forks");
    if (share)
        expect_kept(1, npages, "a fork of who shares it for good");
    map_all(2, npages);
    lab_fork(2, 4);
    expect_kept(2, npages, "a fork");
    for (unsigned i = 0; i < npages; i += 3)
        lab_write(4, i, ++words);
    lab_discard(3, 0, npages);
    expect_kept(0, npages, "others' writes");
    expect_kept(2, npages, "others' writes");
    lab_read_all();
    lab_end();
}

KTEST(lab_anon_kept)
{
    static const unsigned sizes[] = {6, 60};

    for (unsigned i = 0; i < array_len(sizes); i++) {
        look_alone(sizes[i]);
        look_shared(sizes[i]);
        for (unsigned kind = 0; kind < 4; kind++)
            protect(sizes[i], kind % 2, kind / 2);
    }
}

// ---- zeroes ----

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
