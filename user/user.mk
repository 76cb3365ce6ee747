# SPDX-License-Identifier: BSD-2-Clause
# The user land: a libc, the programs in $(O)/user/bin, the test programs in $(O)/user/tests; and
# the same program sources built for the host, in $(O)/user/host. Included by the Makefile, and
# usable alone: make -f user/user.mk user

O       ?= build/user-only
CC      ?= gcc
LD      ?= ld
HOSTCC  ?= gcc
MUSLCC  ?= musl-gcc
Q       := $(if $(V),,@)

USER_WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes
USER_CFLAGS := -std=gnu17 -O2 -g $(USER_WARN) -ffreestanding -nostdinc -fno-pic -fno-pie \
               -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
               -fno-common -ffunction-sections -fdata-sections -fcf-protection=none -m64 \
               -march=x86-64 -Iuser/include -isystem $(shell $(CC) -print-file-name=include)
USER_LDFLAGS := -static -nostdlib --gc-sections -z noexecstack -z max-page-size=4096 \
                --build-id=none -T user/user.ld

# The flag in $(1) if the compiler knows it.
cc-has = $(shell $(CC) -Werror $(1) -E -x c /dev/null >/dev/null 2>&1 && echo $(1))

USER_TOOLS := $(patsubst user/bin/%.c,%,$(wildcard user/bin/*.c))
USER_SH    := $(wildcard user/bin/sh/*.c)
USER_COMMON := $(patsubst user/%,$(O)/user/obj/%.o,$(wildcard user/bin/common/*.c))
USER_TESTS := $(patsubst user/tests/%.c,%,$(wildcard user/tests/*.c))
USER_LIB   := $(patsubst user/%,$(O)/user/obj/%.o,$(wildcard user/lib/*.c user/lib/*.S))

USER_PROGRAMS := $(USER_TOOLS:%=$(O)/user/bin/%) $(O)/user/bin/sh $(USER_TESTS:%=$(O)/user/tests/%)

.SECONDARY:
.PHONY: user
user: $(USER_PROGRAMS)

# The compiler must not see the loops of memcpy and strlen as calls of memcpy and strlen.
$(O)/user/obj/lib/%: USER_CFLAGS += -fno-builtin $(call cc-has,-fno-tree-loop-distribute-patterns)

$(O)/user/obj/%.o: user/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -MMD -MP -c -o $@ $<

define user_link
@mkdir -p $(@D)
$(Q)$(LD) $(USER_LDFLAGS) -o $@ $(filter %.o,$^)
endef

$(USER_PROGRAMS): $(USER_LIB) user/user.ld
$(O)/user/bin/%: $(O)/user/obj/bin/%.c.o $(USER_COMMON)
	$(user_link)
$(O)/user/tests/%: $(O)/user/obj/tests/%.c.o
	$(user_link)
$(O)/user/bin/sh: $(USER_SH:user/%=$(O)/user/obj/%.o) $(USER_COMMON)
	$(user_link)

-include $(shell find $(O)/user/obj -name '*.d' 2>/dev/null)
