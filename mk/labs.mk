# SPDX-License-Identifier: BSD-2-Clause
# Labs: kernels in which some modules come in another form, and the targets for learners.
#
# With LAB, IMPL, BASE or STAGE the kernel is built in $(KERNEL_OUT), from the objects of the plain
# build and from sources that lie elsewhere. The work tree is only read.

LAB ?=
VARIANT ?=
STAFF ?=
IMPL ?=
BASE ?=
STAGE ?=
TESTS ?=
LABS := $(wildcard labs/*/lab.toml)

KERNEL_OUT := $(O)
OVERLAY_HIDES :=
OVERLAY_OBJECTS :=
OVERLAY_BINARIES :=
OVERLAY_TESTS :=
OVERLAY_TEST_CFLAGS :=
OVERLAY_CFLAGS :=

ifneq ($(and $(strip $(LAB)$(VARIANT)$(IMPL)$(BASE)$(STAGE)),\
	$(filter all kernel image qemu run gdb check bench,$(goals))),)
  ifeq ($(LABS),)
    $(error strata: there are no labs in this tree)
  endif
  overlay := $(shell O='$(O)' LAB='$(LAB)' VARIANT='$(VARIANT)' STAFF='$(STAFF)' IMPL='$(IMPL)' \
	BASE='$(BASE)' STAGE='$(STAGE)' TESTS='$(TESTS)' $(PYTHON) -m grade.lab_overlay 2>&1)
  ifneq ($(words $(overlay)),1)
    $(error $(overlay))
  endif
  include $(overlay)
endif
KERNEL := $(KERNEL_OUT)/kernel.elf

# These build variants themselves, by calling make.
T ?=
GDB ?=
GDB_ARGS ?=
AUTO ?=
FORCE ?=
STEPS ?=
OUT ?=
PART ?=
EXPORTED += LAB PART VARIANT STAFF IMPL BASE STAGE TESTS T GDB GDB_ARGS AUTO FORCE STEPS OUT
export LAB PART VARIANT STAFF IMPL BASE STAGE TESTS T GDB GDB_ARGS AUTO FORCE STEPS OUT

ifneq ($(and $(UBSAN)$(POISON),$(filter grade,$(goals))),)
  $(error strata: the points are for the plain build: leave UBSAN and POISON out)
endif

.PHONY: demo grade hunt repro start restore lab-status lab-seal diff
grade:
	@$(call finally,$(PYTHON) -m grade.lab_grade)

# With the solutions a hunt makes its kernels, and counts: mk/proof.mk.
HUNTER := grade.hunt
hunt:
	@$(call finally,$(PYTHON) -m $(HUNTER))

repro:
	@$(call finally,$(PYTHON) -m grade.lab_repro)

start:
	@$(PYTHON) -m grade.lab_tree start '$(LAB)'

restore:
	@$(PYTHON) -m grade.lab_tree restore '$(LAB)'

lab-status:
	@$(PYTHON) -m grade.lab_tree status '$(LAB)'

lab-seal:
	@$(PYTHON) -m grade.lab_tree seal '$(LAB)'

diff:
	@$(PYTHON) -m grade.lab_tree diff '$(LAB)'

demo:
	@$(call finally,$(PYTHON) -m grade.demo)
