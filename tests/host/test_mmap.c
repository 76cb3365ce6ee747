// SPDX-License-Identifier: BSD-2-Clause
//
// What the mmap family refuses, with Linux's errnos, one by one; and the break.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include "lib/shim.h"
#include "lib/errno.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define BASE 0x10000000ul

#define MMAP(va, len, prot, flags, off) try_mmap(vs, va, len, prot, flags, off)
static int try_mmap(struct vm_space *vs, vaddr_t va, size_t len, vm_prot_t prot, unsigned flags,
                    uint64_t offset)
{
    return vm_mmap(vs, &va, len, prot, PROT_ALL, flags, NULL, offset);
}

static void test_errnos(void)
{
    struct vm_space *vs = vm_space_create();
    unsigned anon = LINUX_MAP_ANONYMOUS | LINUX_MAP_PRIVATE, fixed = anon | LINUX_MAP_FIXED;
    vaddr_t top = 0x7ffffffff000ul, va = 0;

    CHECK(MMAP(0, 0, PROT_RW, anon, 0) == EINVAL, "no length");
    CHECK(MMAP(0, 1, PROT_RW, anon, 5) == EINVAL, "unaligned offset");
    CHECK(MMAP(0, ~0ul, PROT_RW, anon, 0) == ENOMEM, "length wraps");
    CHECK(MMAP(0, 1ul << 50, PROT_RW, anon, 0) == ENOMEM, "too long");
    CHECK(MMAP(0, 2 * PAGE_SIZE, PROT_RW, anon, -PAGE_SIZE) == EOVERFLOW, "offset wraps");
    CHECK(MMAP(0, 1, PROT_RW, LINUX_MAP_ANONYMOUS, 0) == EINVAL, "neither private nor shared");
    CHECK(MMAP(0, 1, PROT_RW, anon | LINUX_MAP_SHARED_VALIDATE, 0) == EINVAL, "validate");
    CHECK(MMAP(BASE + 1, 1, PROT_RW, fixed, 0) == EINVAL, "unaligned");
    CHECK(MMAP(top, 1, PROT_RW, fixed, 0) == ENOMEM, "beyond the end");
    CHECK(MMAP(0, 1, PROT_RW, fixed, 0) == EPERM, "the null page");
    CHECK(MMAP(BASE, 3 * PAGE_SIZE, PROT_RW, fixed, 0) == 0, "fixed");
    CHECK(MMAP(BASE, 1, PROT_RW, anon | LINUX_MAP_FIXED_NOREPLACE, 0) == EEXIST, "no replace");
    va = BASE;
    CHECK(vm_mmap(vs, &va, 1, PROT_RW, PROT_ALL, anon, NULL, 0) == 0 && va != BASE, "%#lx", va);
    va = BASE + 5 * PAGE_SIZE + 3;
    CHECK(vm_mmap(vs, &va, 1, PROT_RW, PROT_ALL, anon, NULL, 0) == 0 && va == BASE + 5 * PAGE_SIZE,
          "hint: %#lx", va);

    CHECK(vm_munmap(vs, BASE + 1, 1) == EINVAL && vm_munmap(vs, BASE, 0) == EINVAL, "munmap");
    CHECK(vm_munmap(vs, top, PAGE_SIZE) == EINVAL && vm_munmap(vs, BASE, ~0ul) == EINVAL, "munmap");
    CHECK(vm_munmap(vs, 2 * BASE, PAGE_SIZE) == 0, "munmap of nothing");

    CHECK(vm_mprotect(vs, BASE + 1, 1, 0) == EINVAL && vm_mprotect(vs, BASE, 1, 64) == EINVAL, "");
    CHECK(vm_mprotect(vs, BASE, 0, 0) == 0 && vm_mprotect(vs, 2 * BASE, 1, 0) == ENOMEM, "");

    va = 0;
    CHECK(vm_mremap(vs, BASE, PAGE_SIZE, 0, 0, &va) == EINVAL, "no new length");
    CHECK(vm_mremap(vs, BASE, PAGE_SIZE, PAGE_SIZE, 2, &va) == EINVAL, "FIXED alone");
    CHECK(vm_mremap(vs, BASE, PAGE_SIZE, PAGE_SIZE, 8, &va) == EINVAL, "flags");
    CHECK(vm_mremap(vs, 2 * BASE, PAGE_SIZE, 2 * PAGE_SIZE, 1, &va) == EFAULT, "not mapped");
    CHECK(vm_mremap(vs, BASE, 4 * PAGE_SIZE, 5 * PAGE_SIZE, 1, &va) == EFAULT, "across a hole");
    CHECK(vm_mremap(vs, BASE, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 0, &va) == ENOMEM, "no room");
    CHECK(vm_mremap(vs, BASE, 2 * PAGE_SIZE, 30 * PAGE_SIZE, 1, &va) == 0 && va != BASE, "move");

    CHECK(vm_msync(vs, BASE, 1, 5) == EINVAL && vm_msync(vs, BASE, 1, 8) == EINVAL, "msync");
    CHECK(vm_msync(vs, BASE + 1, 1, 4) == EINVAL && vm_msync(vs, 2 * BASE, 1, 4) == ENOMEM, "");
    CHECK(vm_madvise(vs, va, 1, 99) == EINVAL && vm_madvise(vs, va + 1, 1, 4) == EINVAL, "madvise");
    CHECK(vm_madvise(vs, 2 * BASE, 1, 4) == ENOMEM && vm_madvise(vs, va, 0, 4) == 0, "madvise");
    CHECK(vm_mlock(vs, 2 * BASE, 1, true) == ENOMEM, "mlock");
    vm_space_unref(vs);
    machine_check();
}

