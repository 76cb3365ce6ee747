// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of faults: each case, files that shrink or fail, what a map that changes during I/O
// does to a fault, the page daemon without swap, and every allocation failing once. See test_swap.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "pmap/pmap.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/pageout.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define BASE  0x10000000ul
#define ANON  (LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED)
#define NFILE 40

static struct vm_space *vs;
static struct test_file *file;
static uint64_t free_before;

static void begin(void)
{
    free_before = machine_free_pages();
    vs = vm_space_create();
    file = file_create(NFILE);
}

static void end(void)
{
    if (vs)
        vm_space_unref(vs);
    CHECK(file->object->nrefs == 1, "%lu references to the file", file->object->nrefs);
    file_destroy(file);
    CHECK(fake_pmap_mappings() == 0, "%lu mappings", fake_pmap_mappings());
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    machine_check();
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

static vaddr_t map(vaddr_t va, unsigned npages, vm_prot_t prot, unsigned flags)
{
    struct vm_object *o = flags & LINUX_MAP_ANONYMOUS ? NULL : file->object;

    if (o)
        vm_object_ref(o);
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, prot, PROT_ALL, flags, o, 0);
    CHECK(error == 0, "mmap: %d", error);
    return va;
}

static uint64_t load(vaddr_t va)
{
    uint64_t value = 0;
    int error = user_load(vs, va, &value);

    CHECK(error == 0, "load at %#lx: %d", va, error);
    return value;
}

static void store(vaddr_t va, uint64_t value)
{
    int error = user_store(vs, va, value);

    CHECK(error == 0, "store at %#lx: %d", va, error);
}

static void test_anonymous(void)
{
    begin();
    map(BASE, 4, PROT_RW, ANON | LINUX_MAP_PRIVATE);
    CHECK(load(BASE) == 0, "%#lx", load(BASE));
    store(BASE, 7);
    store(BASE + PAGE_SIZE, 8);
    CHECK(load(BASE) == 7 && load(BASE + PAGE_SIZE) == 8, "lost");
    CHECK(user_store(vs, BASE + 4 * PAGE_SIZE, 1) == EFAULT, "beyond the end");
    CHECK(vm_mprotect(vs, BASE, PAGE_SIZE, PROT_READ) == 0, "mprotect");
    CHECK(user_store(vs, BASE, 1) == EACCES, "read-only");
    CHECK(vm_mprotect(vs, BASE, PAGE_SIZE, PROT_NONE) == 0, "mprotect");
    CHECK(user_load(vs, BASE, &free_before) == EACCES, "PROT_NONE");
    CHECK(vm_mprotect(vs, BASE, PAGE_SIZE, PROT_RW) == 0, "mprotect");
    CHECK(load(BASE) == 7, "%lu", load(BASE));
    CHECK(vm_madvise(vs, BASE, 4 * PAGE_SIZE, 4) == 0, "DONTNEED");
    CHECK(load(BASE) == 0, "%#lx after DONTNEED", load(BASE));
    free_before = free_before;
    vm_space_unref(vs);
    vs = NULL;
    free_before = machine_free_pages();
    end();
}

