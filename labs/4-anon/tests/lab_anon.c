// SPDX-License-Identifier: BSD-2-Clause
//
// The common part of the lab's in-kernel tests: operations on address spaces, and the model of what
// they must have done; the report.

#include "lab_anon.h"

#include "amd64/cpu.h"
#include "dev/judge.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "main/cmdline.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "sync/lock_check.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

struct lab_report lab_report;
struct vm_space *lab_space[LAB_SPACES];
struct lab_page lab_page[LAB_SPACES][LAB_PAGES];
struct lab_cell lab_cell[LAB_CELLS];
struct lab_version lab_version[LAB_CELLS];
struct vm_object *lab_below;
unsigned lab_fail_nth, lab_refused;
bool lab_whole, lab_apart[LAB_CELLS];
uint64_t lab_fork_ticks;

static unsigned npages, last_cell, last_version;

struct rng lab_rng(uint64_t part)
{
    struct rng r = {cmdline_number("seed", 1) + (part << 32)};
    return r;
}

// ---- the model ----

static unsigned new_cell(void)
{
    do
        last_cell = last_cell % (LAB_CELLS - 1) + 1;
    while (lab_cell[last_cell].nusers);
    lab_cell[last_cell] = (struct lab_cell){.nusers = 1};
    return last_cell;
}

static unsigned new_version(uint64_t word)
{
    do
        last_version = last_version % (LAB_CELLS - 1) + 1;
    while (lab_version[last_version].nusers);
    lab_version[last_version] = (struct lab_version){word, 1};
    return last_version;
}

static void set_version(struct lab_cell *c, unsigned version)
{
    if (c->version)
        lab_version[c->version].nusers--;
    c->version = version;
    lab_apart[c - lab_cell] = false;
}

static void drop_cell(struct lab_page *p)
{
    if (p->cell && --lab_cell[p->cell].nusers == 0)
        set_version(&lab_cell[p->cell], 0);
    *p = (struct lab_page){0};
}

static bool has_others(const struct lab_cell *c)
{
    return c->version && lab_version[c->version].nusers > 1;
}

// A page is copied; so is the other one of its granule, if others have it too and the mapping goes
// on so far.
static void copy_with(unsigned n, unsigned page)
{
    struct lab_cell *c = &lab_cell[page < npages ? lab_page[n][page].cell : 0];

    if (!has_others(c))
        return;
    if (lab_whole)
        set_version(c, new_version(lab_version[c->version].word));
    else
        lab_apart[c - lab_cell] = true;
}

// The page's own version, as a write makes it.
static struct lab_version *own(unsigned n, unsigned page)
{
    struct lab_cell *c = &lab_cell[lab_page[n][page].cell];
    bool copied = has_others(c);

    if (!c->version || copied)
        set_version(c, new_version(lab_version[c->version].word));
    if (copied && lab_granule > 1)
        copy_with(n, page ^ 1);
    return &lab_version[c->version];
}

unsigned lab_versions(void)
{
    unsigned n = 0;

    for (unsigned i = 1; i < LAB_CELLS; i++)
        n += lab_version[i].nusers != 0;
    return n;
}

bool lab_mapped(unsigned n, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        if (!lab_page[n][i].cell)
            return false;
    return true;
}

// ---- operations ----

static void arm(void)
{
    kctx_current()->fail_nth = lab_fail_nth;
}

// True if the operation was done; else it was refused, which only an allocation that fails excuses.
static bool done(const char *what, unsigned n, int error)
{
    bool failed = lab_fail_nth && !kctx_current()->fail_nth;

    kctx_current()->fail_nth = 0;
    lab_refused += failed && error;
    KTEST_CHECK(!error || (failed && error == ENOMEM), "%s in space %u: error %d", what, n, error);
    KTEST_CHECK(kctx_current()->nheld == 0, "%s in space %u leaves a lock taken", what, n);
    return !error;
}

void lab_begin(unsigned pages)
{
    KASSERT(pages <= LAB_PAGES, "%u pages", pages);
    npages = lab_report.npages = pages;
    lab_know_items();
}

void lab_new_space(unsigned n)
{
    lab_space[n] = vm_space_create();
    KASSERT(lab_space[n], "no memory for space %u", n);
}

void lab_map(unsigned n, unsigned first, unsigned end)
{
    unsigned kind = LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | (lab_below ? 0 : LINUX_MAP_ANONYMOUS);
    vaddr_t va = lab_va(first);

    if (lab_below)
        vm_object_ref(lab_below);
    arm();
    int error = vm_mmap(lab_space[n], &va, (end - first) * PAGE_SIZE, PROT_RW, PROT_ALL, kind,
                        lab_below, lab_below ? first * PAGE_SIZE : 0);
    if (error && lab_below)
        vm_object_unref(lab_below);
    if (!done("mmap", n, error))
        return;
    for (unsigned i = first; i < end; i++) {
        drop_cell(&lab_page[n][i]);
        lab_page[n][i] = (struct lab_page){new_cell(), LAB_WRITABLE};
    }
}

