// SPDX-License-Identifier: BSD-2-Clause
//
// Constants that C and assembly share: segment selectors, offsets into structures (cpu.c asserts
// them), control bits.
#pragma once

// Selectors; user programs see Linux's values. SYSRET derives SS and CS from SEL_USER32.
#define SEL_KCODE32 0x08
#define SEL_KCODE   0x10
#define SEL_KDATA   0x18
#define SEL_USER32  0x23
#define SEL_UDATA   0x2b
#define SEL_UCODE   0x33
#define SEL_TSS     0x38

// struct cpu
#define CPU_KSTACK_TOP 32
#define CPU_USER_RSP   40

// struct trapframe, from its end: what the CPU pushes for an exception is TF_RIP and above.
#define TF_RDI    112
#define TF_VECTOR 120
#define TF_RIP    136
#define TF_CS     144
#define TF_RSP    160
#define TF_SIZE   176

#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000

#define CR4_PAE        0x000020
#define CR4_PGE        0x000080
#define CR4_OSFXSR     0x000200
#define CR4_OSXMMEXCPT 0x000400
#define CR4_UMIP       0x000800
#define CR4_SMEP       0x100000
#define CR4_SMAP       0x200000

#define RFLAGS_TF 0x000100
#define RFLAGS_IF 0x000200
#define RFLAGS_DF 0x000400
#define RFLAGS_NT 0x004000
#define RFLAGS_AC 0x040000

#define VECTOR_SYSCALL 256

#ifdef __ASSEMBLER__
// Three bytes of no-op that cpu_probe_features turns into stac or clac on a CPU with SMAP.
.macro SMAP_SITE stac
771:
    .byte 0x0f, 0x1f, 0x00
    .pushsection .rodata.smap_sites, "a"
    .quad 771b, \stac
    .popsection
.endm
#define STAC SMAP_SITE 1
#define CLAC SMAP_SITE 0
#endif