static void test_file_cases(void)
{
    begin();
    vaddr_t shared = map(BASE, 20, PROT_RW, LINUX_MAP_SHARED | LINUX_MAP_FIXED);
    vaddr_t private = map(BASE * 2, 20, PROT_RW, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED);

    CHECK(load(shared) == file_word(0), "%#lx", load(shared));
    CHECK(load(private + 5 * PAGE_SIZE) == file_word(5), "page 5");
    store(private + 5 * PAGE_SIZE, 55); // 2B
    CHECK(load(shared + 5 * PAGE_SIZE) == file_word(5), "a private write is seen");
    store(shared + 6 * PAGE_SIZE, 66); // 2A
    CHECK(load(private + 6 * PAGE_SIZE) == 66, "a shared write is not seen");
    CHECK(vm_msync(vs, shared, 20 * PAGE_SIZE, 4) == 0, "msync");
    CHECK(*file_disk(file, 6) == 66 && *file_disk(file, 5) == file_word(5), "on disk");
    store(shared + 6 * PAGE_SIZE, 67); // write-protected by the put: noticed again
    CHECK(vm_msync(vs, shared, 20 * PAGE_SIZE, 4) == 0, "msync");
    CHECK(*file_disk(file, 6) == 67, "%lu on disk", *file_disk(file, 6));

    file_truncate(file, 3);
    uint64_t value;
    CHECK(user_load(vs, shared + 6 * PAGE_SIZE, &value) == ENXIO, "truncated");
    CHECK(user_load(vs, private + 7 * PAGE_SIZE, &value) == ENXIO, "truncated");
    CHECK(load(private + 5 * PAGE_SIZE) == 55, "a private page survives truncation");
    CHECK(load(shared + PAGE_SIZE) == file_word(1), "page 1");
    file->get_error = EIO;
    CHECK(user_load(vs, shared + PAGE_SIZE, &value) == 0, "resident: no read");
    file_truncate(file, 0);
    file->npages = 3;
    CHECK(user_load(vs, shared + PAGE_SIZE, &value) == EIO, "read error");
    file->get_error = ENOSPC;
    CHECK(user_store(vs, shared + PAGE_SIZE, 1) == EIO, "full disk");
    end();
}

// ---- the map changes during I/O ----

static void unmap_it(void)
{
    CHECK(vm_munmap(vs, BASE, 20 * PAGE_SIZE) == 0, "munmap");
}

static void write_it(void)
{
    file->in_get = NULL;
    store(BASE + 2 * PAGE_SIZE, 99); // of another page: the entry gets its amap
}

static void remap_it(void)
{
    file->in_get = NULL;
    map(BASE, 20, PROT_RW, ANON | LINUX_MAP_PRIVATE);
    store(BASE, 5);
}

static void test_changes_during_io(void)
{
    uint64_t value;

    begin();
    map(BASE, 20, PROT_RW, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED);
    file->in_get = unmap_it;
    CHECK(user_load(vs, BASE, &value) == EFAULT, "unmapped meanwhile");
    map(BASE, 20, PROT_RW, LINUX_MAP_SHARED | LINUX_MAP_FIXED);
    file_truncate(file, 0);
    file->npages = NFILE;
    file->in_get = remap_it;
    CHECK(load(BASE) == 5, "replaced meanwhile: %lu", load(BASE));
    map(BASE, 20, PROT_RW, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED);
    file_truncate(file, 0);
    file->npages = NFILE;
    file->in_get = write_it;
    CHECK(load(BASE) == file_word(0), "%#lx", load(BASE));
    CHECK(load(BASE + 2 * PAGE_SIZE) == 99, "%#lx", load(BASE + 2 * PAGE_SIZE));
    end();
}

// ---- the stack, wiring, fork ----

static void test_stack(void)
{
    vaddr_t top = 0x7ffff000000ul;

    begin();
    CHECK(vm_stack_map(vs, top, 1ul << 20) == 0, "stack");
    store(top - 8, 1);
    store(top - 300 * 1024, 2);
    store(top - (1ul << 20), 3);
    CHECK(user_store(vs, top - (1ul << 20) - 8, 4) == EFAULT, "beyond the limit");
    CHECK(load(top - 8) == 1 && load(top - 300 * 1024) == 2, "lost");
    end();
}

