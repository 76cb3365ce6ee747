// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that the model does not know: of any length, and what it shows is said at each look.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

struct vm_object *lab_start_object(pgno_t npages)
{
    lab_begin(0);
    lab_new_space(0);
    struct vm_object *o = npages ? anon_object_create(npages) : NULL;
    KASSERT(o || !npages, "no memory for an object");
    return o;
}

void lab_map_private(unsigned n, size_t len, struct vm_object *o)
{
    vaddr_t va = LAB_VA;

    if (o)
        vm_object_ref(o);
    int error = vm_mmap(lab_space[n], &va, len, PROT_RW, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | (o ? 0 : LINUX_MAP_ANONYMOUS), o, 0);
    KASSERT(!error, "%zu bytes: error %d", len, error);
}

void lab_write_at(unsigned n, vaddr_t va, uint64_t word)
{
    int error = vm_fault(&lab_space[n]->map, va, PROT_WRITE);
    uint64_t *at = lab_word(lab_space[n], va);

    KTEST_CHECK(!error && at, "writing %#lx of space %u: error %d", va, n, error);
    if (at)
        *at = word;
}

void lab_expect_at(unsigned n, vaddr_t va, uint64_t word)
{
    const uint64_t *at = lab_word(lab_space[n], va);
    int error = at ? 0 : vm_fault(&lab_space[n]->map, va, PROT_READ);

    at = lab_word(lab_space[n], va);
    KTEST_CHECK(!error && at && *at == word, "%#lx of space %u: error %d, %#lx, not %#lx%s", va, n,
                error, at ? *at : 0, word, lab_why(at ? *at : word, word, false));
}
