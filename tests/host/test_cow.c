// SPDX-License-Identifier: BSD-2-Clause
//
// Private memory in families of address spaces against a model: which page of which space shows
// which value, and which of them are one anon. Every operation, failing allocations, swap; after
// each step as many anons as the model says, so that what nobody can reach is freed at once.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/pageout.h"
#include "vm/swap.h"
#include "vm/vm_map.h"
#include "vm/vm_space.h"

#define BASE   0x10000000ul
#define MOST   800u // pages of a region
#define SPACES 6u
#define ANON   (LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED)

static struct rng rng;
static unsigned npages;
static uint64_t next_value;
static bool ending;

static unsigned below(unsigned n)
{
    return (unsigned)rng_below(&rng, n);
}

// ---- the model ----

// Spaces that inherited a page shared see one cell; cells that hold the same copy share a version.
struct cell {
    unsigned version; // 0: never touched
    unsigned nusers;
};

struct version {
    uint64_t value;
    unsigned nusers; // cells
};

struct page {
    unsigned cell; // 0: not mapped
    bool writable, wired, share;
};

struct space {
    struct vm_space *vs; // NULL: none
    struct page pages[MOST];
};

static struct space spaces[SPACES];
static struct cell cells[SPACES * MOST + 1];
static struct version versions[SPACES * MOST + 1];

static unsigned new_cell(void)
{
    unsigned i = 1;

    while (cells[i].nusers)
        i++;
    cells[i] = (struct cell){.nusers = 1};
    return i;
}

static unsigned new_version(uint64_t value)
{
    unsigned i = 1;

    while (versions[i].nusers)
        i++;
    versions[i] = (struct version){value, 1};
    return i;
}

static void set_version(struct cell *c, unsigned version)
{
    if (c->version)
        versions[c->version].nusers--;
    c->version = version;
}

static void drop_cell(struct page *p)
{
    if (p->cell && --cells[p->cell].nusers == 0)
        set_version(&cells[p->cell], 0);
    *p = (struct page){0};
}

// The page becomes its cell's own, as a write makes it.
static struct version *own(struct page *p)
{
    struct cell *c = &cells[p->cell];
    uint64_t value = c->version ? versions[c->version].value : 0;

    if (!c->version || versions[c->version].nusers > 1)
        set_version(c, new_version(value));
    return &versions[c->version];
}

static unsigned count_versions(void)
{
    unsigned n = 0;

    for (unsigned i = 1; i <= SPACES * MOST; i++)
        n += versions[i].nusers != 0;
    return n;
}

// ---- operations ----

struct range {
    unsigned first, end;
};

static struct range any_range(void)
{
    unsigned first = below(npages), most = npages > 100 && below(4) ? 20 : npages;
    unsigned end = first + 1 + below(most);

    return (struct range){first, min(npages, end)};
}

static vaddr_t va_of(unsigned page)
{
    return BASE + page * PAGE_SIZE;
}

static struct space *any_space(void)
{
    unsigned i = below(SPACES);

    while (!spaces[i].vs)
        i = (i + 1) % SPACES;
    return &spaces[i];
}

// True if every page of the range is mapped.
static bool mapped(const struct space *s, struct range r)
{
    for (unsigned i = r.first; i < r.end; i++)
        if (!s->pages[i].cell)
            return false;
    return true;
}

static void do_map(struct space *s, struct range r)
{
    vaddr_t va = va_of(r.first);

    if (vm_mmap(s->vs, &va, (r.end - r.first) * PAGE_SIZE, PROT_RW, PROT_ALL, ANON, NULL, 0))
        return;
    for (unsigned i = r.first; i < r.end; i++) {
        drop_cell(&s->pages[i]);
        s->pages[i] = (struct page){.cell = new_cell(), .writable = true};
    }
}

static void do_unmap(struct space *s, struct range r)
{
    if (vm_munmap(s->vs, va_of(r.first), (r.end - r.first) * PAGE_SIZE))
        return;
    for (unsigned i = r.first; i < r.end; i++)
        drop_cell(&s->pages[i]);
}

