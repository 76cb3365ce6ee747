// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of the machine floor: time, user copies, contexts, symbols, the disk; and the ways to
// panic, which show that the protections hold and what a panic prints.
#include "amd64/clock.h"
#include "amd64/context.h"
#include "amd64/cpu.h"
#include "amd64/image.h"
#include "amd64/intr.h"
#include "amd64/ksyms.h"
#include "amd64/trap.h"
#include "amd64/usercopy.h"
#include "dev/blk.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/poison.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "sync/irq.h"
#include "sync/spinlock.h"
#include "vm/slab.h"

KTEST(machine_clock)
{
    uint64_t last = clock_ns();
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_ns();
        KTEST_CHECK(now >= last, "%lu after %lu", now, last);
        last = now;
    }
    uint64_t before = clock_ns();
    clock_spin(1000000);
    KTEST_CHECK(clock_ns() - before >= 1000000, "%lu ns", clock_ns() - before);
}

static void (*old_tick)(void);
static volatile uint64_t ticked_at[MAX_CPUS]; // ns; written by the CPU's own ticks

static void note_tick(void)
{
    ticked_at[this_cpu()->id] = clock_ns();
    if (old_tick)
        old_tick();
}

// A machine of 3 GHz on which a read takes 10 us, and that is away for a while before one of them.
#define PAUSE_HZ 3000000000ul

static struct {
    uint64_t now_ns, away_ns;
    unsigned reads, away_before;
} paused;

static uint64_t paused_read(void)
{
    if (++paused.reads == paused.away_before)
        paused.now_ns += paused.away_ns;
    return paused.now_ns += 10000;
}

static uint64_t paused_tsc(void)
{
    return paused_read() * (PAUSE_HZ / NS_PER_SEC);
}

static uint32_t paused_timer(void)
{
    uint64_t now = paused_read();
    return now < UINT32_MAX ? UINT32_MAX - now : 0;
}

// Calibration, with a pause before each of its reads in turn.
KTEST(machine_clock_paused)
{
    static const uint64_t pauses[] = {100000, 2100000, NS_PER_SEC, 5 * NS_PER_SEC};
    const struct clock_source source = {paused_tsc, paused_timer};
    for (unsigned i = 0; i < array_len(pauses); i++) {
        unsigned reads = 0;
        for (unsigned at = 1; at == 1 || at <= reads; at++) {
            paused.now_ns = paused.reads = 0;
            paused.away_ns = pauses[i];
            paused.away_before = at;
            uint64_t hz = clock_measure_hz(&source);
            reads = paused.reads;
            bool ran_out = hz == 0 && pauses[i] > UINT32_MAX;
            KTEST_CHECK(ran_out || (hz > PAUSE_HZ / 1000 * 998 && hz < PAUSE_HZ / 1000 * 1002),
                        "away for %lu ns before read %u: %lu Hz", pauses[i], at, hz);
        }
    }
}

// The timer wakes this CPU from its halt, not before the time asked for, and soon after.
KTEST(machine_tick)
{
    unsigned cpu = this_cpu()->id;
    old_tick = intr_tick;
    intr_tick = note_tick;
    intr_off();
    uint64_t wanted = clock_ns() + 3000000;
    ticked_at[cpu] = 0;
    while (ticked_at[cpu] < wanted && clock_ns() < wanted + NS_PER_SEC) {
        clock_set_event(wanted);
        cpu_idle();
    }
    intr_on();
    intr_tick = old_tick;
    KTEST_CHECK(ticked_at[cpu] >= wanted, "%lu, not %lu", ticked_at[cpu], wanted);
    KTEST_CHECK(ticked_at[cpu] < wanted + NS_PER_SEC, "%lu ns late", ticked_at[cpu] - wanted);
}

KTEST(machine_usercopy)
{
    char buf[16] = "unchanged";
    size_t done = 1;
    uint32_t word;
    vaddr_t kernel_va = (vaddr_t)buf;
    KTEST_CHECK(copyin(buf, kernel_va, 4) == EFAULT, "from the kernel");
    KTEST_CHECK(copyout(kernel_va, "overwritten", 4) == EFAULT, "to the kernel");
    KTEST_CHECK(copyin(buf, USER_MAX - 2, 4) == EFAULT, "across the end");
    KTEST_CHECK(copyin(buf, 8, ~0ul) == EFAULT, "a length that wraps");
    KTEST_CHECK(copyin(buf, 0x1ul << 47, 1) == EFAULT, "not canonical");
    KTEST_CHECK(copyin(buf, 0x123456000, 0) == 0, "nothing");
    KTEST_CHECK(copyin_nofault(buf, 0x123456000, 8, &done) == EFAULT, "unmapped");
    KTEST_CHECK(done == 0, "%zu bytes", done);
    KTEST_CHECK(copyout_nofault(0x123456000, buf, 8, NULL) == EFAULT, "unmapped");
    KTEST_CHECK(fetch_user_u32(0x123456002, &word) == EINVAL, "misaligned");
    KTEST_CHECK(strcmp(buf, "unchanged") == 0, "%s", buf);
}

