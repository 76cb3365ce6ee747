// SPDX-License-Identifier: BSD-2-Clause
//
// The common part of the lab's in-kernel tests: maps, blocks, the report. The tests run before
// there are threads, on one CPU; t_smp.c uses the others in interrupt handlers.

#include "lab_map.h"

#include "dev/judge.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "main/cmdline.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/kmem.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

struct lab_report lab_report;
struct vm_map *lab_map[LAB_MAX_MAPS];
struct lab_slot lab_slot[LAB_MAX_SLOTS];

// The judge takes the flags' values from the debug information, where clang leaves out what no
// variable has.
const enum map_entry_flags lab_flags = ME_QUANTUM;

static struct vm_map kernel_maps[LAB_MAX_MAPS];
static struct vm_space *spaces[LAB_MAX_MAPS];
static size_t bytes[LAB_MAX_MAPS]; // of address space behind a kernel map

struct rng lab_rng(uint64_t part)
{
    struct rng r = {cmdline_number("seed", 1) + (part << 32)};
    return r;
}

// ---- maps ----

void lab_make_kernel_map(unsigned n, size_t npages)
{
    bytes[n] = npages << PAGE_SHIFT;
    vaddr_t va = (vaddr_t)kmem_alloc(kernel_map, bytes[n], 0, KM_NOWAIT | KM_VAONLY);
    KASSERT(va, "no address space of %zu pages", npages);
    lab_map[n] = &kernel_maps[n];
    vm_map_init(lab_map[n], kernel_map->pmap, va, va + bytes[n], true);
}

struct vm_space *lab_make_space(unsigned n)
{
    spaces[n] = vm_space_create();
    KASSERT(spaces[n], "no memory for address space %u", n);
    spaces[n]->mmap_top = LAB_USER_VA + (1ul << 30);
    lab_map[n] = &spaces[n]->map;
    return spaces[n];
}

void lab_destroy_maps(void)
{
    for (unsigned n = 0; n < LAB_MAX_MAPS; n++) {
        if (spaces[n]) {
            vm_space_unref(spaces[n]);
        } else if (lab_map[n]) {
            vaddr_t va = lab_map[n]->min_va;
            vm_map_destroy(lab_map[n]);
            kmem_free(kernel_map, (void *)va, bytes[n]);
        }
        spaces[n] = NULL;
        lab_map[n] = NULL;
    }
    for (unsigned slot = 0; slot < LAB_MAX_SLOTS; slot++)
        lab_slot[slot].va = 0;
}

// ---- blocks ----

struct vm_map_req lab_req(enum lab_kind kind, vaddr_t va, size_t npages)
{
    static const uint32_t flags[] = {
        [LAB_QUANTUM] = ME_QUANTUM,
        [LAB_GUARD] = ME_QUANTUM | ME_GUARD,
        [LAB_READ_ONLY] = ME_QUANTUM,
        [LAB_PLAIN] = 0,
    };
    return (struct vm_map_req){
        .va = va,
        .len = npages << PAGE_SHIFT,
        .attr = {.prot = kind == LAB_READ_ONLY ? PROT_READ : PROT_RW,
                 .max_prot = PROT_RW,
                 .inherit = INHERIT_NONE},
        .entry_flags = flags[kind],
        .flags = va ? MAP_FIXED_ADDR | MAP_NOREPLACE : 0,
    };
}

void lab_alloc(unsigned map, unsigned slot, enum lab_kind kind, vaddr_t va, size_t npages)
{
    struct vm_map_req req = lab_req(kind, va, npages);

    int error = vm_map_map(lab_map[map], &req);
    KASSERT(!error, "mapping %zu pages at %#lx: error %d", npages, va, error);
    lab_slot[slot] = (struct lab_slot){map, req.va, req.len, kind};
    lab_report.mapped++;
}

void lab_forbid(void)
{
    nosleep_enter();
    kctx_current()->fail_nth = 1;
    kctx_current()->allocs = 0;
}

uint64_t lab_allow(void)
{
    kctx_current()->fail_nth = 0;
    nosleep_exit();
    return kctx_current()->allocs;
}

