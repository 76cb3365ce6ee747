// SPDX-License-Identifier: BSD-2-Clause
//
// The first instructions. The loader (PVH) enters boot_entry in 32-bit mode without paging, with
// the physical address of its start_info in %ebx; the other CPUs come through ap_trampoline, which
// smp.c copies below 1 MiB. Both switch to long mode on the boot tables, which map the first GiB
// at 0 and at KERNEL_BASE, and go on in C: at boot_continue (kernel.ld) and at ap_main (smp.c).
#include "amd64/asm.h"
#include "amd64/smp.h"

#define PTE_P  0x01
#define PTE_W  0x02
#define PTE_PS 0x80

// The ELF note that names the 32-bit entry: type 18, XEN_ELFNOTE_PHYS32_ENTRY.
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad boot_entry

// From 32-bit mode, paging off, to long mode's compatibility submode. Clobbers eax, ecx, edx.
.macro ENTER_LONG_MODE
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $boot_tables, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $(EFER_LME | EFER_NXE | EFER_SCE), %eax
    wrmsr
    movl %cr0, %eax
    andl $~(CR0_EM | CR0_TS), %eax
    orl $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
    movl %eax, %cr0
.endm

// Clobbers eax.
.macro ZERO_SEGMENTS
    xorl %eax, %eax
    .irp segment, %ds, %es, %ss, %fs, %gs
    movl %eax, \segment
    .endr
.endm

    .section .boot, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    movl %ebx, %edi
    lgdt boot_gdt_pointer
    ENTER_LONG_MODE
    ljmp $SEL_KCODE, $1f
    .code64
1:
    ZERO_SEGMENTS
    movl %edi, %edi
    movabsq $boot_stack_top, %rax
    movq (%rax), %rsp
    xorl %ebp, %ebp
    movabsq $boot_continue, %rax
    call *%rax
2:
    hlt
    jmp 2b

    .balign 16
boot_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        // SEL_KCODE32
    .quad 0x00af9a000000ffff        // SEL_KCODE
    .quad 0x00cf92000000ffff        // SEL_KDATA
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt

    .balign 4096
boot_tables:
    .quad boot_pdpt_low + (PTE_P | PTE_W)
    .fill 510, 8, 0
    .quad boot_pdpt_high + (PTE_P | PTE_W)
boot_pdpt_low:
    .quad boot_pd + (PTE_P | PTE_W)
    .fill 511, 8, 0
boot_pdpt_high:
    .fill 510, 8, 0
    .quad boot_pd + (PTE_P | PTE_W)
    .quad 0
boot_pd:
    .set entry, PTE_P | PTE_W | PTE_PS
    .rept 512
    .quad entry
    .set entry, entry + 0x200000
    .endr

// Runs at AP_TRAMPOLINE_PA in real mode, with %cs = AP_TRAMPOLINE_PA / 16.
#define LOW(label) (label - ap_trampoline + AP_TRAMPOLINE_PA)

    .section .rodata.trampoline, "a"
    .globl ap_trampoline, ap_trampoline_end
    .balign 16
ap_trampoline:
    .code16
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl LOW(3f)
    movl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $SEL_KCODE32, $LOW(1f)
    .code32
1:
    movw $SEL_KDATA, %ax
    movw %ax, %ds
    movw %ax, %ss
    ENTER_LONG_MODE
    ljmp $SEL_KCODE, $LOW(2f)
    .code64
2:
    movabsq $ap_entry, %rax
    jmp *%rax
    .balign 4
3:
    .word 4 * 8 - 1
    .long boot_gdt
ap_trampoline_end:

    .text
// In the high half now. Each arriving CPU draws the next number and takes the stack of that number.
ap_entry:
    ZERO_SEGMENTS
    movl $1, %edi
    lock xaddl %edi, ap_next_id(%rip)
    cmpl $AP_MAX_CPUS, %edi
    jb 2f
1:
    hlt
    jmp 1b
2:
    movq ap_stack_tops(, %rdi, 8), %rsp
    xorl %ebp, %ebp
    call ap_main