static void do_protect(struct space *s, struct range r, bool writable)
{
    if (!mapped(s, r) || vm_mprotect(s->vs, va_of(r.first), (r.end - r.first) * PAGE_SIZE,
                                     writable ? PROT_RW : PROT_READ))
        return;
    for (unsigned i = r.first; i < r.end; i++)
        s->pages[i].writable = writable;
}

static void do_store(struct space *s, unsigned i)
{
    struct page *p = &s->pages[i];
    uint64_t value = ++next_value;

    int error = user_store(s->vs, va_of(i), value);
    int wanted = !p->cell ? EFAULT : !p->writable ? EACCES : 0;
    CHECK(error == wanted, "store to page %u: %d, not %d", i, error, wanted);
    if (!error)
        own(p)->value = value;
}

static void check_page(struct space *s, unsigned i)
{
    struct page *p = &s->pages[i];
    uint64_t value = 0;

    if (p->cell && !cells[p->cell].version)
        return; // to read it would fill it
    int error = user_load(s->vs, va_of(i), &value);
    uint64_t wanted = p->cell ? versions[cells[p->cell].version].value : 0;
    CHECK(error == (p->cell ? 0 : EFAULT) && value == wanted, "page %u of space %lu: %lu, not %lu",
          i, s - spaces, value, wanted);
}

static void do_discard(struct space *s, struct range r)
{
    for (unsigned i = r.first; i < r.end; i++)
        if (!s->pages[i].cell || s->pages[i].wired)
            return;
    if (vm_madvise(s->vs, va_of(r.first), (r.end - r.first) * PAGE_SIZE, 4))
        return;
    for (unsigned i = r.first; i < r.end; i++)
        set_version(&cells[s->pages[i].cell], 0);
}

// Only what is inherited by copying is wired, so that the model need not know of whose wiring a
// shared page is.
static void do_wire(struct space *s, struct range r, bool wire)
{
    for (unsigned i = r.first; i < r.end; i++) {
        struct page *p = &s->pages[i];
        if (!p->cell || !p->writable || p->share || cells[p->cell].nusers > 1)
            return;
    }
    if (vm_mlock(s->vs, va_of(r.first), (r.end - r.first) * PAGE_SIZE, wire))
        return;
    for (unsigned i = r.first; i < r.end; i++) {
        s->pages[i].wired = wire;
        if (wire)
            own(&s->pages[i]);
    }
}

static void do_inherit(struct space *s, struct range r, bool share)
{
    for (unsigned i = r.first; i < r.end; i++)
        if (!s->pages[i].cell || s->pages[i].wired)
            return;
    if (vm_map_inherit(&s->vs->map, va_of(r.first), va_of(r.end),
                       share ? INHERIT_SHARE : INHERIT_COPY))
        return;
    for (unsigned i = r.first; i < r.end; i++)
        s->pages[i].share = share;
}

static void inherit_page(struct page *child, const struct page *parent)
{
    const struct cell *from = &cells[parent->cell];

    *child = *parent;
    child->wired = false;
    if (!parent->cell)
        return;
    if (parent->share) {
        cells[parent->cell].nusers++;
        return;
    }
    child->cell = new_cell();
    if (from->version && parent->wired) {
        cells[child->cell].version = new_version(versions[from->version].value);
    } else if (from->version) {
        cells[child->cell].version = from->version;
        versions[from->version].nusers++;
    }
}

static void do_fork(const struct space *s)
{
    struct space *child = NULL;

    for (unsigned i = 0; i < SPACES; i++)
        if (!spaces[i].vs)
            child = &spaces[i];
    if (!child || vm_space_fork(s->vs, &child->vs))
        return;
    for (unsigned i = 0; i < npages; i++)
        inherit_page(&child->pages[i], &s->pages[i]);
}

// The last one stays.
static void do_exit(struct space *s)
{
    bool last = true;

    for (unsigned i = 0; i < SPACES; i++)
        last &= !spaces[i].vs || &spaces[i] == s;
    if (last && !ending)
        return;
    vm_space_unref(s->vs);
    s->vs = NULL;
    for (unsigned i = 0; i < npages; i++)
        drop_cell(&s->pages[i]);
}