void lab_free_at(struct vm_map *map, vaddr_t va, size_t len)
{
    struct map_change c;

    lab_forbid();
    int error = map_change_begin(&c, map, 0, PR_NOWAIT);
    KASSERT(!error, "map %p is locked", map);
    unsigned need = map_entry_need(map, va, va + len);
    KTEST_CHECK(need == 0, "freeing the quantum [%#lx, +%#zx) needs %u entries", va, len, need);
    vm_map_clear(&c, va, va + len);
    map_change_end(&c);
    uint64_t allocs = lab_allow();
    KTEST_CHECK(allocs == 0, "freeing the quantum [%#lx, +%#zx) allocated", va, len);
    lab_report.unmap_allocs += allocs;
    lab_report.unmaps++;
}

void lab_free(unsigned slot)
{
    lab_free_at(lab_map[lab_slot[slot].map], lab_slot[slot].va, lab_slot[slot].len);
    lab_slot[slot].va = 0;
}

void lab_check_hint(const char *who)
{
    struct vm_map *map = lab_map[0];
    bool ours = !map->hint;

    list_for_each (e, &map->entries, struct vm_map_entry, link)
        ours = ours || e == map->hint;
    KTEST_CHECK(ours, "after %s the hint leads to an entry that is none of the map's", who);
}

void lab_check_need(unsigned n, vaddr_t start_va, vaddr_t end_va)
{
    struct vm_map *map = lab_map[n];
    unsigned inside = 0;

    rw_lock_read(&map->lock);
    list_for_each (e, &map->entries, struct vm_map_entry, link) {
        if (e->flags & ME_QUANTUM)
            continue;
        inside += e->start_va < start_va && start_va < e->end_va;
        inside += e->start_va < end_va && end_va < e->end_va;
    }
    unsigned need = map_entry_need(map, start_va, end_va);
    rw_unlock_read(&map->lock);
    KTEST_CHECK(need == inside, "map_entry_need says %u for [%#lx, %#lx), of whose ends %u %s",
                need, start_va, end_va, inside,
                inside == 1 ? "is inside an entry that is no quantum's"
                            : "are inside entries that are no quanta's");
}

// ---- the report ----

static void add_ref(const void *what, uint64_t nrefs)
{
    for (uint64_t i = 0; i < lab_report.nrefs; i++)
        if (lab_report.ref[i].what == (uint64_t)what)
            return;
    if (lab_report.nrefs < LAB_MAX_REFS)
        lab_report.ref[lab_report.nrefs++] = (struct lab_ref){(uint64_t)what, nrefs};
}

// The amaps' counts; the objects' can be read from outside.
static void report_amaps(struct vm_map *map)
{
    rw_lock_read(&map->lock);
    for (struct vm_map_entry *e = vm_map_first(map); e; e = vm_map_next(map, e))
        if (e->amap)
            add_ref(e->amap, amap_nrefs(e->amap));
    rw_unlock_read(&map->lock);
}

// What the form's own check says of the tests' maps: the judge knows whether it is right.
static void report_own_check(void)
{
    struct strbuf out;

    strbuf_init(&out, lab_report.own_text, sizeof(lab_report.own_text));
    for (unsigned n = 0; n < LAB_MAX_MAPS; n++) {
        if (!lab_map[n])
            continue;
        rw_lock_read(&lab_map[n]->lock);
        lab_report.nown += map_entry_check(lab_map[n], &out);
        rw_unlock_read(&lab_map[n]->lock);
    }
}

static bool quick;

void judge_report(void)
{
    struct vm_map_stats ms;
    struct strbuf out;

    vm_map_get_stats(&ms);
    lab_report.live = ms.entries_live;
    lab_report.allocated = ms.entries_allocated;
    lab_report.clips = ms.clips;
    lab_report.merges = ms.merges;
    lab_report.nfaults = lab_report.nown = lab_report.nrefs = 0;
    lab_report.nheld = kctx_current()->nheld;
    if (quick || lab_report.nheld)
        return;
    for (unsigned n = 0; n < LAB_MAX_MAPS; n++)
        if (lab_map[n] && !lab_map[n]->kernel)
            report_amaps(lab_map[n]);
    report_own_check();
    strbuf_init(&out, lab_report.text, sizeof(lab_report.text));
    lab_report.nfaults =
        map_check(&out) + amap_check(&out) + pool_check(NULL, &out) + page_check(&out);
}

void lab_point(const char *name)
{
    kmem_drain();
    pool_reclaim_all(); // what pools hold is in use, then
    judge_point("%s", name);
}

void lab_quick_point(const char *name)
{
    quick = true;
    judge_point("%s", name);
    quick = false;
}
