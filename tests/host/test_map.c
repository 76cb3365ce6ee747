// SPDX-License-Identifier: BSD-2-Clause
//
// Address spaces against a model that knows each page by itself: random mmap, munmap, mprotect,
// mremap, madvise, msync, fork, exit, loads, stores and page daemon passes over a small window, in
// several spaces that share memory.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/anon.h"
#include "vm/pageout.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define BASE        0x10000000ul
#define WINDOW      48 // pages
#define SPACES      3
#define NFILE       20
#define ROUNDS      20000
#define CHECK_EVERY 50

// ---- the model ----

struct thing {      // what shared memory shows: a file or a shared anonymous object
    unsigned nrefs; // pages of spaces that show it
    pgno_t npages;
    uint64_t words[WINDOW > NFILE ? WINDOW : NFILE];
};

struct page {
    bool mapped, cow, own, nofork; // own: has a private value, else shows thing or zero
    vm_prot_t prot;
    struct thing *thing; // NULL: anonymous and private
    pgno_t pgno;         // in thing
    uint64_t word;       // if own
};

struct space {
    struct vm_space *vs;
    struct page pages[WINDOW];
};

static struct space spaces[SPACES];
static struct test_file *file;
static struct thing file_thing;
static struct rng rng;

static unsigned below(unsigned n)
{
    return rng_below(&rng, n);
}

static void page_clear(struct page *p)
{
    if (p->mapped && p->thing && --p->thing->nrefs == 0 && p->thing != &file_thing)
        free(p->thing);
    *p = (struct page){0};
}

static void page_set(struct page *p, struct page value)
{
    if (value.thing)
        value.thing->nrefs++;
    page_clear(p);
    *p = value;
}

static int expect_load(struct page *p, uint64_t *word)
{
    if (!p->mapped)
        return EFAULT;
    if (!p->prot)
        return EACCES;
    if (p->thing && !p->own && p->pgno >= p->thing->npages)
        return ENXIO;
    *word = p->own ? p->word : p->thing ? p->thing->words[p->pgno] : 0;
    return 0;
}

static int expect_store(struct page *p, uint64_t word)
{
    uint64_t old;

    if (p->mapped && !(p->prot & PROT_WRITE))
        return EACCES;
    int error = expect_load(p, &old);
    if (error)
        return error;
    if (p->cow) {
        p->own = true;
        p->word = word;
    } else {
        p->thing->words[p->pgno] = word;
    }
    return 0;
}

// True if b goes on where a ends, as one mapping.
static bool continues(const struct page *a, const struct page *b)
{
    return b->mapped && a->prot == b->prot && a->cow == b->cow && a->thing == b->thing &&
           a->nofork == b->nofork && (!a->thing || a->pgno + 1 == b->pgno);
}

static bool range_mapped(const struct space *s, unsigned at, unsigned n)
{
    for (unsigned i = at; i < at + n; i++)
        if (!s->pages[i].mapped)
            return false;
    return true;
}

static bool range_free(const struct space *s, unsigned at, unsigned n)
{
    for (unsigned i = at; i < at + n; i++)
        if (i >= WINDOW || s->pages[i].mapped)
            return false;
    return true;
}

// ---- operations ----

static vaddr_t va_of(unsigned page)
{
    return BASE + page * PAGE_SIZE;
}

static void pick_range(unsigned *at, unsigned *n)
{
    unsigned most = below(4) ? 6 : WINDOW;

    *at = below(WINDOW);
    *n = 1 + below(min(WINDOW - *at, most));
}

static vm_prot_t pick_prot(void)
{
    static const vm_prot_t prots[] = {PROT_RW, PROT_RW, PROT_READ, PROT_NONE};

    return prots[below(array_len(prots))];
}

