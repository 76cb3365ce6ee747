# SPDX-License-Identifier: BSD-2-Clause
# The kernel: every .c and .S of a floor (kernel/*) and of a room inside one (kernel/fs/sfs) is
# compiled and linked, so a new file joins by itself; and so are the tests in tests/kernel, which
# run only if the command line says test=.
#
# A variant (mk/labs.mk) hides some of them and adds others, from wherever they lie; its own objects
# and the linked kernel are below $(KERNEL_OUT), all other objects are the plain build's.
#
# It is linked twice. The first link gives final addresses; ksyms.py makes of them the table of
# functions that panics name, which the second link puts behind the other read-only data, where it
# moves no code.

KERNEL_OBJ := $(O)/kernel
KERNEL_LINK := $(KERNEL_OUT)/kernel
KERNEL_SRCS := $(filter-out $(OVERLAY_HIDES),$(wildcard kernel/*/*.c kernel/*/*/*.c))
KERNEL_ASM := $(wildcard kernel/*/*.S)
KERNEL_TESTS := $(patsubst %.c,%.o,$(filter-out $(OVERLAY_HIDES) $(if $(UBSAN),,%/ubsan.c),\
	$(wildcard tests/kernel/*.c))) \
	$(patsubst %,%.o,$(wildcard tests/kernel/*.S))
KERNEL_OBJS := $(KERNEL_SRCS:kernel/%.c=$(KERNEL_OBJ)/%.o) \
	$(KERNEL_ASM:kernel/%.S=$(KERNEL_OBJ)/%.S.o) $(KERNEL_TESTS:%=$(O)/%) \
	$(foreach pair,$(OVERLAY_OBJECTS) $(OVERLAY_TESTS),$(firstword $(subst =, ,$(pair)))) \
	$(OVERLAY_BINARIES)

# With these flags gcc's -O1 is 1 % to 2 % slower than -O2 in most rows of make bench, compiles in
# three quarters of the time, and shows more variables in GDB; without them it is 7 % slower.
KERNEL_OPT := $(if $(LLVM),-O2,-O1 -finline-functions -finline-small-functions -fcaller-saves \
	-fipa-ra)

# No vector registers: the kernel does not save its own. Frame pointers: for backtraces. DWARF 4:
# all tools read it. A frame of pages touches each of them, and so cannot leap over the guard page.
# What else a distribution's compiler adds of itself (Ubuntu's: landing pads for indirect branches,
# canaries, checked string functions) is left out by name.
KERNEL_CFLAGS := -std=gnu17 $(KERNEL_OPT) -gdwarf-4 -Ikernel -ffreestanding -fno-pie -fno-common \
	-fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE -fno-strict-aliasing \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-optimize-sibling-calls \
	-mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fstack-clash-protection -Wframe-larger-than=3072 \
	$(or $(WARNINGS),-Wall -Wextra)
ifneq ($(UBSAN),)
KERNEL_CFLAGS += -fsanitize=undefined
endif
ifneq ($(POISON),)
KERNEL_CFLAGS += -DPOISON=1
endif
KERNEL_LDSCRIPT := kernel/amd64/kernel.ld
KERNEL_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none \
	-T $(KERNEL_LDSCRIPT)

$(KERNEL_OBJ)/%.o: kernel/%.c
	$(call begin,CC)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(KERNEL_OBJ)/%.S.o: kernel/%.S
	$(call begin,AS)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

# Tests, and a lab's own, name headers of tests from the root.
TEST_INCLUDE := -iquote .
# What a test asks for may fail where the test looks at what comes of it.
TEST_WARNINGS := -Wno-unused-result

$(O)/tests/kernel/%.o: tests/kernel/%.c
	$(call begin,CC)
	$(Q)$(CC) $(KERNEL_CFLAGS) $(TEST_INCLUDE) $(TEST_WARNINGS) -MMD -MP -c -o $@ $<

$(O)/tests/kernel/%.S.o: tests/kernel/%.S
	$(call begin,AS)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

# $(call kernel-from,object,source,prerequisites,flags,warnings): an object whose source lies
# elsewhere.
define kernel-from
$(1): $(2) $(3)
	$$(call begin,CC)
	$$(Q)$$(CC) $(4) $$(KERNEL_CFLAGS) $(5) -MMD -MP -c -o $$@ $$<
endef
object-of = $(firstword $(subst =, ,$(1)))
source-of = $(lastword $(subst =, ,$(1)))
$(foreach pair,$(OVERLAY_OBJECTS),$(eval $(call kernel-from,$(call object-of,$(pair)),\
	$(call source-of,$(pair)),$(overlay),$(OVERLAY_CFLAGS))))
$(foreach pair,$(OVERLAY_TESTS),$(eval $(call kernel-from,$(call object-of,$(pair)),\
	$(call source-of,$(pair)),,$(TEST_INCLUDE) $(OVERLAY_TEST_CFLAGS),$(TEST_WARNINGS))))

# The list of objects changes when a file comes or goes: that must link anew.
$(KERNEL_LINK)/objects: FORCE
	$(in-place)
	@echo '$(KERNEL_OBJS)' | cmp -s - $@ || echo '$(KERNEL_OBJS)' > $@

$(KERNEL_LINK)/first.elf: $(KERNEL_OBJS) $(KERNEL_LINK)/objects $(KERNEL_LDSCRIPT)
	$(call begin,LD)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS)

$(KERNEL_LINK)/ksyms.s: $(KERNEL_LINK)/first.elf kernel/amd64/ksyms.py
	$(call begin,SYMS)
	$(Q)$(PYTHON) kernel/amd64/ksyms.py $< $@

$(KERNEL_LINK)/ksyms.o: $(KERNEL_LINK)/ksyms.s
	$(Q)$(CC) -c -o $@ $<

$(KERNEL): $(KERNEL_LINK)/first.elf $(KERNEL_LINK)/ksyms.o
	$(call begin,LD)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS) $(KERNEL_LINK)/ksyms.o

# For editors: how each C file is compiled, in the build that came last. Each has a list of its own,
# which make itself writes whenever a file came or went.
command-of = {"directory": "$(CURDIR)", "file": "$(1)", "command": "$(CC) $(2) -c $(1)"}
comma := ,
define command-list
[$(call command-of,$(firstword $(KERNEL_SRCS)),$(KERNEL_CFLAGS))
$(foreach file,$(wordlist 2,999,$(KERNEL_SRCS)) $(wildcard labs/*/tests/*.c),$(comma)\
$(call command-of,$(file),$(KERNEL_CFLAGS))
)$(foreach file,$(wildcard user/*/*.c user/bin/*/*.c),$(comma)\
$(call command-of,$(file),$(USER_CFLAGS))
)]
endef
ifeq ($(KERNEL_OUT),$(O))
$(O)/compile_commands.json: $(KERNEL_LINK)/objects kernel/kernel.mk
	$(file >$@,$(command-list))
compile_commands.json: $(O)/compile_commands.json
	@ln -sf $< $@
all kernel: compile_commands.json
endif

.PHONY: FORCE kernel
FORCE:
kernel: $(KERNEL)

-include $(KERNEL_OBJS:.o=.d)