// Two contexts that pass the CPU to each other.
static struct cpu_context here, there;
static char there_stack[PAGE_SIZE] __attribute__((aligned(16)));
static unsigned visits;

static void visit(void *step)
{
    for (;;) {
        visits += *(unsigned *)step;
        context_switch(&there, &here);
    }
}

static void check_poisoned(const char *what, const uint8_t *p, size_t n)
{
    size_t at = 0;

    while (at < n && p[at] == POISON_BYTE)
        at++;
    KTEST_CHECK(at == n, "%s: byte %zu is %#x", what, at, p[at]);
}

// What the search for leaks rests on, in a build that has it.
KTEST(machine_poison)
{
    uint8_t *block = slab_alloc(100, 0);
    struct vm_page *pg = vm_page_alloc(PAGE_KMEM, 0);

    KTEST_CHECK(block && pg, "block %p, page %p", (void *)block, (void *)pg);
    if (POISON && block && pg) {
        check_poisoned("slab", block, 100);
        check_poisoned("page", page_to_dmap(pg), PAGE_SIZE);
    }
    slab_free(block);
    if (pg)
        vm_page_free(pg);
}

KTEST(machine_switch)
{
    unsigned step = 3;
    vaddr_t old_top = cpu_self()->kstack_top;
    here.kstack_top = old_top;
    visits = 0;
    context_init_kernel(&there, (vaddr_t)there_stack + sizeof(there_stack), visit, &step);
    irq_push();
    for (unsigned i = 0; i < 100; i++)
        context_switch(&here, &there);
    irq_pop();
    KTEST_CHECK(visits == 300, "%u", visits);
    KTEST_CHECK(cpu_self()->kstack_top == old_top, "%#lx", cpu_self()->kstack_top);
}

KTEST(machine_symbols)
{
    struct ksym sym;
    bool found = ksyms_find((vaddr_t)strlen, &sym);
    KTEST_CHECK(found && strcmp(sym.function, "strlen") == 0 && sym.offset == 0, "%d", found);
    KTEST_CHECK(!ksyms_find((vaddr_t)&sym, &sym), "the stack is no function");
}

// ---- disk ----

#define DISK_LIMIT_NS (60 * NS_PER_SEC)
#define DISK_HOLD_NS  (NS_PER_SEC / 1000)