static void test_wiring(void)
{
    struct vm_page_stats st;

    begin();
    map(BASE, 10, PROT_RW, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED);
    load(BASE + PAGE_SIZE);
    CHECK(vm_mlock(vs, BASE, 8 * PAGE_SIZE, true) == 0, "mlock");
    store(BASE + PAGE_SIZE, 3);
    vm_page_get_stats(&st);
    CHECK(st.nwired == 8, "%lu wired", st.nwired);
    CHECK(vm_mprotect(vs, BASE, PAGE_SIZE, PROT_NONE) == 0, "mprotect");
    CHECK(vm_mlock(vs, BASE + 4 * PAGE_SIZE, 2 * PAGE_SIZE, false) == 0, "munlock");
    vm_page_get_stats(&st);
    CHECK(st.nwired == 5, "%lu wired", st.nwired);
    file_truncate(file, 3);
    CHECK(vm_munmap(vs, BASE, 2 * PAGE_SIZE) == 0, "munmap");
    end();
    vm_page_get_stats(&st);
    CHECK(st.nwired == 0, "%lu wired", st.nwired);
}

static void test_fork(void)
{
    struct vm_space *child;
    uint64_t value;

    begin();
    map(BASE, 4, PROT_RW, ANON | LINUX_MAP_PRIVATE);
    map(BASE * 2, 4, PROT_RW, ANON | LINUX_MAP_SHARED);
    map(BASE * 3, 4, PROT_RW, LINUX_MAP_FIXED | LINUX_MAP_PRIVATE);
    store(BASE, 1);
    store(BASE * 2, 2);
    store(BASE * 3, 3);
    CHECK(vm_madvise(vs, BASE + PAGE_SIZE, PAGE_SIZE, 10) == 0, "DONTFORK");
    uint64_t generation = vs->map.generation;
    CHECK(vm_space_fork(vs, &child) == 0, "fork");
    CHECK(vs->map.generation != generation, "a fault that sleeps does not notice the fork");
    store(BASE, 11);
    store(BASE * 2, 22);
    store(BASE * 3, 33);
    CHECK(user_load(child, BASE, &value) == 0 && value == 1, "private: %lu", value);
    CHECK(user_load(child, BASE * 2, &value) == 0 && value == 22, "shared: %lu", value);
    CHECK(user_load(child, BASE * 3, &value) == 0 && value == 3, "file: %lu", value);
    CHECK(user_load(child, BASE + PAGE_SIZE, &value) == EFAULT, "DONTFORK");
    CHECK(user_store(child, BASE, 111) == 0 && load(BASE) == 11, "child's write is seen");
    vm_space_unref(child);
    end();
}

// Behind shared anonymous memory is an object, as this form of amaps says.
static void test_shared_anonymous(void)
{
    struct vm_map_entry *e;
    struct vm_amap *am;

    begin();
    CHECK(amap_create_shared(4, &am) == EOPNOTSUPP && !am, "an amap");
    map(BASE, 4, PROT_RW, ANON | LINUX_MAP_SHARED);
    store(BASE, 1);
    rw_lock_read(&vs->map.lock);
    CHECK(vm_map_lookup(&vs->map, BASE, &e) && e->attr.object && !e->amap, "amap %p", e->amap);
    rw_unlock_read(&vs->map.lock);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    end();
}

// ---- the page daemon ----

static void test_pageout_without_swap(void)
{
    begin();
    map(BASE, 20, PROT_RW, LINUX_MAP_FIXED | LINUX_MAP_SHARED);
    map(BASE * 2, 4, PROT_RW, ANON | LINUX_MAP_PRIVATE);
    store(BASE * 2, 5);
    store(BASE + 3 * PAGE_SIZE, 33);
    for (unsigned i = 0; i < 20; i++)
        load(BASE + i * PAGE_SIZE);
    uint64_t nfreed = pageout_pass(1000);
    CHECK(nfreed >= 20, "%lu freed", nfreed);
    CHECK(file->object->npages == 0, "%lu pages", file->object->npages);
    CHECK(*file_disk(file, 3) == 33, "not written");
    CHECK(load(BASE + 3 * PAGE_SIZE) == 33 && load(BASE * 2) == 5, "lost");
    end();
}

// ---- every allocation fails once ----