// A part of the region moves to another place in it, over what is there. What is wired loses its
// pages on the way, so nothing is.
static void do_move(struct space *s)
{
    struct range r = any_range();
    unsigned n = r.end - r.first, to = below(npages - n + 1);
    vaddr_t va = va_of(to);
    static struct page moved[MOST];

    if (to < r.end && r.first < to + n)
        return;
    for (unsigned i = r.first; i < r.end; i++)
        if (s->pages[i].wired || !s->pages[i].cell)
            return;
    if (vm_mremap(s->vs, va_of(r.first), n * PAGE_SIZE, n * PAGE_SIZE, 3, &va)) // MAYMOVE|FIXED
        return;
    for (unsigned i = 0; i < n; i++) {
        moved[i] = s->pages[r.first + i];
        s->pages[r.first + i] = (struct page){0};
    }
    for (unsigned i = 0; i < n; i++) {
        drop_cell(&s->pages[to + i]);
        s->pages[to + i] = moved[i];
    }
}

static void step(void)
{
    struct space *s = any_space();
    unsigned dice = below(40);

    if (dice < 2)
        do_map(s, any_range());
    else if (dice < 4)
        do_unmap(s, any_range());
    else if (dice < 5)
        do_protect(s, any_range(), below(3));
    else if (dice < 8)
        do_discard(s, any_range());
    else if (dice < 10)
        do_wire(s, any_range(), below(2));
    else if (dice < 12)
        do_inherit(s, any_range(), below(3) == 0);
    else if (dice < 15)
        do_fork(s);
    else if (dice < 17)
        do_exit(s);
    else if (dice < 18)
        do_move(s);
    else if (dice < 19)
        pageout_pass(below(30));
    else
        do_store(s, below(npages));
}

#define SWAP_PAGES 4000u
static uint64_t swap_words[SWAP_PAGES];

static void swap_dev_start(struct swap_io *io)
{
    for (unsigned i = 0; i < io->npages; i++) {
        uint64_t *word = page_to_dmap(io->pages[i]), *kept = &swap_words[io->slot + i];
        *(io->write ? kept : word) = *(io->write ? word : kept);
    }
    io->error = 0;
    swap_finish(io);
}

static const struct swap_dev swap_device = {swap_dev_start, SWAP_PAGES};

static void check_all(void)
{
    CHECK(anon_count() == count_versions(), "%lu anons, %u copies can be seen", anon_count(),
          count_versions());
    machine_check();
    for (unsigned k = 0; k < SPACES; k++)
        for (unsigned i = 0; spaces[k].vs && i < npages; i++)
            check_page(&spaces[k], i);
}

static void family(unsigned pages, unsigned steps, bool failing)
{
    uint64_t free_before = machine_free_pages();

    npages = pages;
    spaces[0].vs = vm_space_create();
    do_map(&spaces[0], (struct range){0, npages});
    for (unsigned i = 0; i < npages && pages % 2; i++)
        do_store(&spaces[0], i); // so many anons that fork defers
    for (unsigned n = 0; n < steps; n++) {
        if (failing)
            fail_nth(1 + below(12));
        step();
        fail_nth(0);
        CHECK(anon_count() == count_versions(), "step %u: %lu anons, %u copies can be seen", n,
              anon_count(), count_versions());
        machine_check();
        if (n % 16 == 0)
            check_all();
    }
    check_all();
    ending = true;
    for (unsigned i = 0; i < SPACES; i++)
        if (spaces[i].vs)
            do_exit(&spaces[i]);
    ending = false;
    CHECK(anon_count() == 0, "%lu anons are left", anon_count());
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

static void test_small(void)
{
    for (unsigned i = 0; i < 12; i++)
        family(4 + below(12), 300, false);
}

static void test_middle(void)
{
    for (unsigned i = 0; i < 8; i++)
        family(40 + below(100), 400, false);
}

// Regions of several windows.
static void test_large(void)
{
    for (unsigned i = 0; i < 3; i++)
        family(MOST - below(200), 400, false);
}

static void test_failing(void)
{
    for (unsigned i = 0; i < 12; i++)
        family(8 + below(60), 300, true);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(6000);
    swap_init(&swap_device);
    rng.state = shim_seed;
    RUN(test_small);
    RUN(test_middle);
    RUN(test_large);
    RUN(test_failing);
    return shim_done();
}