static void do_mmap(struct space *s)
{
    unsigned at, n;
    bool use_file = below(2), cow = below(2), noreplace = below(3) == 0;
    struct page p = {.mapped = true, .cow = cow, .prot = pick_prot()};
    unsigned flags = (cow ? LINUX_MAP_PRIVATE : LINUX_MAP_SHARED) |
                     (noreplace ? LINUX_MAP_FIXED_NOREPLACE : LINUX_MAP_FIXED) |
                     (use_file ? 0 : LINUX_MAP_ANONYMOUS);

    pick_range(&at, &n);
    vaddr_t va = va_of(at);
    p.pgno = use_file ? below(NFILE) : 0;
    if (use_file)
        vm_object_ref(file->object);
    int error = vm_mmap(s->vs, &va, n * PAGE_SIZE, p.prot, PROT_ALL, flags,
                        use_file ? file->object : NULL, p.pgno * PAGE_SIZE);
    bool refused = noreplace && !range_free(s, at, n);
    CHECK(error == (refused ? EEXIST : 0), "mmap: %d", error);
    if (error) {
        if (use_file)
            vm_object_unref(file->object);
        return;
    }
    if (use_file)
        p.thing = &file_thing;
    else if (!cow) {
        p.thing = calloc(1, sizeof(*p.thing));
        p.thing->npages = n;
    }
    for (unsigned i = 0; i < n; i++, p.pgno++)
        page_set(&s->pages[at + i], p);
}

static void do_munmap(struct space *s)
{
    unsigned at, n;

    pick_range(&at, &n);
    CHECK(vm_munmap(s->vs, va_of(at), n * PAGE_SIZE) == 0, "munmap");
    for (unsigned i = 0; i < n; i++)
        page_clear(&s->pages[at + i]);
}

static void do_mprotect(struct space *s)
{
    unsigned at, n;
    vm_prot_t prot = pick_prot();

    pick_range(&at, &n);
    int error = vm_mprotect(s->vs, va_of(at), n * PAGE_SIZE, prot);
    CHECK(error == (range_mapped(s, at, n) ? 0 : ENOMEM), "mprotect: %d", error);
    for (unsigned i = at; i < at + n && s->pages[i].mapped; i++)
        s->pages[i].prot = prot;
}

static void do_madvise(struct space *s)
{
    unsigned at, n;

    pick_range(&at, &n);
    int expected = range_mapped(s, at, n) ? 0 : ENOMEM;
    if (below(2)) {
        bool nofork = below(2);
        int error = vm_madvise(s->vs, va_of(at), n * PAGE_SIZE, nofork ? 10 : 11);
        CHECK(error == expected, "DONTFORK: %d", error);
        for (unsigned i = at; i < at + n && s->pages[i].mapped; i++)
            s->pages[i].nofork = nofork;
    } else {
        int error = vm_madvise(s->vs, va_of(at), n * PAGE_SIZE, 4);
        CHECK(error == expected, "DONTNEED: %d", error);
        for (unsigned i = at; i < at + n; i++)
            s->pages[i].own = false;
    }
}

// Moves or resizes in the model; the pages that are added go on where the last one ends.
static void model_remap(struct space *s, unsigned at, unsigned n, unsigned to, unsigned new_n)
{
    struct page moved[WINDOW];

    for (unsigned i = 0; i < new_n; i++) {
        if (i < n) {
            moved[i] = s->pages[at + i];
        } else {
            moved[i] = moved[i - 1];
            moved[i].own = false;
            moved[i].pgno++;
        }
        if (moved[i].thing)
            moved[i].thing->nrefs++;
    }
    for (unsigned i = 0; i < n; i++)
        page_clear(&s->pages[at + i]);
    for (unsigned i = 0; i < new_n; i++) {
        page_clear(&s->pages[to + i]);
        s->pages[to + i] = moved[i];
    }
}

