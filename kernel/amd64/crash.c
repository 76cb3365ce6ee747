// SPDX-License-Identifier: BSD-2-Clause
//
// Panics. Takes no locks: their holders may be stopped, or may be what is broken.
#include "amd64/crash.h"

#include "amd64/apic.h"
#include "amd64/cpu.h"
#include "amd64/image.h"
#include "amd64/ksyms.h"
#include "amd64/trap.h"
#include "dev/power.h"
#include "dev/record.h"
#include "dev/uart.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/memlayout.h"
#include "sync/irq.h"
#include "sync/lock_check.h"

#define MAX_DEPTH   32          // frames printed
#define MAX_FRAME   (1ul << 16) // bytes that one frame may plausibly have
#define MAX_MESSAGE 512
#define NO_CPU      (~0u)

static unsigned crashing_cpu = NO_CPU;         // atomic; the first one to panic
static unsigned depth;                         // panics on that CPU
static struct trapframe *crash_tf;             // the cause's registers, or NULL
static unsigned stopped;                       // CPUs that obeyed the NMI; atomic
static struct trapframe *stopped_at[MAX_CPUS]; // where it hit them

// The host adds file and line to such a place.
static void print_place(vaddr_t va)
{
    struct ksym sym;
    kprintf(" %#018lx", va);
    if (ksyms_find(va, &sym))
        kprintf(" %s+%#lx", sym.function, sym.offset);
}

static void print_location(unsigned n, vaddr_t va)
{
    kprintf("  #%-2u", n);
    print_place(va);
    kprintf("\n");
}

static void print_taken(uintptr_t at)
{
    if (in_kernel_text(at)) {
        kprintf(", taken at");
        print_place(at - 1);
    }
}

// A frame is believed if it lies in kernel memory and above the one before, not far off.
static bool plausible(vaddr_t rbp, vaddr_t previous)
{
    return rbp % 8 == 0 && rbp >= KVA_BASE && rbp > previous &&
           (previous == 0 || rbp - previous < MAX_FRAME);
}

// A return address may belong to the next line, or function: the call is before it.
static unsigned print_callers(unsigned n, vaddr_t rbp)
{
    for (vaddr_t previous = 0; n < MAX_DEPTH && plausible(rbp, previous); n++) {
        const vaddr_t *frame = (const vaddr_t *)rbp;
        if (!in_kernel_text(frame[1]))
            break;
        print_location(n, frame[1] - 1);
        previous = rbp;
        rbp = frame[0];
    }
    return n;
}

// If the code before rip in its function has not made %rbp its own yet (mov %rsp, %rbp): a leaf
// function without a frame, or one caught at its entry. Then the return address is at %rsp.
static bool frameless(vaddr_t rip)
{
    struct ksym sym;
    if (!ksyms_find(rip, &sym))
        return true;
    const uint8_t *code = (const uint8_t *)(rip - sym.offset);
    for (uint64_t i = 0; i + 3 <= sym.offset; i++) {
        if (code[i] == 0x48 && code[i + 1] == 0x89 && code[i + 2] == 0xe5)
            return false;
    }
    return true;
}

static void print_interrupted(const struct trapframe *tf)
{
    unsigned n = 0;
    print_location(n++, tf->rip);
    bool stack_good = tf->vector != TRAP_DOUBLE_FAULT && tf->rsp % 8 == 0 && tf->rsp >= KVA_BASE;
    if (stack_good && frameless(tf->rip)) {
        vaddr_t caller = *(const vaddr_t *)tf->rsp;
        if (in_kernel_text(caller))
            print_location(n++, caller - 1);
    }
    print_callers(n, tf->rbp);
}

static void print_registers(const struct trapframe *tf)
{
    kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx, tf->rdx);
    kprintf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", tf->rsi, tf->rdi, tf->rbp, tf->rsp);
    kprintf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", tf->r8, tf->r9, tf->r10, tf->r11);
    kprintf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", tf->r12, tf->r13, tf->r14, tf->r15);
    kprintf("rip %016lx cs %lx ss %lx rflags %lx vector %lu error %lx\n", tf->rip, tf->cs, tf->ss,
            tf->rflags, tf->vector, tf->error);
}

