// SPDX-License-Identifier: BSD-2-Clause
//
// What /proc/vm shows: each module's figures, a row for each.
#include "fs/procfs.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "main/files.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "pmap/pv.h"
#include "sync/lock_check.h"
#include "vm/amap.h"
#include "vm/fault_kinds.h"
#include "vm/kmem.h"
#include "vm/pageout.h"
#include "vm/slab.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"
#include "vm/vm_loan.h"
#include "vm/vm_map.h"

// A uint64_t of a module's stats structure, shown under its own name.
struct figure {
    const char *name;
    size_t at;
};

#define ROW(module, field)                                                                         \
    (struct figure)                                                                                \
    {                                                                                              \
#field, offsetof(struct module##_stats, field)                                             \
    }
#define PAGE(field)    ROW(vm_page, field)
#define PV(field)      ROW(pv, field)
#define PMAP(field)    ROW(pmap, field)
#define MAP(field)     ROW(vm_map, field)
#define AMAP(field)    ROW(amap, field)
#define FAULT(field)   ROW(vm_fault, field)
#define KINDS(field)   ROW(fault_kinds, field)
#define PAGEOUT(field) ROW(pageout, field)
#define SWAP(field)    ROW(swap, field)
#define SLAB(field)    ROW(slab, field)
#define LOAN(field)    ROW(vm_loan, field)

static const struct figure vm_page_rows[] = {
    PAGE(npages), PAGE(nfree), PAGE(nactive),        PAGE(ninactive), PAGE(nwired),
    PAGE(allocs), PAGE(frees), PAGE(alloc_failures), PAGE(waits),     PAGE(wait_failures)};
static const struct figure pv_rows[] = {
    PV(pc_chunk_count), PV(pc_chunk_allocs), PV(pc_chunk_frees), PV(pc_chunk_tryfail),
    PV(pv_entry_count), PV(pv_entry_allocs), PV(pv_entry_frees), PV(pv_entry_spare),
    PV(pv_reclaims),    PV(pv_bytes)};
static const struct figure pmap_rows[] = {PMAP(pmaps),   PMAP(pt_pages),   PMAP(enters),
                                          PMAP(removes), PMAP(shootdowns), PMAP(shootdown_ipis)};
static const struct figure vm_map_rows[] = {MAP(maps),        MAP(lookups), MAP(hint_hits),
                                            MAP(clips),       MAP(merges),  MAP(entries_allocated),
                                            MAP(entries_live)};
static const struct figure amap_rows[] = {AMAP(amaps),  AMAP(slots_used),  AMAP(anons),
                                          AMAP(copies), AMAP(eager_pages), AMAP(ppref_tables)};
static const struct figure vm_fault_rows[] = {
    FAULT(faults),     FAULT(anon_hits), FAULT(anon_copies), FAULT(object_maps), FAULT(promotes),
    FAULT(zero_fills), FAULT(restarts),  FAULT(waits),       FAULT(failures)};
static const struct figure fault_kinds_rows[] = {KINDS(reads), KINDS(writes), KINDS(executes),
                                                 KINDS(present)};
static const struct figure pageout_rows[] = {
    PAGEOUT(passes),        PAGEOUT(scanned), PAGEOUT(deactivated),  PAGEOUT(reactivated),
    PAGEOUT(freed),         PAGEOUT(written), PAGEOUT(write_errors), PAGEOUT(swapped_out),
    PAGEOUT(pools_drained), PAGEOUT(skipped), PAGEOUT(clusters),     PAGEOUT(clean_freed),
    PAGEOUT(in_flight)};
static const struct figure swap_rows[] = {SWAP(nslots), SWAP(nused), SWAP(nbad),
                                          SWAP(ins),    SWAP(outs),  SWAP(errors)};
static const struct figure slab_rows[] = {SLAB(zones),        SLAB(zone_bytes),  SLAB(objects),
                                          SLAB(object_bytes), SLAB(large_bytes), SLAB(lookups)};
static const struct figure vm_loan_rows[] = {LOAN(asked), LOAN(refused), LOAN(lent), LOAN(ended)};

