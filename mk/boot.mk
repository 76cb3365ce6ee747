# SPDX-License-Identifier: BSD-2-Clause
# The targets that boot what was built.

# make itself ends with 2 for whatever a recipe ends with. A few lines of C that make loads let
# these recipes take make's place, so that their exit status is what the caller sees. Where make
# cannot load objects, or in a dry run, the recipe is an ordinary one.
TAKING_OVER := qemu run gdb check bench sqlite ltp grade grade-many repro mutants cheats mutate \
	batch check-all
ifneq ($(and $(filter load,$(.FEATURES)),$(filter $(TAKING_OVER),$(goals))),)
  BECOME := $(O)/mk/become.so
  loaded := $(shell mkdir -p $(O)/mk && { test $(BECOME) -nt mk/become.c || \
	$(HOSTCC) -shared -fPIC -O2 -o $(BECOME) mk/become.c; } && echo yes)
  ifeq ($(loaded),yes)
    load $(BECOME)(become_setup)
  endif
endif
ifneq ($(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),)
  loaded :=
endif
finally = $(if $(loaded),$(become $(1)),$(1))

BOOT := --kernel $(KERNEL) --disk $(O)/disk.img

qemu: all
	@$(call finally,$(PYTHON) -m grade.console $(BOOT))

run: all
	@$(call finally,$(PYTHON) -m grade.run $(BOOT))

gdb: all
	@$(call finally,$(PYTHON) -m grade.debug $(BOOT))
