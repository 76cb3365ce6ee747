// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU set-up: GDT and TSS, static stacks with guard pages, control registers, MSRs.
#include "amd64/cpu.h"

#include <cpuid.h>
#include "amd64/bootmap.h"
#include "lib/panic.h"
#include "lib/string.h"

#define CPU_STACK_PAGES 4 // start-up, then the idle thread
#define IST_STACK_PAGES 2 // double faults and NMIs

_Static_assert(offsetof(struct cpu, kstack_top) == CPU_KSTACK_TOP, "CPU_KSTACK_TOP");
_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "CPU_USER_RSP");

#define CPUID7_EBX_SMEP (1u << 7)
#define CPUID7_EBX_SMAP (1u << 20)
#define CPUID7_ECX_UMIP (1u << 2)

struct cpu_stacks {
    char guard1[PAGE_SIZE];
    char stack[CPU_STACK_PAGES * PAGE_SIZE];
    char guard2[PAGE_SIZE];
    char ist[IST_STACK_PAGES * PAGE_SIZE];
};

struct cpu cpus[MAX_CPUS];
struct cpu_features cpu_features;
static struct cpu_stacks stacks[MAX_CPUS] __attribute__((aligned(PAGE_SIZE)));

// Read by boot.S.
void *const boot_stack_top = stacks[0].guard2;
void *const ap_stack_tops[MAX_CPUS] = {
    stacks[0].guard2, stacks[1].guard2, stacks[2].guard2, stacks[3].guard2,
    stacks[4].guard2, stacks[5].guard2, stacks[6].guard2, stacks[7].guard2,
};

// The places of stac and clac in trap.S and usercopy.S, no-ops as linked (asm.h, SMAP_SITE).
struct smap_site {
    char *code;
    uint64_t stac; // 1: stac, 0: clac
};
extern const struct smap_site smap_sites[], smap_sites_end[];

static void patch_smap(void)
{
    static const uint8_t opcode[2][3] = {{0x0f, 0x01, 0xca}, {0x0f, 0x01, 0xcb}};
    for (const struct smap_site *s = smap_sites; s < smap_sites_end; s++)
        memcpy(s->code, opcode[s->stac], 3);
}

void cpu_probe_features(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        cpu_features.smep = b & CPUID7_EBX_SMEP;
        cpu_features.smap = b & CPUID7_EBX_SMAP;
        cpu_features.umip = c & CPUID7_ECX_UMIP;
    }
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002 + i, (unsigned *)&cpu_features.brand[16 * i],
                    (unsigned *)&cpu_features.brand[16 * i + 4],
                    (unsigned *)&cpu_features.brand[16 * i + 8],
                    (unsigned *)&cpu_features.brand[16 * i + 12]);
    if (cpu_features.smap)
        patch_smap();
}

static void init_segments(struct cpu *cpu)
{
    cpu->gdt[SEL_KCODE32 / 8] = 0x00cf9a000000ffff;
    cpu->gdt[SEL_KCODE / 8] = 0x00af9a000000ffff;
    cpu->gdt[SEL_KDATA / 8] = 0x00cf92000000ffff;
    cpu->gdt[SEL_USER32 / 8] = 0x00cffa000000ffff;
    cpu->gdt[SEL_UDATA / 8] = 0x00cff2000000ffff;
    cpu->gdt[SEL_UCODE / 8] = 0x00affa000000ffff;
    uint64_t base = (uint64_t)&cpu->tss;
    cpu->gdt[SEL_TSS / 8] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 |
                            (base >> 24 & 0xff) << 56;
    cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
    cpu->tss.iomap = sizeof(struct tss);
    cpu->tss.rsp[0] = cpu->kstack_top;
    cpu->tss.ist[0] = (uint64_t)(&stacks[cpu - cpus] + 1);

    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdtr = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
    // Selectors 0x10 and 0x18 mean the same here as in the boot GDT; only TR must be loaded.
    __asm__ volatile("lgdt %0; ltr %w1" ::"m"(gdtr), "r"(SEL_TSS) : "memory");
}

static void init_controls(void)
{
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= cpu_features.smep ? CR4_SMEP : 0;
    cr4 |= cpu_features.smap ? CR4_SMAP : 0;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4) : "memory");

    wrmsr(MSR_STAR, (uint64_t)SEL_USER32 << 48 | (uint64_t)SEL_KCODE << 32);
    wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_NT);
}

void cpu_init(unsigned id)
{
    struct cpu *cpu = &cpus[id];
    cpu->percpu.self = &cpu->percpu;
    cpu->percpu.id = id;
    cpu->percpu.kctx = &cpu->boot_kctx;
    cpu->boot_kctx.name = "boot";
    cpu->kstack_top = (uint64_t)stacks[id].guard2;
    percpu_of[id] = &cpu->percpu;
    // %gs is the kernel's already; the user's base waits in KERNEL_GS_BASE.
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    init_segments(cpu);
    init_controls();
}

void cpu_guard_stacks(void)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        bootmap_guard(stacks[i].guard1);
        bootmap_guard(stacks[i].guard2);
    }
}
