# SPDX-License-Identifier: BSD-2-Clause
# The kernel: every .c and .S below kernel/ is compiled and linked, so a new file joins by itself.
#
# It is linked twice. The first link gives final addresses; ksyms.py turns its debug information
# into the table of functions and lines that panics print, which the second link puts behind the
# other read-only data, where it moves no code.

KERNEL_OBJ := $(O)/kernel
KERNEL_SRCS := $(filter-out $(if $(UBSAN),,%/ubsan.c),$(wildcard kernel/*/*.c))
KERNEL_ASM := $(wildcard kernel/*/*.S)
KERNEL_OBJS := $(KERNEL_SRCS:kernel/%.c=$(KERNEL_OBJ)/%.o) \
	$(KERNEL_ASM:kernel/%.S=$(KERNEL_OBJ)/%.S.o)

# No vector registers: the kernel does not save its own. Frame pointers: for backtraces. DWARF 4:
# all tools read it.
KERNEL_CFLAGS := -std=gnu17 -O2 -gdwarf-4 -Ikernel -ffreestanding -fno-pie -fno-common \
	-fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables \
	-fno-omit-frame-pointer -fno-optimize-sibling-calls \
	-mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	$(or $(WARNINGS),-Wall -Wextra)
ifneq ($(UBSAN),)
KERNEL_CFLAGS += -fsanitize=undefined
endif
KERNEL_LDSCRIPT := kernel/amd64/kernel.ld
KERNEL_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none \
	-T $(KERNEL_LDSCRIPT)

$(KERNEL_OBJ)/%.o: kernel/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(KERNEL_OBJ)/%.S.o: kernel/%.S
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

# The list of objects changes when a file comes or goes: that must link anew.
$(KERNEL_OBJ)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(KERNEL_OBJS)' | cmp -s - $@ || echo '$(KERNEL_OBJS)' > $@

$(KERNEL_OBJ)/first.elf: $(KERNEL_OBJS) $(KERNEL_OBJ)/objects $(KERNEL_LDSCRIPT)
	$(call say,LD,$@)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS)

$(KERNEL_OBJ)/ksyms.s: $(KERNEL_OBJ)/first.elf kernel/amd64/ksyms.py kernel/amd64/dwarf_line.py
	$(call say,SYMS,$@)
	$(Q)$(PYTHON) kernel/amd64/ksyms.py $< $@

$(KERNEL_OBJ)/ksyms.o: $(KERNEL_OBJ)/ksyms.s
	$(Q)$(CC) -c -o $@ $<

$(O)/kernel.elf: $(KERNEL_OBJ)/first.elf $(KERNEL_OBJ)/ksyms.o
	$(call say,LD,$@)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS) $(KERNEL_OBJ)/ksyms.o

.PHONY: FORCE kernel
FORCE:
kernel: $(O)/kernel.elf

-include $(KERNEL_OBJS:.o=.d)