void lab_unmap(unsigned n, unsigned first, unsigned end)
{
    arm();
    if (!done("munmap", n, vm_munmap(lab_space[n], lab_va(first), (end - first) * PAGE_SIZE)))
        return;
    for (unsigned i = first; i < end; i++)
        drop_cell(&lab_page[n][i]);
}

static void set_flag(unsigned n, unsigned first, unsigned end, uint32_t flag, bool on)
{
    for (unsigned i = first; i < end; i++)
        lab_page[n][i].flags = (lab_page[n][i].flags & ~flag) | (on ? flag : 0);
}

void lab_protect(unsigned n, unsigned first, unsigned end, bool writable)
{
    arm();
    if (done("mprotect", n,
             vm_mprotect(lab_space[n], lab_va(first), (end - first) * PAGE_SIZE,
                         writable ? PROT_RW : PROT_READ)))
        set_flag(n, first, end, LAB_WRITABLE, writable);
}

void lab_inherit(unsigned n, unsigned first, unsigned end, bool share)
{
    arm();
    if (done("inherit", n,
             vm_map_inherit(&lab_space[n]->map, lab_va(first), lab_va(end),
                            share ? INHERIT_SHARE : INHERIT_COPY)))
        set_flag(n, first, end, LAB_SHARE, share);
}

void lab_wire(unsigned n, unsigned first, unsigned end, bool wire)
{
    int error = vm_mlock(lab_space[n], lab_va(first), (end - first) * PAGE_SIZE, wire);

    KTEST_CHECK(!error, "mlock in space %u: error %d", n, error);
    set_flag(n, first, end, LAB_WIRED, wire);
    for (unsigned i = first; i < end && wire; i++)
        own(n, i);
}

void lab_discard(unsigned n, unsigned first, unsigned end)
{
    enum { MADV_DONTNEED = 4 };

    arm();
    if (!done("madvise", n,
              vm_madvise(lab_space[n], lab_va(first), (end - first) * PAGE_SIZE, MADV_DONTNEED)))
        return;
    for (unsigned i = first; i < end; i++) {
        struct lab_cell *c = &lab_cell[lab_page[n][i].cell];
        if (lab_discard_shared || c->nusers == 1)
            set_version(c, 0);
    }
}

void lab_move(unsigned n, unsigned first, unsigned end, unsigned to)
{
    enum { MAYMOVE_FIXED = 3 };
    static struct lab_page moved[LAB_PAGES];
    size_t len = (end - first) * PAGE_SIZE;
    vaddr_t va = lab_va(to);

    arm();
    if (!done("mremap", n, vm_mremap(lab_space[n], lab_va(first), len, len, MAYMOVE_FIXED, &va)))
        return;
    for (unsigned i = 0; i < end - first; i++) {
        moved[i] = lab_page[n][first + i];
        lab_page[n][first + i] = (struct lab_page){0};
    }
    for (unsigned i = 0; i < end - first; i++) {
        drop_cell(&lab_page[n][to + i]);
        lab_page[n][to + i] = moved[i];
    }
}

// The page's first word, once the hardware would let the access through; NULL: *error says why.
static uint64_t *word_at(unsigned n, unsigned page, vm_prot_t access, int *error)
{
    paddr_t pa;
    vm_prot_t prot;

    for (unsigned tries = 0; tries < 100; tries++) {
        if (pmap_extract(lab_space[n]->pmap, lab_va(page), &pa, &prot) && !(access & ~prot))
            return phys_to_dmap(pa);
        *error = vm_fault(&lab_space[n]->map, lab_va(page), access);
        if (*error)
            return NULL;
    }
    KASSERT(false, "page %u of space %u faults for ever", page, n);
}

void lab_write(unsigned n, unsigned page, uint64_t word)
{
    const struct lab_page *p = &lab_page[n][page];
    int error = 0, wanted = !p->cell ? EFAULT : !(p->flags & LAB_WRITABLE) ? EACCES : 0;

    arm();
    uint64_t *at = word_at(n, page, PROT_WRITE, &error);
    kctx_current()->fail_nth = 0;
    KTEST_CHECK(error == wanted, "writing page %u of space %u: error %d, not %d", page, n, error,
                wanted);
    if (!at)
        return;
    *at = word;
    own(n, page)->word = word;
}

void lab_fill(unsigned n, unsigned first, unsigned end, uint64_t *word)
{
    for (unsigned i = first; i < end; i++)
        lab_write(n, i, ++*word);
}

