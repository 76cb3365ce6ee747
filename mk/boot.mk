# SPDX-License-Identifier: BSD-2-Clause
# The targets that boot what was built.

# make itself ends with 2 for whatever a recipe ends with. A few lines of C that make loads let
# these recipes take make's place, so that their exit status is what the caller sees. Where make
# cannot load objects, or in a dry run, the recipe is an ordinary one.
TAKING_OVER := qemu run gdb check bench sqlite ltp grade grade-many hunt repro mutants cheats \
	mutate variants batch check-all
BUILDING_NOTHING := help setup clean demo start restore lab-status lab-seal diff lines contracts \
	export batch-merge gradescope
dry-run := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
ifneq ($(and $(filter load,$(.FEATURES)),$(filter-out $(BUILDING_NOTHING),$(goals))),)
  BECOME := $(O)/mk/become.so
  can-load := $(shell mkdir -p $(O)/mk && { test $(BECOME) -nt mk/become.c || { \
	$(HOSTCC) -shared -fPIC -O2 -o $(BECOME).$$$$ mk/become.c 2>/dev/null && \
	mv $(BECOME).$$$$ $(BECOME); }; } && echo yes)
  ifeq ($(can-load),yes)
    load $(BECOME)(become_setup)
    ifeq ($(dry-run),)
      $(lock $(O)/lock)
    endif
  endif
endif
# How a build is announced (mk/begin.mk), and whether a recipe may take make's place.
loaded := $(and $(filter yes,$(can-load)),$(filter $(TAKING_OVER),$(goals)),$(if $(dry-run),,yes))
finally = $(if $(loaded),$(become $(1)),$(1))

BOOT := --kernel $(KERNEL) --disk $(O)/disk.img

qemu: all
	@$(call finally,$(PYTHON) -m grade.console $(BOOT))

run: all
	@$(call finally,$(PYTHON) -m grade.run $(BOOT))

gdb: all
	@$(call finally,$(PYTHON) -m grade.debug $(BOOT))
