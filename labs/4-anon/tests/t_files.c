// SPDX-License-Identifier: BSD-2-Clause
//
// A private mapping of a file: what its process writes never reaches the file, nor does the file
// get room for it. A shared one: the file gets room for what is written, and for nothing else.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

enum { N = 4 };

static const struct vm_pager_ops *pager;
static unsigned nasked, nasked_to_write;

static int get_counted(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                       struct vm_page **pg)
{
    int error = pager->get(o, pgno, access, overwrite, pg);

    KTEST_CHECK(!overwrite, "page %lu of a file is asked for as if all of it were written", pgno);
    nasked++;
    nasked_to_write += (access & PROT_WRITE) != 0;
    if (!error && access & PROT_WRITE)
        (*pg)->flags |= PG_BACKED;
    else if (!error) // as a file's page is that has no room yet
        (*pg)->flags &= ~(unsigned)(PG_BACKED | PG_DIRTY);
    return error;
}

static struct vm_pager_ops counted;

// A space that maps a file of N pages, whose pager counts.
static struct vm_object *start_file(unsigned kind)
{
    vaddr_t va = LAB_VA;

    lab_begin(0);
    lab_new_space(0);
    struct vm_object *o = anon_object_create(N);
    KASSERT(o, "no memory for an object");
    counted = *(pager = o->ops);
    counted.get = get_counted;
    o->ops = &counted;
    nasked = nasked_to_write = 0;
    vm_object_ref(o);
    int error =
        vm_mmap(lab_space[0], &va, N * PAGE_SIZE, PROT_ALL, PROT_ALL, kind | LINUX_MAP_FIXED, o, 0);
    KASSERT(!error, "mmap: error %d", error);
    return o;
}

static void end_file(struct vm_object *o)
{
    lab_exit(0);
    o->ops = pager;
    vm_object_unref(o);
    lab_point("end");
}

static void look_at(unsigned page, vm_prot_t access)
{
    int error = vm_fault(&lab_space[0]->map, lab_va(page), access);

    KTEST_CHECK(!error, "reading page %u: error %d", page, error);
}

static void write_all(uint64_t word)
{
    for (unsigned i = 0; i < N; i++) {
        int error = vm_fault(&lab_space[0]->map, lab_va(i), PROT_WRITE);
        uint64_t *at = lab_word(lab_space[0], lab_va(i));
        KTEST_CHECK(!error && at, "writing page %u of a file's mapping: error %d", i, error);
        if (at)
            *at = word;
    }
}

static void expect_untouched(struct vm_object *o)
{
    mutex_lock(&o->lock);
    for (unsigned i = 0; i < N; i++) {
        struct vm_page *pg = vm_object_lookup(o, i);
        uint64_t word = pg ? *(uint64_t *)page_to_dmap(pg) : 0;
        KTEST_CHECK(!word && !(pg && pg->flags & PG_DIRTY),
                    "page %u of a file holds %#lx, and is %s: only a private mapping was written",
                    i, word, pg && pg->flags & PG_DIRTY ? "dirty" : "clean");
    }
    mutex_unlock(&o->lock);
}

// No page is in memory; some are there because they were read before.
static void write_private(bool read_first)
{
    struct vm_object *o = start_file(LINUX_MAP_PRIVATE);

    for (unsigned i = 0; i < N && read_first; i += 2)
        look_at(i, PROT_READ);
    write_all(1);
    KTEST_CHECK(nasked && !nasked_to_write,
                "the pager is asked %u times, %u to write: only a private mapping was written",
                nasked, nasked_to_write);
    expect_untouched(o);
    end_file(o);
}

KTEST(lab_anon_private)
{
    write_private(false);
    write_private(true);
}

// Pages that may be written are read and executed, the first time and again; then they are written.
KTEST(lab_anon_looked_at)
{
    struct vm_object *o = start_file(LINUX_MAP_SHARED);

    for (unsigned i = 0; i < 2 * N; i++)
        look_at(i / 2, i % 4 < 2 ? PROT_READ : PROT_EXEC);
    KTEST_CHECK(nasked && !nasked_to_write,
                "the pager is asked %u times, %u to write: a shared mapping was only read", nasked,
                nasked_to_write);
    write_all(1);
    KTEST_CHECK(nasked_to_write == N,
                "%u pages of a shared mapping are written: %u times the pager is asked for room", N,
                nasked_to_write);
    end_file(o);
}