void lab_begin_full(unsigned npages, uint64_t *word)
{
    lab_begin(npages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    lab_fill(0, 0, npages, word);
}

static void add_page(unsigned n, unsigned page, uint64_t *word)
{
    lab_map(n, page, page + 1);
    lab_write(n, page, ++*word);
}

void lab_grow(unsigned n, unsigned first, unsigned end, unsigned top, uint64_t *word)
{
    for (unsigned i = end; i < top; i++)
        add_page(n, i, word);
    for (unsigned i = first; i > 0; i--)
        add_page(n, i - 1, word);
}

void lab_read(unsigned n, unsigned page)
{
    const struct lab_page *p = &lab_page[n][page];
    int error = 0, wanted = p->cell ? 0 : EFAULT;

    arm();
    uint64_t *at = word_at(n, page, PROT_READ, &error);
    kctx_current()->fail_nth = 0;
    KTEST_CHECK(error == wanted, "reading page %u of space %u: error %d, not %d", page, n, error,
                wanted);
    uint64_t word = lab_version[lab_cell[p->cell].version].word;
    KTEST_CHECK(!at || *at == word, "page %u of space %u holds %#lx, not %#lx%s", page, n,
                at ? *at : 0, word, lab_why(at ? *at : 0, word, lab_cell[p->cell].nusers > 1));
}

void lab_read_untouched(unsigned n, unsigned page)
{
    int error = 0;
    const uint64_t *at = word_at(n, page, PROT_READ, &error);

    KTEST_CHECK(at && *at == 0, "page %u of space %u, new or thrown away: error %d, %#lx, not 0",
                page, n, error, at ? *at : 0);
    lab_page[n][page].flags |= LAB_SEEN;
}

void lab_read_all(void)
{
    for (unsigned n = 0; n < LAB_SPACES; n++)
        for (unsigned i = 0; lab_space[n] && i < npages; i++)
            if (lab_cell[lab_page[n][i].cell].version)
                lab_read(n, i);
}

static struct lab_page inherit_page(const struct lab_page *parent)
{
    struct lab_page child = {parent->cell, parent->flags & ~LAB_WIRED};
    unsigned version = lab_cell[parent->cell].version;

    if (!parent->cell)
        return child;
    if (parent->flags & LAB_SHARE) {
        lab_cell[parent->cell].nusers++;
        child.flags &= lab_shares_on ? ~0u : ~(unsigned)LAB_SHARE;
        return child;
    }
    child.cell = new_cell();
    if (version && parent->flags & LAB_WIRED) {
        lab_cell[child.cell].version = new_version(lab_version[version].word);
    } else if (version) {
        lab_cell[child.cell].version = version;
        lab_version[version].nusers++;
        lab_apart[child.cell] = lab_apart[parent->cell];
    }
    return child;
}

void lab_fork(unsigned n, unsigned child)
{
    arm();
    uint64_t ticks = rdtsc();
    int error = vm_space_fork(lab_space[n], &lab_space[child]);
    lab_fork_ticks = rdtsc() - ticks;
    if (!done("fork", n, error)) {
        lab_space[child] = NULL;
        return;
    }
    for (unsigned i = 0; i < npages; i++)
        lab_page[child][i] = inherit_page(&lab_page[n][i]);
}

void lab_exit(unsigned n)
{
    vm_space_unref(lab_space[n]);
    lab_space[n] = NULL;
    for (unsigned i = 0; i < npages; i++)
        drop_cell(&lab_page[n][i]);
}

void lab_end(void)
{
    for (unsigned n = 0; n < LAB_SPACES; n++)
        if (lab_space[n])
            lab_exit(n);
    lab_point("end");
}

// ---- what single cases need ----

uint64_t *lab_word(struct vm_space *vs, vaddr_t va)
{
    paddr_t pa;
    vm_prot_t prot;

    return pmap_extract(vs->pmap, va, &pa, &prot) ? phys_to_dmap(pa) : NULL;
}

const char *lab_why(uint64_t found, uint64_t word, bool shared)
{
    return found >> 32              ? ""
           : found > word           ? ": a later write, of another"
           : found < word && shared ? ": a write of who shares it for good is missing"
                                    : "";
}

// ---- the report ----

void judge_report(void)
{
    const struct kctx *ctx = kctx_current();
    struct strbuf out;

    lab_report.nanons = anon_count();
    lab_report.nmost = lab_most_anons();
    lab_report.nheld = lab_report.nfaults = 0;
    for (size_t i = 1; i <= ctx->nheld; i++) // a program's point holds a lock of files
        lab_report.nheld += ctx->held[i]->rank >= LOCK_MAP;
    if (lab_report.nheld)
        return;
    strbuf_init(&out, lab_report.text, sizeof(lab_report.text));
    lab_report.nfaults = map_check(&out) + amap_check(&out) + pmap_check(&out) +
                         pool_check(NULL, &out) + page_check(&out);
}

void lab_point(const char *name)
{
    lab_report_items();
    judge_point("%s", name);
}
