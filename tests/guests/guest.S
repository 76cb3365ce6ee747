/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel of a few instructions, for testing the harness itself. It enters by the PVH note in
 * 32-bit mode, speaks the boot contract (console at 0x3f8, records at 0xe9, exit at 0xf4) and then
 * ends as its VARIANT says. A record's checksum is a constant here: the texts are fixed.
 */
#define CONSOLE 0x3f8
#define LINE_STATUS (CONSOLE + 5)
#define THR_EMPTY 0x20
#define RECORD 0xe9
#define EXIT 0xf4
#define START_INFO_CMDLINE 24

    .section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start

    .macro say port, text
    mov $\text, %esi
    mov $\port, %dx
    call puts
    .endm

    .text
    .code32
    .globl start
start:
    mov $stack_top, %esp
    mov %ebx, %ebp
    say RECORD, boot_record
#if defined(VARIANT_OK)
    mov START_INFO_CMDLINE(%ebp), %esi
    mov $CONSOLE, %dx
    call puts
    say CONSOLE, newline
    say RECORD, exit_record
    say RECORD, poweroff_record
    jmp poweroff
#elif defined(VARIANT_PANIC)
    say CONSOLE, panic_text
    say RECORD, panic_record
    mov $EXIT, %dx
    mov $1, %al
    out %al, %dx
#elif defined(VARIANT_HANG)
    say CONSOLE, hang_text
    cli
1:  hlt
    jmp 1b
#elif defined(VARIANT_SPIN)
    say CONSOLE, hang_text
1:  pause
    jmp 1b
#elif defined(VARIANT_FLOOD)
1:  say CONSOLE, hang_text
    jmp 1b
#elif defined(VARIANT_TRIPLE)
    lidt null_idt
    int3
#elif defined(VARIANT_EARLY)
    say CONSOLE, hang_text
    say RECORD, early_poweroff_record
    jmp poweroff
#elif defined(VARIANT_GARBAGE)
    say RECORD, bad_record
    jmp poweroff
#else
#error "no VARIANT_ chosen"
#endif
poweroff:
    mov $EXIT, %dx
    xor %al, %al
    out %al, %dx
1:  hlt
    jmp 1b

/* Writes the string at %esi to port %dx. The console takes a byte once the last one is gone. */
puts:
    lodsb
    mov %al, %ah
    test %al, %al
    jz 3f
    cmp $CONSOLE, %dx
    jne 2f
    mov $LINE_STATUS, %dx
1:  in %dx, %al
    test $THR_EMPTY, %al
    jz 1b
    mov $CONSOLE, %dx
2:  mov %ah, %al
    out %al, %dx
    jmp puts
3:  ret

    .section .rodata
boot_record:            .asciz "@0 4 46edaec4 boot\n"
exit_record:            .asciz "@1 6 18b66dec exit 7\n"
poweroff_record:        .asciz "@2 8 e6b25bf7 poweroff\n"
early_poweroff_record:  .asciz "@1 8 e6b25bf7 poweroff\n"
panic_record:           .asciz "@1 19 47548fde panic made to panic\n"
bad_record:             .asciz "@1 6 deadbeef exit 0\n"
newline:                .asciz "\r\n"
hang_text:              .asciz "one line\r\n"
panic_text:             .asciz "panic: made to panic\r\n  0xffffffff80000000 nowhere\r\n"
null_idt:               .word 0
                        .long 0
    .bss
    .balign 16
    .skip 256
stack_top:
