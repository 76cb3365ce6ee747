// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: brings the parts up in order. Everything here runs once, on the boot CPU, unless it
// says otherwise.
#include "amd64/apic.h"
#include "amd64/bootinfo.h"
#include "amd64/bootmap.h"
#include "amd64/clock.h"
#include "amd64/cpu.h"
#include "amd64/crash.h"
#include "amd64/intr.h"
#include "amd64/smp.h"
#include "amd64/trap.h"
#include "dev/judge.h"
#include "dev/power.h"
#include "dev/random.h"
#include "dev/record.h"
#include "dev/uart.h"
#include "fs/syncer.h"
#include "fs/tty.h"
#include "fs/vfs_mounts.h"
#include "fs/vnode.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "main/cmdline.h"
#include "main/disks.h"
#include "main/files.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "proc/futex.h"
#include "proc/proc_files.h"
#include "proc/process.h"
#include "proc/sched.h"
#include "proc/thread.h"
#include "sync/jitter.h"
#include "sys/syscall.h"
#include "vm/pageout.h"
#include "vm/vm_init.h"

#define DEFAULT_SEED 1
#define KMEM_SHARE   4            // the kmem submap is 1/4 of kernel address space...
#define KMEM_MAX     (64ul << 20) // ...but no more than this, unless kmem= says otherwise
#define POOL_SHARE   8            // the pools' submap comes on top: 1/8 as much...
#define POOL_MAX     (16ul << 20) // ...but no more than this, unless poolkva= says otherwise,
#define POOL_MIN     (64ul << 10) // which may say from this...
#define POOL_MOST    (1ul << 30)  // ...to that
#define KVA_MIN      (64ul << 20)

// Nothing can be said before the console works, nothing locked before cpu_init.
static void start_console(void)
{
    cpu_probe_features();
    cpu_init(0);
    trap_init_cpu();
    uart_init();
    kprintf_set_sink(uart_write_text);
    crash_init();
}

static void read_cmdline(void)
{
    cmdline_init(bootinfo.cmdline);
    if (cmdline_has("quiet"))
        kprintf_set_sink(NULL);
    if (bootinfo.cmdline_cut)
        kprintf("the command line is longer than %u bytes: cut\n", BOOT_CMDLINE);
    uint64_t seed = cmdline_number("seed", DEFAULT_SEED);
    random_init(cmdline_has("seed"), seed);
    jitter_init(seed, cmdline_number("jitter", 0));
    jitter_turns = cmdline_has("turns");
    judge_deadline((unsigned)cmdline_number("judge", 0));
    bootinfo_limit(cmdline_size("maxmem", ~0ul));
}

static void start_machine(void)
{
    bootmap_init();
    cpu_guard_stacks();
    apic_init();
    cpus[0].apic_id = apic_id();
    intr_init();
    intr_register(UART_IRQ, uart_interrupt, NULL);
    clock_init();
}

// Kernel address space is as large as memory unless kva= says otherwise: its page tables, which
// exist from the start, are 1/512 of that.
static void start_memory(void)
{
    char word[8];

    if (cmdline_get("poison", word, sizeof(word)))
        vm_page_poison = strcmp(word, "full") == 0 ? POISON_ALL
                         : strcmp(word, "0") == 0  ? POISON_OFF
                                                   : POISON_ENDS;
    vm_page_init(bootinfo.free, bootinfo.nfree);
    uint64_t kva = cmdline_size("kva", max(bootinfo.ram_bytes, KVA_MIN));
    kva = page_round(min(kva, KVA_MAX - POOL_MOST));
    uint64_t kmem = cmdline_size("kmem", min(kva / KMEM_SHARE, KMEM_MAX));
    uint64_t pools = cmdline_size("poolkva", min(kva / POOL_SHARE, POOL_MAX));
    pools = page_round(min(max(pools, POOL_MIN), POOL_MOST));
    ptshare_enabled = cmdline_has("ptshare");
    pmap_init(boot_pml4, kva + pools);
    vm_init(KVA_BASE, kva + pools, min(kmem, kva / 2), pools);
}

// The other CPUs wait here until there are threads for them.
static volatile bool scheduling;

static void ap_start(unsigned id UNUSED)
{
    pmap_activate(NULL);
    while (!scheduling)
        cpu_idle();
    sched_idle();
}

static void print_banner(void)
{
    kprintf("Strata: %lu MiB of memory, %u CPU%s (%s)%s%s%s\n", bootinfo.ram_bytes >> 20, ncpus,
            ncpus == 1 ? "" : "s", cpu_features.brand, cpu_features.smep ? " smep" : "",
            cpu_features.smap ? " smap" : "", cpu_features.umip ? " umip" : "");
    if (bootinfo.unused_bytes)
        kprintf("%lu MiB of memory are beyond what the kernel can use\n",
                bootinfo.unused_bytes >> 20);
}

static void report_test(const char *text)
{
    record_printf("%s", text);
    kprintf("%s\n", text);
}

static void start(const char *name, void (*fn)(void *), void *arg)
{
    if (kthread_create(name, fn, arg) != 0)
        panic("no memory for the kernel's thread %s", name);
}

// Everything that may sleep: file systems, the kernel's threads, the first process.
static void start_system(void *arg UNUSED)
{
    static struct syncer syncer = {.sync = vfs_sync};
    static char init[128] = "/bin/init";
    const char *trouble;

    start("pageout", pageout_daemon, NULL);
    start("tty", tty_daemon, NULL);
    int error = vfs_mount_root(&trouble);
    if (error)
        power_cannot_start("no root file system: error %d, %s", error, trouble);
    syncer.period_s = cmdline_number("sync", SYNCER_PERIOD_S);
    if (syncer.period_s)
        start("syncer", syncer_daemon, &syncer);
    swap_disk_init();
    cmdline_get("init", init, sizeof(init));
    error = process_start_init(init);
    if (error)
        panic("cannot make the first process: error %d", error);
}

static void start_threads(void)
{
    static void (*const inits[])(void) = {
        sched_init, thread_init,  process_init,    signal_init,    futex_init,    faults_init,
        oom_init,   syscall_init, vfs_init,        file_init,      fdtable_init,  file_lock_init,
        pipe_init,  session_init, proc_files_init, sys_files_init, vm_files_init, controls_init};

    for (unsigned i = 0; i < array_len(inits); i++)
        inits[i]();
    start("start", start_system, NULL);
}

// Called by boot.S on the boot CPU's static stack, interrupts off.
_Noreturn void kernel_main(paddr_t start_info_pa);
void kernel_main(paddr_t start_info_pa)
{
    start_console();
    bootinfo_init(start_info_pa);
    read_cmdline();
    start_machine();
    start_memory();
    disks_init();
    smp_start(ap_start);
    print_banner();
    record_printf("boot");

    char pattern[64];
    if (cmdline_get("test", pattern, sizeof(pattern))) {
        intr_on();
        ktest_run(pattern, report_test);
    }
    if (cmdline_has("test"))
        power_off();
    start_threads();
    scheduling = true;
    for (unsigned i = 1; i < ncpus; i++)
        ipi_send(i, IPI_RESCHEDULE);
    sched_idle();
}
