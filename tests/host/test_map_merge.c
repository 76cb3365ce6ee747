// SPDX-License-Identifier: BSD-2-Clause
//
// User maps: which neighbours become one entry, and that what they show stays as it was; the
// references that they held are dropped once.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include "lib/shim.h"
#include "lib/errno.h"
#include "mem/pool.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/map_change.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define BASE    0x10000000ul
#define PRIVATE (LINUX_MAP_PRIVATE | LINUX_MAP_FIXED)
#define SHARED  (LINUX_MAP_SHARED | LINUX_MAP_FIXED)
#define ANON    (LINUX_MAP_ANONYMOUS | PRIVATE)
#define NFILE   64

static struct vm_space *vs;
static struct test_file *file;
static uint64_t free_before;

static vaddr_t va_of(unsigned page)
{
    return BASE + page * PAGE_SIZE;
}

static void map(unsigned page, unsigned npages, vm_prot_t prot, unsigned flags, pgno_t pgno)
{
    struct vm_object *o = flags & LINUX_MAP_ANONYMOUS ? NULL : file->object;
    vaddr_t va = va_of(page);

    if (o)
        vm_object_ref(o);
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, prot, PROT_ALL, flags, o, pgno * PAGE_SIZE);
    CHECK(error == 0, "mmap of page %u: %d", page, error);
}

static void store(unsigned page, unsigned npages)
{
    for (unsigned p = page; p < page + npages; p++)
        CHECK(user_store(vs, va_of(p), 1000 + p) == 0, "store to page %u", p);
}

static void check_stored(unsigned page, unsigned npages)
{
    uint64_t word;

    for (unsigned p = page; p < page + npages; p++) {
        CHECK(user_load(vs, va_of(p), &word) == 0, "load of page %u", p);
        CHECK(word == 1000 + p, "page %u: %lu", p, word);
    }
}

// The entries are n; and the file has a reference for each that shows it, beside its own.
static void check_entries(const char *what, unsigned n)
{
    uint64_t nrefs = 1;
    unsigned found = 0;

    rw_lock_read(&vs->map.lock);
    for (struct vm_map_entry *e = vm_map_first(&vs->map); e; e = vm_map_next(&vs->map, e)) {
        nrefs += e->attr.object == file->object;
        found++;
    }
    rw_unlock_read(&vs->map.lock);
    CHECK(found == n, "%s: %u entries, not %u", what, found, n);
    CHECK(file->object->nrefs == nrefs, "%s: %lu references, not %lu", what, file->object->nrefs,
          nrefs);
    machine_check();
}

static void begin(void)
{
    free_before = machine_free_pages();
    vs = vm_space_create();
    file = file_create(NFILE);
}

static void end(void)
{
    vm_space_unref(vs);
    CHECK(file->object->nrefs == 1, "%lu references to the file", file->object->nrefs);
    file_destroy(file);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

// ---- anonymous memory ----

static void protect_back_and_forth(unsigned flags, bool touched)
{
    begin();
    map(0, 16, PROT_RW, flags, 0);
    if (touched)
        store(0, 16);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(vm_mprotect(vs, va_of(4), 4 * PAGE_SIZE, PROT_READ) == 0, "mprotect");
        check_entries("apart", 3);
        CHECK(vm_mprotect(vs, va_of(4), 2 * PAGE_SIZE, PROT_RW) == 0, "mprotect");
        check_entries("half", 3);
        CHECK(vm_mprotect(vs, va_of(6), 2 * PAGE_SIZE, PROT_RW) == 0, "mprotect");
        check_entries("together", 1);
    }
    if (touched)
        check_stored(0, 16);
    store(0, 16);
    CHECK(vm_munmap(vs, va_of(8), 4 * PAGE_SIZE) == 0, "munmap");
    check_stored(0, 8);
    check_stored(12, 4);
    end();
}

static void test_protect(void)
{
    protect_back_and_forth(ANON, false);
    protect_back_and_forth(ANON, true);
    protect_back_and_forth(PRIVATE, false);
    protect_back_and_forth(PRIVATE, true);
    protect_back_and_forth(SHARED, true);
}

