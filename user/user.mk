# SPDX-License-Identifier: BSD-2-Clause
# The user land: a libc, the programs in $(O)/user/bin, the tests in $(O)/user/tests, and the same
# program sources built for the host in $(O)/user/host. Included by the Makefile; usable alone too:
#   make -f user/user.mk user host-user-test

O        ?= build/user-only
HOSTCC   ?= gcc
MUSLCC   ?= $(shell command -v musl-gcc)
WARNINGS ?= -Wall -Wextra
ifeq ($(origin CC),default)
  CC := gcc
  LD := ld
endif
ifndef begin
  include mk/begin.mk
endif

USER_TOOLS  := $(patsubst user/bin/%.c,%,$(wildcard user/bin/*.c))
USER_SH     := $(wildcard user/bin/sh/*.c)
USER_COMMON := $(wildcard user/bin/common/*.c)
USER_TESTS  := $(patsubst user/tests/%.c,%,$(wildcard user/tests/*.c))
USER_LIB    := $(wildcard user/lib/*.c user/lib/*.S)

USER_PROGRAMS := $(USER_TOOLS:%=$(O)/user/bin/%) $(O)/user/bin/sh $(USER_TESTS:%=$(O)/user/tests/%)

.SECONDARY:
.PHONY: user host-user host-user-test
user: $(USER_PROGRAMS)

# For Strata: freestanding, static, at the place that user.ld says, without anything of the host's.
# Programs are not optimised, the libc is a little: half of a clean build is programs, and what is
# measured is the kernel.
USER_CFLAGS := -std=gnu17 -m64 -march=x86-64 -O0 -g $(WARNINGS) -Wshadow -Wstrict-prototypes \
	-ffreestanding -nostdinc -Iuser/include -isystem $(shell $(CC) -print-file-name=include) \
	-fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fno-omit-frame-pointer -fcf-protection=none $(call cc-has,-fno-stack-clash-protection) \
	-U_FORTIFY_SOURCE -ffunction-sections -fdata-sections
USER_LDFLAGS := -static -nostdlib --gc-sections -z noexecstack -z max-page-size=4096 \
	--build-id=none -T user/user.ld
user-objects = $(patsubst user/%,$(O)/user/obj/%.o,$(1))

# The loops of memcpy and strlen must not become calls of memcpy and strlen.
USER_LIB_CFLAGS := -O1 $(call cc-has,-fno-tree-loop-distribute-patterns)
$(O)/user/obj/lib/%: USER_CFLAGS += $(USER_LIB_CFLAGS)

$(O)/user/obj/%.o: user/%
	$(call begin,USER)
	$(Q)$(CC) $(USER_CFLAGS) -MMD -MP -c -o $@ $<

define user-link
	$(in-place)
	$(Q)$(LD) $(USER_LDFLAGS) -o $@ $(filter %.o %.a,$^)
endef

$(USER_PROGRAMS): $(O)/user/libc.a user/user.ld
$(O)/user/libc.a: $(call user-objects,$(USER_LIB))
	$(in-place)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(O)/user/bin/%: $(O)/user/obj/bin/%.c.o $(call user-objects,$(USER_COMMON))
	$(user-link)
$(O)/user/bin/sh: $(call user-objects,$(USER_SH) $(USER_COMMON))
	$(user-link)
$(O)/user/tests/%: $(O)/user/obj/tests/%.c.o
	$(user-link)

-include $(shell find $(O)/user/obj -name '*.d' 2>/dev/null)

# musl programs, which Strata must run as they are; one of them also as a static-pie. (musl-gcc
# knows no -static-pie: the start file for it is named by hand.)
MUSL_SOURCES  := $(wildcard user/tests/musl/*.c)
MUSL_RCRT1    := $(firstword $(wildcard $(addsuffix /rcrt1.o,/usr/lib/x86_64-linux-musl \
	/usr/lib/musl/lib /usr/local/musl/lib)))
MUSL_PROGRAMS := $(if $(MUSLCC),$(patsubst user/%.c,$(O)/user/%,$(MUSL_SOURCES)) \
	$(if $(MUSL_RCRT1),$(O)/user/tests/musl/hello-pie))
$(O)/user/tests/musl/%: user/tests/musl/%.c
	$(call begin,MUSL)
	$(Q)$(MUSLCC) -static -O2 -g $(WARNINGS) -o $@ $<
$(O)/user/tests/musl/hello-pie: user/tests/musl/hello.c
	$(call begin,MUSL)
	$(Q)$(MUSLCC) -static -fPIE -Wl,-pie,--no-dynamic-linker -nostartfiles -O2 -g $(WARNINGS) \
		-o $@ $(MUSL_RCRT1) $<
user: $(MUSL_PROGRAMS)

# For the host: its own libc and headers, and the sanitizers. What only means something on Strata
# (init, poweroff) is built, too.
HOST_USER := $(USER_TOOLS:%=$(O)/user/host/bin/%) $(O)/user/host/bin/sh
HOST_USER_CFLAGS := -std=gnu17 -D_GNU_SOURCE -O1 -g $(WARNINGS) -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
host-user: $(HOST_USER)
check: host-user

HOST_USER_OBJ := $(O)/user/host-obj
host-user-objects = $(patsubst user/%.c,$(HOST_USER_OBJ)/%.o,$(1))

$(HOST_USER_OBJ)/%.o: user/%.c
	$(call begin,HOST)
	$(Q)$(HOSTCC) $(HOST_USER_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/user/host/bin/%: $(HOST_USER_OBJ)/bin/%.o $(call host-user-objects,$(USER_COMMON))
	$(in-place)
	$(Q)$(HOSTCC) $(HOST_USER_CFLAGS) -o $@ $^
$(O)/user/host/bin/sh: $(call host-user-objects,$(USER_SH) $(USER_COMMON))
	$(in-place)
	$(Q)$(HOSTCC) $(HOST_USER_CFLAGS) -o $@ $^
-include $(wildcard $(HOST_USER_OBJ)/*/*.d $(HOST_USER_OBJ)/*/*/*.d)

# The scripts in user/tests/sh, under our shell and under dash: they must print the same.
host-user-test: host-user
	$(Q)sh user/tests/sh/compare $(O)/user/host/bin