// A little of everything; an operation that fails is left out.
static void work(void)
{
    struct vm_space *child = NULL;
    vaddr_t va = BASE * 5;
    uint64_t value;

    if (!vs)
        vs = vm_space_create();
    if (!vs)
        return;
    va = BASE;
    vm_mmap(vs, &va, 8 * PAGE_SIZE, PROT_RW, PROT_ALL, ANON | LINUX_MAP_PRIVATE, NULL, 0);
    va = BASE * 2;
    vm_mmap(vs, &va, 8 * PAGE_SIZE, PROT_RW, PROT_ALL, ANON | LINUX_MAP_SHARED, NULL, 0);
    va = BASE * 3;
    vm_object_ref(file->object);
    if (vm_mmap(vs, &va, 8 * PAGE_SIZE, PROT_RW, PROT_ALL, LINUX_MAP_FIXED | LINUX_MAP_PRIVATE,
                file->object, 0))
        vm_object_unref(file->object);
    for (unsigned i = 0; i < 4; i++) {
        user_store(vs, BASE + i * PAGE_SIZE, i);
        user_store(vs, BASE * 2 + i * PAGE_SIZE, i);
        user_load(vs, BASE * 3 + 2 * i * PAGE_SIZE, &value);
        user_store(vs, BASE * 3 + i * PAGE_SIZE, i);
    }
    vm_map_inherit(&vs->map, BASE + 2 * PAGE_SIZE, BASE + 6 * PAGE_SIZE, INHERIT_SHARE);
    if (vm_space_fork(vs, &child) == 0) {
        user_store(child, BASE, 9);
        vm_space_unref(child);
    }
    vm_mprotect(vs, BASE + PAGE_SIZE, PAGE_SIZE, PROT_READ);
    vm_munmap(vs, BASE + 3 * PAGE_SIZE, PAGE_SIZE);
    va = 0;
    vm_mremap(vs, BASE * 2, 8 * PAGE_SIZE, 12 * PAGE_SIZE, 0, &va);
    vm_mremap(vs, BASE * 3, 4 * PAGE_SIZE, 20 * PAGE_SIZE, 1, &va);
    vm_brk(vs, BASE * 4 + 5 * PAGE_SIZE);
    vm_mlock(vs, BASE, 3 * PAGE_SIZE, true);
}

static void test_fail_nth(void)
{
    uint64_t n = 0;

    do {
        begin();
        vs->brk_start = vs->brk_end = BASE * 4;
        fail_nth(++n);
        work();
        bool done = fail_nth_done();
        fail_nth(0);
        end();
        if (!done)
            break;
    } while (n < 10000);
    CHECK(n > 50 && n < 10000, "%lu allocations", n);
}

// Mappings that cannot be entered at the first try: the fault waits for memory and goes on.
static void test_enter_fails(void)
{
    begin();
    map(BASE, 4, PROT_RW, ANON | LINUX_MAP_PRIVATE);
    map(BASE * 2, 4, PROT_RW, LINUX_MAP_FIXED | LINUX_MAP_SHARED);
    fake_pmap_enter_fails = 3;
    store(BASE, 1);
    fake_pmap_enter_fails = 3;
    CHECK(load(BASE * 2) == file_word(0), "%#lx", load(BASE * 2));
    fake_pmap_enter_fails = 3;
    store(BASE * 2 + PAGE_SIZE, 1);
    fake_pmap_enter_fails = 0;
    end();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    slab_free(slab_alloc(16, KM_WAITOK)); // its zone stays: not a leak
    RUN(test_anonymous);
    RUN(test_file_cases);
    RUN(test_changes_during_io);
    RUN(test_stack);
    RUN(test_wiring);
    RUN(test_fork);
    RUN(test_shared_anonymous);
    RUN(test_pageout_without_swap);
    RUN(test_fail_nth);
    RUN(test_enter_fails);
    return shim_done();
}