// A protection that fails leaves no cuts behind.
static void test_protect_fails(void)
{
    begin();
    vaddr_t va = va_of(0);
    vm_object_ref(file->object);
    CHECK(vm_mmap(vs, &va, 8 * PAGE_SIZE, PROT_READ, PROT_READ, SHARED, file->object, 0) == 0, "");
    CHECK(vm_mprotect(vs, va_of(2), 3 * PAGE_SIZE, PROT_RW) == EACCES, "mprotect");
    check_entries("refused", 1);
    end();
}

// Adjacent mappings cost one entry, whichever way they grow and whether or not they are touched.
static void grow(bool down, bool touched)
{
    begin();
    for (unsigned i = 0; i < 100; i++) {
        unsigned page = down ? 99 - i : i;
        map(page, 1, PROT_RW, ANON, 0);
        if (touched)
            store(page, 1);
        check_entries("growing", 1);
    }
    if (touched)
        check_stored(0, 100);
    store(0, 100);
    check_stored(0, 100);
    end();
}

static void test_grow(void)
{
    grow(false, false);
    grow(false, true);
    grow(true, false);
    grow(true, true);
}

// Pages that were unmapped and are mapped again show zeroes, in the old entry.
static void test_fill_hole(void)
{
    uint64_t word = 1;

    begin();
    map(0, 8, PROT_RW, ANON, 0);
    store(0, 8);
    CHECK(vm_munmap(vs, va_of(6), 2 * PAGE_SIZE) == 0, "munmap");
    map(6, 2, PROT_RW, ANON, 0);
    check_entries("at the end", 1);
    CHECK(user_load(vs, va_of(6), &word) == 0 && word == 0, "%lu", word);
    CHECK(vm_munmap(vs, va_of(0), 2 * PAGE_SIZE) == 0, "munmap");
    map(0, 2, PROT_RW, ANON, 0);
    check_entries("at the start", 1);
    CHECK(user_load(vs, va_of(1), &word) == 0 && word == 0, "%lu", word);
    check_stored(2, 4);
    // In the middle the two sides have one amap, which a third mapping cannot enter.
    CHECK(vm_munmap(vs, va_of(3), PAGE_SIZE) == 0, "munmap");
    map(3, 1, PROT_RW, ANON, 0);
    check_stored(4, 2);
    check_stored(2, 1);
    CHECK(user_load(vs, va_of(3), &word) == 0 && word == 0, "%lu", word);
    machine_check();
    end();
}

// Two with an amap each stay two, though the one between them joins the first.
static void test_two_amaps(void)
{
    begin();
    map(0, 4, PROT_RW, ANON, 0);
    map(8, 4, PROT_RW, ANON, 0);
    store(0, 4);
    store(8, 4);
    map(4, 4, PROT_RW, ANON, 0);
    check_entries("two amaps", 2);
    store(4, 4);
    check_stored(0, 12);
    end();
}

// Memory that parent and child share: its amap is not extended, but its pieces join again.
static void test_shared_amap(void)
{
    struct vm_space *child;
    uint64_t word;

    begin();
    map(0, 8, PROT_RW, ANON, 0);
    store(0, 8);
    CHECK(vm_map_inherit(&vs->map, va_of(0), va_of(8), INHERIT_SHARE) == 0, "inherit");
    CHECK(vm_space_fork(vs, &child) == 0, "fork");
    map(8, 4, PROT_RW, ANON, 0);
    CHECK(vm_map_inherit(&vs->map, va_of(8), va_of(12), INHERIT_SHARE) == 0, "inherit");
    check_entries("shared", 2);
    CHECK(vm_mprotect(vs, va_of(2), PAGE_SIZE, PROT_READ) == 0, "mprotect");
    check_entries("split", 4);
    CHECK(vm_mprotect(vs, va_of(2), PAGE_SIZE, PROT_RW) == 0, "mprotect");
    check_entries("joined", 2);
    CHECK(vm_munmap(vs, va_of(0), 4 * PAGE_SIZE) == 0, "munmap");
    CHECK(user_load(child, va_of(1), &word) == 0 && word == 1001, "%lu", word);
    CHECK(user_store(child, va_of(5), 5) == 0, "store");
    CHECK(user_load(vs, va_of(5), &word) == 0 && word == 5, "%lu", word);
    vm_space_unref(child);
    check_stored(6, 2);
    end();
}