static void stop_others(void)
{
    if (ncpus == 1)
        return;
    apic_send_nmi_others();
    uint64_t end = rdtsc() + 100000000;
    while (load_acquire(&stopped) < ncpus - 1 && rdtsc() < end)
        cpu_relax();
}

// Only the first CPU goes on, and a second panic there is cut short.
static void enter(const char *message)
{
    unsigned id = this_cpu()->id, none = NO_CPU;
    intr_off();
    if (!compare_swap(&crashing_cpu, &none, id) && none != id) {
        for (;;)
            __asm__ volatile("hlt");
    }
    uart_panic_mode();
    record_panic_mode();
    kprintf_set_sink(uart_write_text);
    depth++;
    if (depth == 2)
        kprintf("\npanic while panicking: %s\n", message);
    if (depth >= 2)
        power_exit(POWER_PANIC);
}

// A record is one line and fits a frame.
static void emit_record(const char *text)
{
    char line[MAX_MESSAGE];
    int n = ksnprintf(line, sizeof(line), "%s", text);
    n = min(n, (int)sizeof(line) - 1);
    for (int i = 0; i < n; i++) {
        if (line[i] == '\n')
            line[i] = ' ';
    }
    record_write(line, n);
}

// What a test saw fail before says more than what came of it.
static void emit_records(const char *message)
{
    char line[MAX_MESSAGE];
    ktest_report_failure(emit_record);
    ksnprintf(line, sizeof(line), "panic %s", message);
    emit_record(line);
}

static void print_thread(const struct kctx *ctx, const struct trapframe *tf)
{
    kprintf("thread %d (%s)", ctx->id, ctx->name ? ctx->name : "?");
    if (!tf) {
        kprintf("\n");
    } else if (tf_from_user(tf)) {
        kprintf(" in user mode at %#lx\n", tf->rip);
    } else {
        kprintf(" in the kernel\n");
        print_interrupted(tf);
    }
}

static void print_others(void)
{
    for (unsigned i = 0; i < ncpus; i++) {
        if (i == this_cpu()->id)
            continue;
        kprintf("CPU %u: ", i);
        const struct kctx *ctx = percpu_of[i]->kctx;
        print_thread(ctx, stopped_at[i]);
        lock_print_held(ctx, print_taken);
    }
}

static _Noreturn void crash(const char *message, vaddr_t rbp)
{
    bool irqs_on = irq_enabled();
    enter(message);
    emit_records(message);
    stop_others();
    kprintf("\npanic: %s\n", message);
    if (crash_tf)
        print_registers(crash_tf);
    else
        kprintf("rbp %016lx interrupts %s\n", rbp, irqs_on ? "on" : "off");
    kprintf("cr2 %016lx cr3 %016lx\nCPU %u of %u: ", read_cr2(), read_cr3(), this_cpu()->id, ncpus);
    print_thread(kctx_current(), crash_tf);
    if (!crash_tf)
        print_callers(0, rbp);
    lock_print_held(kctx_current(), print_taken);
    print_others();
    power_exit(POWER_PANIC);
}

static void panic_handler(const char *message)
{
    crash(message, (vaddr_t)__builtin_frame_address(0));
}

void crash_init(void)
{
    panic_set_handler(panic_handler);
}

void crash_frame(struct trapframe *tf, const char *fmt, ...)
{
    char message[MAX_MESSAGE];
    format_args(message, fmt);
    if (load_acquire(&crashing_cpu) == NO_CPU)
        crash_tf = tf;
    crash(message, (vaddr_t)__builtin_frame_address(0));
}

void crash_nmi(struct trapframe *tf)
{
    if (load_acquire(&crashing_cpu) == NO_CPU)
        return;
    stopped_at[this_cpu()->id] = tf;
    add_acq_rel(&stopped, 1);
    for (;;)
        __asm__ volatile("cli; hlt");
}
