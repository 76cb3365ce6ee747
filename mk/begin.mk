# SPDX-License-Identifier: BSD-2-Clause
# How a recipe begins: make itself says what is built and makes the target's directory, once, as
# two processes for each of 300 targets are felt in a clean build. V=1 shows commands instead.
ifeq ($(V),1)
Q :=
else
Q := @
endif

# $(in-place): makes the target's directory.
in-place = $(if $(made-$(@D)),,$(shell mkdir -p $(@D))$(eval made-$(@D) := yes))

# $(call begin,CC): announces the target, too: in a list; or, where something is to be booted or
# graded, whose output is not to drown in it, by progress on standard error (mk/become.c). With -s
# not at all.
tab := $(shell printf '\t')
silent := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
announce = $(if $(loaded),$(progress $(1)),$(if $(filter run,$(goals)),\
	$(shell echo '$(1)' >&2),$(info $()  $(1))))
begin = $(in-place)$(if $(Q),$(if $(silent),,$(call announce,$(1)$(tab)$(patsubst $(O)/%,%,$@))))

# $(call cc-has,-fflag): the flag if CC knows it.
cc-has = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