static void test_stack(void)
{
    begin();
    CHECK(vm_stack_map(vs, va_of(4096), 2048 * PAGE_SIZE) == 0, "stack");
    for (unsigned page = 4095; page > 3000; page--)
        CHECK(user_store(vs, va_of(page), 1000 + page) == 0, "page %u", page);
    check_entries("stack", 1);
    check_stored(3001, 1095);
    end();
}

static void test_break(void)
{
    begin();
    vs->brk_start = vs->brk_end = va_of(0);
    for (unsigned i = 1; i < 50; i++) {
        CHECK(vm_brk(vs, va_of(i) - 100) == va_of(i) - 100, "brk");
        store(i - 1, 1);
    }
    check_entries("break", 1);
    check_stored(0, 49);
    end();
}

static void test_mremap(void)
{
    vaddr_t va = 0;

    begin();
    map(0, 4, PROT_RW, ANON, 0);
    store(0, 4);
    CHECK(vm_mremap(vs, va_of(0), 4 * PAGE_SIZE, 8 * PAGE_SIZE, 0, &va) == 0, "in place");
    check_entries("grown", 1);
    store(4, 4);
    map(40, 4, PROT_RW, PRIVATE, 0);
    va = va_of(44);
    CHECK(vm_mremap(vs, va_of(40), 4 * PAGE_SIZE, 6 * PAGE_SIZE, 3, &va) == 0, "moved");
    check_entries("moved and grown", 2);
    check_stored(0, 8);
    end();
}

// Two pieces of one amap come to lie side by side, but their slots do not.
static void test_mremap_pieces(void)
{
    vaddr_t va = va_of(4);

    begin();
    map(0, 12, PROT_RW, ANON, 0);
    store(0, 12);
    CHECK(vm_munmap(vs, va_of(4), 4 * PAGE_SIZE) == 0, "munmap");
    CHECK(vm_mremap(vs, va_of(8), 4 * PAGE_SIZE, 4 * PAGE_SIZE, 3, &va) == 0, "move");
    check_entries("side by side", 2);
    check_stored(0, 4);
    for (unsigned p = 4; p < 8; p++) {
        uint64_t word = 0;
        CHECK(user_load(vs, va_of(p), &word) == 0 && word == 1004 + p, "page %u: %lu", p, word);
    }
    store(4, 4);
    check_stored(0, 8);
    end();
}

// Entries that differ only in whether their amap is still to be copied are one mapping to Linux.
static void test_mremap_needscopy(void)
{
    struct vm_map_entry *e;
    vaddr_t va = va_of(20);

    begin();
    map(0, 4, PROT_RW, ANON, 0);
    rw_lock_write(&vs->map.lock);
    CHECK(vm_map_lookup(&vs->map, va_of(0), &e), "no entry");
    e->flags |= ME_NEEDSCOPY;
    rw_unlock_write(&vs->map.lock);
    map(4, 4, PROT_RW, ANON, 0);
    check_entries("apart", 2);
    CHECK(vm_mremap(vs, va_of(0), 8 * PAGE_SIZE, 8 * PAGE_SIZE, 3, &va) == 0, "move");
    check_entries("moved", 2);
    end();
}

// Inside a change nothing waits for memory, but where it says so; and what a change did not reserve
// it does not have.
static void test_change(void)
{
    struct map_change c;
    struct vm_page *pg;
    vaddr_t va = va_of(0);

    begin();
    map(0, 4, PROT_RW, ANON, 0);
    CHECK(map_change_begin(&c, &vs->map, 0, PR_WAITOK) == 0, "begin");
    PANICS("inside a change of a map", vm_page_alloc_wait(PAGE_KMEM, 0, &pg));
    PANICS("inside a change of a map", vm_page_wait());
    PANICS("inside a change of a map", (void)!map_entry_reserve(&c, 1, PR_WAITOK));
    struct vm_map_req req = {.va = va_of(8), .len = PAGE_SIZE};
    PANICS("no entry reserved", map_entry_link(&c, &req));
    static struct vm_map_entry *first;
    first = vm_map_first(&vs->map);
    uint64_t generation = vs->map.generation;
    map_change_end(&c);
    CHECK(vs->map.generation == generation + 1, "a change is not counted");
    PANICS("map", map_change_end(&c));
    PANICS("map", vm_map_clear(&c, va, va + PAGE_SIZE));
    PANICS("map", (void)map_entry_simplify(&c, first));
    CHECK(map_change_begin(&c, &vs->map, 3, PR_NOWAIT) == 0, "begin");
    map_change_end(&c);
    CHECK(vm_page_alloc_wait(PAGE_KMEM, 0, &pg) == 0, "outside a change");
    vm_page_free(pg);
    end();
}

