// SPDX-License-Identifier: BSD-2-Clause
//
// A private mapping of a file: what its process writes never reaches the file, nor does the file
// get room for it.

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

    nasked++;
    nasked_to_write += (access & PROT_WRITE) != 0;
    if (!error) // as a file's page is that has no room yet
        (*pg)->flags &= ~(unsigned)(PG_BACKED | PG_DIRTY);
    return error;
}

static void map_file(struct vm_object *o)
{
    vaddr_t va = LAB_VA;

    vm_object_ref(o);
    int error = vm_mmap(lab_space[0], &va, N * PAGE_SIZE, PROT_RW, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, o, 0);
    KASSERT(!error, "mmap: error %d", error);
}

static void write_all(uint64_t word)
{
    for (unsigned i = 0; i < N; i++) {
        int error = vm_fault(&lab_space[0]->map, lab_va(i), PROT_WRITE);
        uint64_t *at = lab_word(lab_space[0], lab_va(i));
        KTEST_CHECK(!error && at, "writing page %u of a private mapping: error %d", i, error);
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
    struct vm_pager_ops ops;

    lab_begin(0);
    lab_new_space(0);
    struct vm_object *o = anon_object_create(N);
    KASSERT(o, "no memory for an object");
    ops = *(pager = o->ops);
    ops.get = get_counted;
    o->ops = &ops;
    nasked = nasked_to_write = 0;
    map_file(o);
    for (unsigned i = 0; i < N && read_first; i += 2) {
        int error = vm_fault(&lab_space[0]->map, lab_va(i), PROT_READ);
        KTEST_CHECK(!error, "reading page %u: error %d", i, error);
    }
    write_all(1);
    KTEST_CHECK(nasked && !nasked_to_write,
                "the pager is asked %u times, %u to write: only a private mapping was written",
                nasked, nasked_to_write);
    expect_untouched(o);
    lab_exit(0);
    o->ops = pager;
    vm_object_unref(o);
    lab_point("end");
}

KTEST(lab_anon_private)
{
    write_private(false);
    write_private(true);
}
