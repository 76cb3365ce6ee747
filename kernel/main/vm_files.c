// SPDX-License-Identifier: BSD-2-Clause
//
// What /proc/vm shows. Each function prints one module's figures.
#include "main/vm_files.h"

#include "fs/procfs.h"
#include "lib/printf.h"
#include "main/vm_controls.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "pmap/pv.h"
#include "vm/amap.h"
#include "vm/kmem.h"
#include "vm/pageout.h"
#include "vm/slab.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"

// One figure of the stats structure `st', under the field's name.
#define FIGURE(field) strbuf_printf(out, #field " %lu\n", st.field)

static int show_pages(int pid, struct strbuf *out)
{
    struct vm_page_stats st;

    (void)pid;
    vm_page_get_stats(&st);
    FIGURE(npages);
    FIGURE(nfree);
    FIGURE(nactive);
    FIGURE(ninactive);
    FIGURE(nwired);
    for (unsigned i = 0; i < PAGE_OWNERS; i++)
        strbuf_printf(out, "owner_%s %lu\n", page_owner_name[i], st.by_owner[i]);
    FIGURE(allocs);
    FIGURE(frees);
    FIGURE(alloc_failures);
    FIGURE(waits);
    FIGURE(wait_failures);
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

static int show_pools(int pid, struct strbuf *out)
{
    (void)pid;
    strbuf_printf(out, "%-20s %6s %8s %8s %7s %10s %10s %6s %7s\n", "name", "bytes", "out", "free",
                  "pages", "gets", "puts", "fails", "drained");
    pool_for_each(show_pool, out);
    return 0;
}

static int show_pv(int pid, struct strbuf *out)
{
    struct pv_stats st;

    (void)pid;
    pv_get_stats(&st);
    FIGURE(pc_chunk_count);
    FIGURE(pc_chunk_allocs);
    FIGURE(pc_chunk_frees);
    FIGURE(pc_chunk_tryfail);
    FIGURE(pv_entry_count);
    FIGURE(pv_entry_allocs);
    FIGURE(pv_entry_frees);
    FIGURE(pv_entry_spare);
    FIGURE(pv_reclaims);
    FIGURE(pv_bytes);
    return 0;
}

static int show_pmap(int pid, struct strbuf *out)
{
    struct pmap_stats st;

    (void)pid;
    pmap_get_stats(&st);
    FIGURE(pmaps);
    FIGURE(pt_pages);
    FIGURE(enters);
    FIGURE(removes);
    FIGURE(shootdowns);
    FIGURE(shootdown_ipis);
    strbuf_printf(out, "shared_pt_pages_saved %lu\n", ptshare_saved_pages());
    return 0;
}

static void show_kernel_map(const char *name, const struct vm_map *map, struct strbuf *out)
{
    strbuf_printf(out, "%s_entries %u\n%s_reserve %u\n%s_quanta %u\n", name, map->nentries, name,
                  map->nreserve, name, map->nquanta);
}

static int show_map(int pid, struct strbuf *out)
{
    struct vm_map_stats st;

    (void)pid;
    vm_map_get_stats(&st);
    FIGURE(maps);
    FIGURE(lookups);
    FIGURE(hint_hits);
    FIGURE(clips);
    FIGURE(merges);
    FIGURE(entries_allocated);
    FIGURE(entries_live);
    show_kernel_map("kernel_map", kernel_map, out);
    show_kernel_map("kmem_map", kmem_map, out);
    show_kernel_map("pool_map", pool_map, out);
    return 0;
}

static int show_amap(int pid, struct strbuf *out)
{
    struct amap_stats st;

    (void)pid;
    amap_get_stats(&st);
    FIGURE(amaps);
    FIGURE(slots_used);
    FIGURE(anons);
    FIGURE(copies);
    FIGURE(eager_pages);
    FIGURE(ppref_tables);
    return 0;
}

static int show_fault(int pid, struct strbuf *out)
{
    struct vm_fault_stats st;

    (void)pid;
    vm_fault_get_stats(&st);
    FIGURE(faults);
    FIGURE(anon_hits);
    FIGURE(anon_copies);
    FIGURE(object_maps);
    FIGURE(promotes);
    FIGURE(zero_fills);
    FIGURE(restarts);
    FIGURE(waits);
    FIGURE(failures);
    return 0;
}

static int show_pageout(int pid, struct strbuf *out)
{
    struct pageout_stats st;

    (void)pid;
    pageout_get_stats(&st);
    FIGURE(passes);
    FIGURE(scanned);
    FIGURE(deactivated);
    FIGURE(reactivated);
    FIGURE(freed);
    FIGURE(written);
    FIGURE(write_errors);
    FIGURE(swapped_out);
    FIGURE(pools_drained);
    FIGURE(skipped);
    return 0;
}

static int show_swap(int pid, struct strbuf *out)
{
    struct swap_stats st;

    (void)pid;
    swap_get_stats(&st);
    FIGURE(nslots);
    FIGURE(nused);
    FIGURE(ins);
    FIGURE(outs);
    FIGURE(errors);
    return 0;
}

static int show_slab(int pid, struct strbuf *out)
{
    struct slab_stats st;

    (void)pid;
    slab_get_stats(&st);
    FIGURE(zones);
    FIGURE(zone_bytes);
    FIGURE(objects);
    FIGURE(object_bytes);
    FIGURE(large_bytes);
    FIGURE(lookups);
    return 0;
}

void vm_files_init(void)
{
    procfs_register("vm/pages", show_pages, NULL);
    procfs_register("vm/pools", show_pools, NULL);
    procfs_register("vm/pv", show_pv, NULL);
    procfs_register("vm/pmap", show_pmap, NULL);
    procfs_register("vm/map", show_map, NULL);
    procfs_register("vm/amap", show_amap, NULL);
    procfs_register("vm/fault", show_fault, NULL);
    procfs_register("vm/pageout", show_pageout, NULL);
    procfs_register("vm/swap", show_swap, NULL);
    procfs_register("vm/slab", show_slab, NULL);
    vm_controls_init();
}