static void do_mremap(struct space *s)
{
    unsigned at, n, to, new_n;
    bool fixed = below(2);
    vaddr_t va = 0;
    int expected = 0;

    pick_range(&at, &n);
    pick_range(&to, &new_n);
    if (!fixed)
        to = at;
    bool overlap = fixed && to < at + n && at < to + new_n;
    unsigned kept = min(n, new_n);
    bool one = s->pages[at].mapped; // where nothing moves or grows, the first page alone counts
    for (unsigned i = at + 1; i < at + kept && (fixed || new_n > n); i++)
        one = one && continues(&s->pages[i - 1], &s->pages[i]);
    if (to + new_n > WINDOW)
        return;
    if (overlap)
        expected = EINVAL;
    else if (!one)
        expected = EFAULT;
    else if (!fixed && new_n > n && !range_free(s, at + n, new_n - n))
        expected = ENOMEM;
    va = va_of(to);
    int error = vm_mremap(s->vs, va_of(at), n * PAGE_SIZE, new_n * PAGE_SIZE, fixed ? 3 : 0, &va);
    CHECK(error == expected, "mremap of %u+%u to %u+%u: %d, expected %d", at, n, to, new_n, error,
          expected);
    if (error)
        return;
    for (unsigned i = kept; i < n; i++)
        page_clear(&s->pages[at + i]);
    CHECK(va == va_of(to), "%#lx", va);
    if (fixed || new_n > n)
        model_remap(s, at, kept, to, new_n);
}

static void space_exit(struct space *s)
{
    if (s->vs)
        vm_space_unref(s->vs);
    s->vs = NULL;
    for (unsigned i = 0; i < WINDOW; i++)
        page_clear(&s->pages[i]);
}

static void do_fork(struct space *s)
{
    struct space *child = &spaces[below(SPACES)];

    if (child == s)
        return;
    space_exit(child);
    CHECK(vm_space_fork(s->vs, &child->vs) == 0, "fork");
    for (unsigned i = 0; i < WINDOW; i++)
        if (s->pages[i].mapped && !s->pages[i].nofork)
            page_set(&child->pages[i], s->pages[i]);
}

static void do_access(struct space *s)
{
    unsigned at = below(WINDOW);
    uint64_t word = rng_next(&rng), got = 0, want = 0;

    if (below(2)) {
        int error = user_store(s->vs, va_of(at), word);
        int expected = expect_store(&s->pages[at], word);
        CHECK(error == expected, "store at page %u: %d, expected %d", at, error, expected);
    } else {
        int error = user_load(s->vs, va_of(at), &got);
        int expected = expect_load(&s->pages[at], &want);
        CHECK(error == expected && got == want, "load at page %u: %d, %#lx; expected %d, %#lx", at,
              error, got, expected, want);
    }
}

static void check_all(void)
{
    uint8_t core;

    machine_check();
    for (unsigned k = 0; k < SPACES; k++) {
        for (unsigned i = 0; spaces[k].vs && i < WINDOW; i++) {
            int error = vm_mincore(spaces[k].vs, va_of(i), 1, &core);
            CHECK(error == (spaces[k].pages[i].mapped ? 0 : ENOMEM), "mincore: %d", error);
        }
    }
}

static void do_something(struct space *s)
{
    static void (*const ops[])(struct space *) = {do_mmap, do_munmap, do_mprotect, do_mremap,
                                                  do_madvise};
    unsigned dice = below(100);

    if (dice < 30)
        ops[below(array_len(ops))](s);
    else if (dice < 33)
        do_fork(s);
    else if (dice < 34)
        pageout_pass(below(20));
    else if (dice < 35)
        vm_msync(s->vs, va_of(0), WINDOW * PAGE_SIZE, 4);
    else
        do_access(s);
}

static void test_random(void)
{
    uint64_t free_before = machine_free_pages();

    rng.state = shim_seed;
    file = file_create(NFILE);
    file_thing.npages = NFILE;
    for (unsigned i = 0; i < NFILE; i++)
        file_thing.words[i] = file_word(i);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct space *s = &spaces[below(SPACES)];
        if (!s->vs)
            s->vs = vm_space_create();
        do_something(s);
        if (round % CHECK_EVERY == 0)
            check_all();
    }
    for (unsigned k = 0; k < SPACES; k++)
        space_exit(&spaces[k]);
    check_all();
    CHECK(file->object->nrefs == 1 && anon_count() == 0, "%lu references, %lu anons",
          file->object->nrefs, anon_count());
    file_destroy(file);
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    RUN(test_random);
    return shim_done();
}