// Where a mapping of a file without a hint goes: a large shared one so that tables can be shared.
static vaddr_t place_of_file(struct vm_space *vs, struct test_file *f, size_t npages,
                             unsigned flags, uint64_t offset)
{
    vaddr_t va = 0;

    f->object->ops->ref(f->object);
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, PROT_READ, PROT_ALL, flags, f->object, offset);
    CHECK(error == 0, "error %d", error);
    return va;
}

static void test_alignment(void)
{
    struct vm_space *vs = vm_space_create();
    struct test_file *f = file_create(2048);
    const size_t span = 2ul << 20;
    unsigned shared = 0;

    for (size_t npages = 1; npages <= 2048; npages = npages * 2 + 1) { // never a multiple
        vaddr_t va = place_of_file(vs, f, npages, LINUX_MAP_SHARED, 0);
        CHECK(va % span == 0 || npages < 512, "%zu pages at %#lx", npages, va);
        shared += npages >= 512;
        place_of_file(vs, f, 1, LINUX_MAP_PRIVATE, 0);
    }
    CHECK(shared > 1, "%u large mappings", shared);
    CHECK(place_of_file(vs, f, 1023, LINUX_MAP_SHARED, PAGE_SIZE) % span != 0, "at an odd offset");
    CHECK(place_of_file(vs, f, 1023, LINUX_MAP_PRIVATE, 0) % span != 0, "a private one");
    vm_space_unref(vs);
    file_destroy(f);
    machine_check();
}

static void test_brk(void)
{
    struct vm_space *vs = vm_space_create();
    uint64_t word;

    vs->brk_start = vs->brk_end = BASE + 100;
    CHECK(vm_brk(vs, 0) == BASE + 100, "query");
    CHECK(vm_brk(vs, BASE + 3 * PAGE_SIZE) == BASE + 3 * PAGE_SIZE, "grow");
    CHECK(user_store(vs, BASE + 2 * PAGE_SIZE, 7) == 0, "store");
    CHECK(vm_brk(vs, BASE + PAGE_SIZE) == BASE + PAGE_SIZE, "shrink");
    CHECK(user_load(vs, BASE + 2 * PAGE_SIZE, &word) == EFAULT, "beyond the break");
    CHECK(vm_brk(vs, BASE + 3 * PAGE_SIZE) == BASE + 3 * PAGE_SIZE, "grow");
    CHECK(user_load(vs, BASE + 2 * PAGE_SIZE, &word) == 0 && word == 0, "old contents");
    CHECK(try_mmap(vs, BASE + 4 * PAGE_SIZE, 1, PROT_READ,
                   LINUX_MAP_FIXED | LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, 0) == 0,
          "mmap");
    CHECK(vm_brk(vs, BASE + 5 * PAGE_SIZE) == BASE + 3 * PAGE_SIZE, "in the way");
    vm_space_unref(vs);
    machine_check();
}