static void print_rows(struct strbuf *out, const struct figure *rows, unsigned n, const void *stats)
{
    for (unsigned i = 0; i < n; i++)
        strbuf_printf(out, "%s %lu\n", rows[i].name,
                      *(const uint64_t *)((const char *)stats + rows[i].at));
}

#define SHOW(module)                                                                               \
    static int show_##module(int pid UNUSED, struct strbuf *out)                                   \
    {                                                                                              \
        struct module##_stats st;                                                                  \
        module##_get_stats(&st);                                                                   \
        print_rows(out, module##_rows, array_len(module##_rows), &st);                             \
        return 0;                                                                                  \
    }
SHOW(vm_page)
SHOW(pv)
SHOW(pmap)
SHOW(vm_map)
SHOW(amap)
SHOW(vm_fault)
SHOW(fault_kinds)
SHOW(pageout)
SHOW(swap)
SHOW(slab)
SHOW(vm_loan)

// ---- files with more than rows ----

static int show_pages(int pid, struct strbuf *out)
{
    struct vm_page_stats st;

    show_vm_page(pid, out);
    vm_page_get_stats(&st);
    for (unsigned i = 0; i < PAGE_OWNERS; i++)
        strbuf_printf(out, "owner_%s %lu\n", page_owner_name[i], st.by_owner[i]);
    for (unsigned i = PAGE_KERNEL + 1; i < PAGE_OWNERS; i++)
        strbuf_printf(out, "zeroed_%s %lu\n", page_owner_name[i], st.zeroed[i]);
    strbuf_printf(out, "reserve_kernel %lu\nreserve_daemon %lu\nfree_min %lu\nfree_target %lu\n",
                  vm_page_reserve_kernel, vm_page_reserve_daemon, vm_page_free_min,
                  vm_page_free_target);
    return 0;
}

static void show_pool(struct pool *p, void *out)
{
    strbuf_printf(out, "%-20s %6zu %8lu %8lu %7lu %10lu %10lu %6lu %7lu\n", p->name, p->item_size,
                  p->nitems_out, p->nitems_free, p->npages, p->gets, p->puts, p->fails, p->drained);
}

static int show_pools(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "%-20s %6s %8s %8s %7s %10s %10s %6s %7s\n", "name", "bytes", "out", "free",
                  "pages", "gets", "puts", "fails", "drained");
    pool_for_each(show_pool, out);
    return 0;
}

static int show_tables(int pid, struct strbuf *out)
{
    show_pmap(pid, out);
    strbuf_printf(out, "shared_pt_pages_saved %lu\n", ptshare_saved_pages());
    return 0;
}

static int show_faults(int pid, struct strbuf *out)
{
    store_relaxed(&fault_kinds_wanted, true);
    show_vm_fault(pid, out);
    return show_fault_kinds(pid, out);
}

static void show_kernel_map(const char *name, const struct vm_map *map, struct strbuf *out)
{
    strbuf_printf(out, "%s_entries %u\n%s_reserve %u\n%s_quanta %u\n", name, map->nentries, name,
                  map->nreserve, name, map->nquanta);
}

static int show_maps(int pid, struct strbuf *out)
{
    show_vm_map(pid, out);
    show_kernel_map("kernel_map", kernel_map, out);
    show_kernel_map("kmem_map", kmem_map, out);
    show_kernel_map("pool_map", pool_map, out);
    return 0;
}

static int show_locks(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "contended %lu\n", lock_contended);
    return 0;
}

void vm_files_init(void)
{
    procfs_register("vm/pages", show_pages, NULL);
    procfs_register("vm/pools", show_pools, NULL);
    procfs_register("vm/pv", show_pv, NULL);
    procfs_register("vm/pmap", show_tables, NULL);
    procfs_register("vm/map", show_maps, NULL);
    procfs_register("vm/amap", show_amap, NULL);
    procfs_register("vm/fault", show_faults, NULL);
    procfs_register("vm/pageout", show_pageout, NULL);
    procfs_register("vm/swap", show_swap, NULL);
    procfs_register("vm/slab", show_slab, NULL);
    procfs_register("vm/loan", show_vm_loan, NULL);
    procfs_register("vm/locks", show_locks, NULL);
}
