# SPDX-License-Identifier: BSD-2-Clause
# The one entrance: `make help` lists the targets and variables.
#
# The parts' own rules are in kernel/kernel.mk, user/user.mk and mkfs/mkfs.mk. They use from here:
# O (where everything is built), CC LD AR STRIP NM (for amd64), HOSTCC, PYTHON, WARNINGS,
# LLVM, UBSAN, POISON, and from mk/begin.mk Q (`$(Q)command`), begin (`$(call begin,CC)`)
# and cc-has.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include mk/toolchain.mk mk/begin.mk mk/labs.mk

# As many jobs as processors, unless a number is given.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(HOST_CPUS)
endif

WARNINGS := -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)

.PHONY: all help setup image qemu run gdb check bench ltp clean check-values
.PHONY: lines contracts
all:

# Each part adds its rules once it is there.
include $(wildcard kernel/kernel.mk user/user.mk mkfs/mkfs.mk)
include mk/boot.mk mk/tests.mk mk/image.mk
-include mk/proof.mk

all: $(if $(wildcard kernel/kernel.mk),$(KERNEL)) image

help:
	@cat mk/help.txt $(wildcard mk/help-proof.txt)

setup:
	./setup

clean:
	rm -rf build compile_commands.json

# Lines of code, floor by floor; grade/lines.py says what counts.
lines:
	@$(PYTHON) -m grade.lines

# What pmap, mem, vm and sync promise of locks, and where it is asserted.
contracts:
	@$(PYTHON) -m grade.contracts