// What is locked may be huge if nearly nothing of it can be faulted in: nobody goes through it page
// by page. (If somebody does, this test does not end.)
static void test_huge_locks(void)
{
    struct vm_space *vs = vm_space_create();
    unsigned flags = LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | LINUX_MAP_LOCKED;
    size_t huge = 1ul << 45;
    vaddr_t none_va = 1ul << 45, file_va = 1ul << 46, va;

    CHECK(MMAP(none_va, huge, PROT_NONE, flags | LINUX_MAP_ANONYMOUS, 0) == 0, "inaccessible");
    struct test_file *file = file_create(2);
    vm_object_ref(file->object); // the mapping's
    va = file_va;
    CHECK(vm_mmap(vs, &va, huge, PROT_READ, PROT_ALL, flags, file->object, 0) == 0, "a short file");
    CHECK(MMAP(file_va + huge / 2, PAGE_SIZE, PROT_RW, flags | LINUX_MAP_ANONYMOUS, 0) == 0, "");
    CHECK(fake_pmap_mappings() == 3, "%lu pages were faulted in", fake_pmap_mappings());
    CHECK(vm_mlock(vs, none_va, huge, true) == 0, "locked again");
    CHECK(vm_mlock(vs, none_va, huge, false) == 0, "unlocked");
    CHECK(vm_mprotect(vs, none_va, huge, PROT_NONE) == 0, "protected");
    vm_space_unref(vs);
    file_destroy(file);
    machine_check();
}

// A mapping's offset in its object passes no limit, however the mapping comes to be or grows.
static void test_offsets(void)
{
    struct vm_space *vs = vm_space_create();
    struct vm_object *o = anon_object_create(4);
    uint64_t last = VM_OFFSET_MAX + 1 - 2 * PAGE_SIZE;
    vaddr_t va = BASE, new_va = 0;

    CHECK(vm_mmap(vs, &va, 2 * PAGE_SIZE, PROT_RW, PROT_ALL, LINUX_MAP_SHARED, o, last) ==
              EOVERFLOW,
          "mmap");
    CHECK(vm_mmap(vs, &va, PAGE_SIZE, PROT_RW, PROT_ALL, LINUX_MAP_SHARED, o, last) == 0, "mmap");
    CHECK(vm_mremap(vs, va, PAGE_SIZE, 3 * PAGE_SIZE, 1, &new_va) == EINVAL, "mremap");
    CHECK(vm_mremap(vs, va, PAGE_SIZE, PAGE_SIZE, 1, &new_va) == 0 && new_va == va, "unchanged");
    vm_space_unref(vs);
}

// Limits as if set by the process.
static uint64_t as_limit, data_limit;

static uint64_t limit(enum vm_limit which)
{
    return which == VM_LIMIT_AS ? as_limit : which == VM_LIMIT_DATA ? data_limit : 0;
}

// Whatever is refused leaves the map as it was; a stack has its first page under any limit.
static void test_limits(void)
{
    struct vm_space *vs = vm_space_create();
    unsigned anon = LINUX_MAP_ANONYMOUS | LINUX_MAP_PRIVATE;
    vaddr_t va = 0, stack = 0x7ffff000000ul;

    as_limit = 10 * PAGE_SIZE + 5;
    data_limit = 4 * PAGE_SIZE;
    vm_limit_hook = limit;
    vm_limits_used = true;
    CHECK(vm_stack_map(vs, stack, 1ul << 20) == 0 && vs->map.size == PAGE_SIZE, "stack");
    CHECK(vm_map_grow_stack(&vs->map, stack - 2 * PAGE_SIZE) == EFAULT, "growth");
    CHECK(MMAP(BASE, 10 * PAGE_SIZE, PROT_READ, anon, 0) == ENOMEM, "space");
    CHECK(MMAP(BASE, 5 * PAGE_SIZE, PROT_RW, anon, 0) == ENOMEM, "data");
    CHECK(MMAP(BASE, 9 * PAGE_SIZE, PROT_READ, anon, 0) == 0, "up to the limit");
    CHECK(MMAP(BASE, 10 * PAGE_SIZE, PROT_READ, anon | LINUX_MAP_FIXED, 0) == ENOMEM, "fixed");
    CHECK(vs->map.size == 10 * PAGE_SIZE, "%zu bytes", vs->map.size);
    CHECK(MMAP(BASE, 9 * PAGE_SIZE, PROT_READ, anon | LINUX_MAP_FIXED, 0) == 0, "in its place");
    CHECK(vm_mprotect(vs, BASE, 5 * PAGE_SIZE, PROT_RW) == ENOMEM, "mprotect");
    CHECK(vm_mprotect(vs, BASE, 4 * PAGE_SIZE, PROT_RW) == 0, "mprotect");
    CHECK(vm_mremap(vs, BASE, PAGE_SIZE, 2 * PAGE_SIZE, 1, &va) == ENOMEM, "mremap");
    CHECK(vs->map.size == 10 * PAGE_SIZE, "%zu bytes", vs->map.size);
    vm_limit_hook = NULL;
    vm_limits_used = false;
    vm_space_unref(vs);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1000);
    RUN(test_errnos);
    RUN(test_alignment);
    RUN(test_brk);
    RUN(test_huge_locks);
    RUN(test_offsets);
    RUN(test_limits);
    return shim_done();
}
