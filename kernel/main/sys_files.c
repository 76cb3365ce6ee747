// SPDX-License-Identifier: BSD-2-Clause
//
// /proc/meminfo and its neighbours. What Linux counts and this kernel does not is left out.
#include "amd64/bootinfo.h"
#include "amd64/clock.h"
#include "amd64/cpu.h"
#include "dev/blk.h"
#include "fs/file_lock.h"
#include "fs/procfs.h"
#include "fs/vnode.h"
#include "lib/printf.h"
#include "main/files.h"
#include "mem/vm_page.h"
#include "proc/process.h"
#include "proc/sched.h"
#include "proc/thread.h"
#include "sys/syscall.h"
#include "vm/pageout.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"

#define KIB_PER_PAGE (PAGE_SIZE / 1024)

static void kib_line(struct strbuf *out, const char *name, uint64_t npages)
{
    strbuf_printf(out, "%s:%*lu kB\n", name, (int)(23 - __builtin_strlen(name)),
                  npages * KIB_PER_PAGE);
}

static int show_meminfo(int pid UNUSED, struct strbuf *out)
{
    struct vm_page_stats st;
    struct swap_stats swap;

    vm_page_get_stats(&st);
    swap_get_stats(&swap);
    kib_line(out, "MemTotal", st.npages);
    kib_line(out, "MemFree", st.nfree);
    kib_line(out, "MemAvailable", st.nfree + st.by_owner[PAGE_OBJECT]); // files can be read again
    kib_line(out, "Buffers", st.by_owner[PAGE_BUF]);
    kib_line(out, "Cached", st.by_owner[PAGE_OBJECT]);
    kib_line(out, "SwapCached", 0);
    kib_line(out, "Active", st.nactive);
    kib_line(out, "Inactive", st.ninactive);
    kib_line(out, "SwapTotal", swap.nslots);
    kib_line(out, "SwapFree", swap.nslots - swap.nused);
    kib_line(out, "AnonPages", st.by_owner[PAGE_ANON]);
    kib_line(out, "Slab", st.by_owner[PAGE_POOL]);
    kib_line(out, "KernelStack", (uint64_t)thread_count() * KSTACK_SIZE / PAGE_SIZE);
    kib_line(out, "PageTables", st.by_owner[PAGE_PT]);
    return 0;
}

static int show_vmstat(int pid UNUSED, struct strbuf *out)
{
    struct vm_page_stats st;
    struct pageout_stats po;
    struct vm_fault_stats fault;
    struct swap_stats swap;

    vm_page_get_stats(&st);
    pageout_get_stats(&po);
    vm_fault_get_stats(&fault);
    swap_get_stats(&swap);
    strbuf_printf(out, "nr_free_pages %lu\nnr_inactive %lu\nnr_active %lu\n", st.nfree,
                  st.ninactive, st.nactive);
    strbuf_printf(out, "nr_anon_pages %lu\nnr_file_pages %lu\nnr_page_table_pages %lu\n",
                  st.by_owner[PAGE_ANON], st.by_owner[PAGE_OBJECT], st.by_owner[PAGE_PT]);
    strbuf_printf(out, "pgfault %lu\npgalloc %lu\npgfree %lu\n", fault.faults, st.allocs, st.frees);
    strbuf_printf(out, "pgscan %lu\npgsteal %lu\npgactivate %lu\npswpin %lu\npswpout %lu\n",
                  po.scanned, po.freed, po.reactivated, swap.ins, swap.outs);
    return 0;
}

static int show_uptime(int pid UNUSED, struct strbuf *out)
{
    uint64_t up = clock_ns() / (NS_PER_SEC / 100), idle = sched_idle_ns() / (NS_PER_SEC / 100);

    strbuf_printf(out, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
    return 0;
}

static int show_loadavg(int pid UNUSED, struct strbuf *out)
{
    uint64_t loads[3];

    sched_loads(loads);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t hundredths = (loads[i] * 100 + LOAD_ONE / 2) / LOAD_ONE;
        strbuf_printf(out, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    strbuf_printf(out, "%u/%u %d\n", sched_nready(), thread_count(), process_last_id());
    return 0;
}

static int show_stat(int pid UNUSED, struct strbuf *out)
{
    uint64_t idle = sched_idle_ns() / TICK_NS, total = clock_ns() / TICK_NS * ncpus;

    strbuf_printf(out, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", total > idle ? total - idle : 0, idle);
    for (unsigned i = 0; i < ncpus; i++)
        strbuf_printf(out, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", i,
                      total > idle ? (total - idle) / ncpus : 0, idle / ncpus);
    strbuf_printf(out, "ctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n",
                  sched_switches(), (clock_realtime_ns() - clock_ns()) / NS_PER_SEC,
                  process_last_id(), sched_nready());
    return 0;
}

static int show_cpuinfo(int pid UNUSED, struct strbuf *out)
{
    for (unsigned i = 0; i < ncpus; i++) {
        uint64_t khz = clock_tsc_hz() / 1000;
        strbuf_printf(out, "processor\t: %u\nmodel name\t: %s\ncpu MHz\t\t: %lu.%03lu\n", i,
                      cpu_features.brand, khz / 1000, khz % 1000);
        strbuf_printf(out, "flags\t\t: fpu tsc cx8 apic sse sse2 syscall nx lm%s%s%s\n\n",
                      cpu_features.smep ? " smep" : "", cpu_features.smap ? " smap" : "",
                      cpu_features.umip ? " umip" : "");
    }
    return 0;
}

static int show_version(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "Strata version 6.1.0-strata #1 SMP\n");
    return 0;
}

static int show_cmdline(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "%s\n", bootinfo.cmdline);
    return 0;
}

// Linux's columns: what is not measured (merges, times, discards) is 0.
static int show_diskstats(int pid UNUSED, struct strbuf *out)
{
    struct blk_stats st;
    struct blk *disk;

    for (unsigned n = 0; (disk = blk_disk(n)); n++) {
        blk_get_stats(disk, &st);
        strbuf_printf(out, " 254 %u vd%c %lu 0 %lu 0 %lu 0 %lu 0 %lu 0 0 0 0 0 0 %lu 0\n", n * 16,
                      'a' + n, st.requests[BLK_READ], st.sectors[BLK_READ], st.requests[BLK_WRITE],
                      st.sectors[BLK_WRITE], st.in_flight, st.requests[BLK_FLUSH]);
    }
    return 0;
}

static void show_mount(const char *type, const char *path, void *arg)
{
    strbuf_printf(arg, "%s %s %s rw 0 0\n", type, path, type);
}

static int show_mounts(int pid UNUSED, struct strbuf *out)
{
    vfs_for_each_mount(show_mount, out);
    return 0;
}

void sys_files_init(void)
{
    procfs_register("meminfo", show_meminfo, NULL);
    procfs_register("vmstat", show_vmstat, NULL);
    procfs_register("uptime", show_uptime, NULL);
    procfs_register("loadavg", show_loadavg, NULL);
    procfs_register("stat", show_stat, NULL);
    procfs_register("cpuinfo", show_cpuinfo, NULL);
    procfs_register("version", show_version, NULL);
    procfs_register("cmdline", show_cmdline, NULL);
    procfs_register("mounts", show_mounts, NULL);
    procfs_register("diskstats", show_diskstats, NULL);
    procfs_register("locks", file_lock_show, NULL);
    procfs_register("syscalls", syscall_show, NULL);
    procfs_register("refused", syscall_show_refused, NULL);
}