// ---- files ----

static void test_file(void)
{
    static const unsigned flags[] = {SHARED, PRIVATE};
    uint64_t word;

    for (unsigned i = 0; i < array_len(flags); i++) {
        begin();
        map(4, 4, PROT_RW, flags[i], 4);
        map(8, 4, PROT_RW, flags[i], 8);
        check_entries("upward", 1);
        map(0, 4, PROT_RW, flags[i], 0);
        check_entries("downward", 1);
        map(16, 4, PROT_RW, flags[i], 16);
        map(12, 4, PROT_RW, flags[i], 12);
        check_entries("between", 1);
        map(20, 4, PROT_RW, flags[i], 21);
        check_entries("another offset", 2);
        map(24, 4, PROT_RW, flags[i], 24);
        check_entries("another offset", 3);
        map(28, 4, PROT_RW, flags[i] | LINUX_MAP_ANONYMOUS, 0);
        check_entries("no file", 4);
        for (unsigned p = 0; p < 20; p++)
            CHECK(user_load(vs, va_of(p), &word) == 0 && word == file_word(p), "page %u", p);
        CHECK(vm_munmap(vs, va_of(5), 10 * PAGE_SIZE) == 0, "munmap");
        check_entries("cut", 5);
        CHECK(user_load(vs, va_of(15), &word) == 0 && word == file_word(15), "%lu", word);
        end();
    }
}

// ---- what keeps them apart ----

// The second half of a mapping is changed by one call, and changed back by another.
#define HALVES(what, change, back)                                                                 \
    do {                                                                                           \
        CHECK((change) == 0, what);                                                                \
        check_entries(what, 2);                                                                    \
        CHECK((back) == 0, what);                                                                  \
        check_entries(what " again", 1);                                                           \
    } while (0)

static void test_attributes(void)
{
    vaddr_t half = va_of(4);
    size_t len = 4 * PAGE_SIZE;

    begin();
    map(0, 8, PROT_READ, ANON, 0);
    HALVES("rights", vm_mprotect(vs, half, len, PROT_RW), vm_mprotect(vs, half, len, PROT_READ));
    HALVES("advice", vm_madvise(vs, half, len, 1), vm_madvise(vs, half, len, 0));
    HALVES("fork", vm_madvise(vs, half, len, 10), vm_madvise(vs, half, len, 11));
    HALVES("wired", vm_mlock(vs, half, len, true), vm_mlock(vs, half, len, false));
    end();
}

static void test_kinds(void)
{
    begin();
    map(0, 4, PROT_READ, ANON, 0);
    map(4, 4, PROT_READ, ANON | LINUX_MAP_GROWSDOWN, 0);
    map(8, 4, PROT_READ, SHARED | LINUX_MAP_ANONYMOUS, 0);
    map(12, 4, PROT_READ, SHARED | LINUX_MAP_ANONYMOUS, 0);
    map(16, 4, PROT_READ, SHARED, 0);
    map(20, 4, PROT_READ, PRIVATE, 4);
    check_entries("kinds", 6);
    end();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(3000);
    RUN(test_protect);
    RUN(test_protect_fails);
    RUN(test_grow);
    RUN(test_fill_hole);
    RUN(test_two_amaps);
    RUN(test_shared_amap);
    RUN(test_stack);
    RUN(test_break);
    RUN(test_mremap);
    RUN(test_mremap_pieces);
    RUN(test_mremap_needscopy);
    RUN(test_change);
    RUN(test_file);
    RUN(test_attributes);
    RUN(test_kinds);
    return shim_done();
}
