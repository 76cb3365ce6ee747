# SPDX-License-Identifier: BSD-2-Clause
# Finds the tools, names the build directory, refuses variables that make no sense.

CPUS ?= 1
MEM ?= 128M
SEED ?=
JITTER ?=
LIMIT ?=
ICOUNT ?=
TCG ?=
PERSIST ?=
SWAP ?=
JOBS ?=
APPEND ?=
CMD ?=
LLVM ?=
UBSAN ?=
POISON ?=
WERROR ?=
V ?=

# Flags are 1, 0 or nothing.
check-flag = $(if $(filter-out 0 1,$($(1))),$(error strata: $(1)=$($(1)): must be 1, 0 or nothing))
$(foreach flag,LLVM UBSAN POISON WERROR V ICOUNT PERSIST,$(call check-flag,$(flag)))
ifeq ($(LLVM),0)
override LLVM :=
endif
ifeq ($(UBSAN),0)
override UBSAN :=
endif
ifeq ($(POISON),0)
override POISON :=
endif

# One shell finds all that can be found, as name=path words.
TOOL_NAMES := x86_64-elf-gcc x86_64-linux-gnu-gcc gcc cc clang ld.lld llvm-strip musl-gcc \
	qemu-system-x86_64 gdb gdb-multiarch x86_64-elf-gdb python3
found := $(shell for t in $(TOOL_NAMES); do command -v $$t >/dev/null 2>&1 && echo $$t; done; \
	echo arch-$$(uname -m) cpus-$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); \
	test -d /usr/lib/python3/dist-packages/pexpect && echo dist-python)

# On another machine than amd64 a cross compiler builds all; its busybox and musl are not for us.
AMD64_HOST := $(filter arch-x86_64 arch-amd64,$(found))
HOST_CPUS := $(patsubst cpus-%,%,$(filter cpus-%,$(found)))

# Debian's own python3 has the modules that setup installs; another one first in PATH may not.
PYTHON := $(if $(filter dist-python,$(found)),/usr/bin/python3,python3)

ifeq ($(LLVM),1)
  TOOLCHAIN := llvm
  CC := clang --target=x86_64-linux-gnu
  LD := ld.lld
  AR := llvm-ar
  STRIP := llvm-strip
  NM := llvm-nm
  ADDR2LINE := llvm-addr2line
  missing := $(if $(filter clang,$(found)),,clang) $(if $(filter ld.lld,$(found)),,lld) \
	$(if $(filter llvm-strip,$(found)),,llvm)
else
  TOOLCHAIN := gcc
  native := $(if $(AMD64_HOST),$(filter gcc,$(found)))
  cross-gcc := $(firstword $(filter x86_64-elf-gcc x86_64-linux-gnu-gcc,$(found)) $(native))
  CROSS := $(patsubst %gcc,%,$(cross-gcc))
  CC := $(CROSS)gcc
  LD := $(CROSS)ld
  AR := $(CROSS)ar
  STRIP := $(CROSS)strip
  NM := $(CROSS)nm
  ADDR2LINE := $(CROSS)addr2line
  missing := $(if $(cross-gcc),,gcc (or gcc-x86-64-linux-gnu))
endif
HOSTCC := $(if $(filter gcc,$(found)),gcc,cc)
MUSLCC := $(if $(AMD64_HOST),$(filter musl-gcc,$(found)))
O := build/$(TOOLCHAIN)$(if $(UBSAN),-ubsan)$(if $(POISON),-poison)

# A variable that nothing reads is a slip of the pen.
KNOWN := CPUS MEM SEED JITTER LIMIT ICOUNT TCG PERSIST SWAP APPEND CMD LLVM UBSAN POISON WERROR V \
	O TEST SUITE EXTRA IMAGE_SIZE BUSYBOX LAB PART VARIANT IMPL BASE STAGE TESTS T GDB GDB_ARGS \
	AUTO FORCE STEPS JOBS STAFF HUNT ONLY WITHOUT OUT FROM GUIDE SUBMISSIONS RECORDS QUICK RECORD \
	N SUB STUDENT PEOPLE SQLITE LTP TRY CC LD AR STRIP NM ADDR2LINE HOSTCC MUSLCC PYTHON CROSS \
	WARNINGS QEMU MAKEFLAGS
space := $(subst ,, )
given := $(foreach word,$(subst \$(space),_,$(MAKEOVERRIDES)),$(firstword $(subst =, ,$(word))))
$(foreach name,$(filter-out $(KNOWN),$(given)),\
	$(warning strata: $(name): no such variable: make help))
ifneq ($(filter grade repro,$(or $(MAKECMDGOALS),all)),)
  ifneq ($(filter TEST,$(given)),)
    $(error strata: grade and repro take T='test ...', not TEST)
  endif
  $(foreach name,$(filter CPUS MEM JITTER ICOUNT TCG APPEND LIMIT SUITE CMD EXTRA,$(given)),\
	$(warning strata: $(name): each graded test says this itself: left out))
endif

# Goals that boot.
BOOTING := qemu run gdb check bench sqlite ltp grade hunt grade-many repro mutants cheats mutate \
	variants batch check-all

# What a goal needs beyond the compiler.
goals := $(or $(MAKECMDGOALS),all)
ifneq ($(filter $(BOOTING),$(goals)),)
  missing += $(if $(filter qemu-system-x86_64,$(found)),,qemu-system-x86)
  missing += $(if $(filter python3 dist-python,$(found)),,python3)
endif
ifneq ($(filter gdb,$(goals)),)
  GDBS := $(if $(AMD64_HOST),gdb,gdb-multiarch x86_64-elf-gdb)
  missing += $(if $(filter $(GDBS),$(found)),,$(firstword $(GDBS)))
endif
ifneq ($(filter-out help setup clean,$(goals)),)
  ifneq ($(strip $(missing)),)
    remedy := Install them, or run ./setup$(if $(LLVM), --all)
    $(error strata: these packages are missing: $(strip $(missing)). $(remedy))
  endif
endif

# Values of the machine are looked at before anything is built.
ifneq ($(filter $(BOOTING),$(goals)),)
  ifneq ($(CPUS) $(MEM) $(SEED)$(JITTER)$(LIMIT)$(TCG)$(SWAP)$(JOBS),1 128M )
    complaint := $(shell CPUS='$(CPUS)' MEM='$(MEM)' SEED='$(SEED)' JITTER='$(JITTER)' \
	LIMIT='$(LIMIT)' TCG='$(TCG)' SWAP='$(SWAP)' JOBS='$(JOBS)' $(PYTHON) -m grade.options 2>&1)
    ifneq ($(complaint),)
      $(error $(complaint))
    endif
  endif
endif
ifneq ($(filter run,$(goals)),)
  ifeq ($(strip $(value CMD)),)
    $(error strata: CMD is missing: make run CMD='ls -l /')
  endif
endif

# A command may hold dollar signs of the guest's shell: it is passed on as it was written.
STRATA_CMD := $(value CMD)
EXPORTED := CPUS MEM SEED JITTER LIMIT ICOUNT TCG PERSIST SWAP APPEND V LLVM UBSAN POISON \
	STRATA_CMD NM ADDR2LINE QEMU O JOBS
export $(EXPORTED)