static char disk_buf[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static volatile bool disk_done;

static void note_done(struct blk_req *req)
{
    (void)req;
    disk_done = true;
}

static bool disk_wait(uint64_t ns)
{
    for (uint64_t end = clock_ns() + ns; !disk_done && clock_ns() < end;)
        cpu_relax();
    return disk_done;
}

// Queues one request of a page.
static void disk_start(struct blk_req *req, enum blk_op op, uint64_t sector, void *page)
{
    static paddr_t pa;
    pa = image_to_phys(page);
    *req = (struct blk_req){
        .op = op, .sector = sector, .nsectors = 8, .pages = &pa, .done = note_done};
    disk_done = false;
    blk_submit(blk_disk(0), req);
}

// Runs one request without sleeping; its error, or ETIMEDOUT.
static int disk_run(struct blk_req *req, enum blk_op op, uint64_t sector, void *page)
{
    disk_start(req, op, sector, page);
    return disk_wait(DISK_LIMIT_NS) ? req->error : ETIMEDOUT;
}

KTEST(machine_disk)
{
    struct blk_req req;
    if (!blk_disk(0))
        return;
    KTEST_CHECK(disk_run(&req, BLK_READ, 0, disk_buf[0]) == 0, "read");
    KTEST_CHECK(disk_run(&req, BLK_WRITE, 0, disk_buf[0]) == 0, "write back");
    KTEST_CHECK(disk_run(&req, BLK_FLUSH, 0, disk_buf[0]) == 0, "flush");
    KTEST_CHECK(disk_run(&req, BLK_READ, 0, disk_buf[1]) == 0, "read again");
    KTEST_CHECK(memcmp(disk_buf[0], disk_buf[1], PAGE_SIZE) == 0, "another content");
    KTEST_CHECK(disk_run(&req, BLK_READ, blk_size(blk_disk(0)), disk_buf[1]) == EIO,
                "past the end");
}

#define QUEUED 100

static unsigned queued_left; // atomic

static void note_queued(struct blk_req *req)
{
    KTEST_CHECK(req->error == 0, "request %lu: error %d", req->sector, req->error);
    __atomic_fetch_sub(&queued_left, 1, __ATOMIC_RELEASE);
}

// More than the ring holds at once, each of two pages that are not adjacent.
KTEST(machine_disk_queue)
{
    static struct blk_req reqs[QUEUED];
    const paddr_t pages[3] = {image_to_phys(disk_buf[1]), image_to_phys(disk_buf[0]),
                              image_to_phys(disk_buf[1])};
    if (!blk_disk(0))
        return;
    queued_left = QUEUED;
    for (unsigned i = 0; i < QUEUED; i++) {
        reqs[i] = (struct blk_req){
            .op = BLK_READ, .sector = 8 * i, .nsectors = 20, .pages = pages, .done = note_queued};
        blk_submit(blk_disk(0), &reqs[i]);
    }
    uint64_t end = clock_ns() + DISK_LIMIT_NS;
    while (__atomic_load_n(&queued_left, __ATOMIC_ACQUIRE) && clock_ns() < end)
        cpu_relax();
    KTEST_CHECK(queued_left == 0, "%u left", queued_left);
}

KTEST(machine_disk_faults)
{
    struct blk_req req;
    struct blk_inject off = {0}, fail = {.fail_read = 2, .fail_flush = 1}, hold = {.hold = true};
    if (!blk_disk(0))
        return;
    blk_set_inject(blk_disk(0), &fail);
    KTEST_CHECK(disk_run(&req, BLK_READ, 0, disk_buf[0]) == 0, "the first");
    KTEST_CHECK(disk_run(&req, BLK_READ, 0, disk_buf[0]) == EIO, "the second fails");
    KTEST_CHECK(disk_run(&req, BLK_READ, 0, disk_buf[0]) == 0, "the third");
    KTEST_CHECK(disk_run(&req, BLK_FLUSH, 0, disk_buf[0]) == EIO, "the flush fails");
    blk_set_inject(blk_disk(0), &hold);
    disk_start(&req, BLK_READ, 0, disk_buf[0]);
    KTEST_CHECK(!disk_wait(DISK_HOLD_NS), "held");
    blk_set_inject(blk_disk(0), &off);
    KTEST_CHECK(disk_wait(DISK_LIMIT_NS) && req.error == 0, "released");
}

// ---- panics ----

KTEST(crash_assert)
{
    KASSERT(visits == 12345, "visits %u", visits);
}

KTEST(crash_null)
{
    // Not in C, where a build with UBSAN finds it before the machine does.
    __asm__ volatile("movq $1, (%0)" : : "r"(NULL) : "memory");
}

KTEST(crash_text_write)
{
    *(volatile char *)text_start = 0;
}

KTEST(crash_text_write_dmap)
{
    *(volatile char *)phys_to_dmap(image_to_phys(text_start)) = 0;
}

KTEST(crash_rodata_write)
{
    *(volatile char *)rodata_start = 0;
}

KTEST(crash_data_execute)
{
    disk_buf[0][0] = (char)0xc3;
    ((void (*)(void))disk_buf[0])();
}

static unsigned recurse(unsigned depth)
{
    char frame[1024]; // so large that a backtrace of it reaches its end
    __asm__ volatile("" ::"r"(frame) : "memory");
    return depth == 0 ? 0 : recurse(depth - 1) + (unsigned)frame[0];
}

KTEST(crash_stack_overflow)
{
    visits = recurse(1000);
}

#pragma GCC diagnostic ignored "-Wframe-larger-than="
static __attribute__((noinline)) char large_frame(size_t at)
{
    volatile char frame[8 * PAGE_SIZE]; // twice a stack
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = 1;
    return frame[at];
}

KTEST(crash_stack_array)
{
    visits = (unsigned)large_frame(5);
}

static struct spinlock crash_lock = SPINLOCK_INIT("crash test", LOCK_PAGES, 0);

static __attribute__((noinline)) bool try_in_vain(void)
{
    bool got = spin_trylock(&crash_lock);

    __asm__ volatile("" ::: "memory"); // no tail call
    return got;
}

// Who wants a lock that is held does not change where it was taken.
KTEST(crash_locked)
{
    spin_lock(&crash_lock);
    KASSERT(!try_in_vain(), "it is held");
    panic("with a lock held");
}

KTEST(crash_failed)
{
    KTEST_CHECK(visits == 12345, "seen first");
    panic("what came of it");
}
