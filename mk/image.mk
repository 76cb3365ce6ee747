# SPDX-License-Identifier: BSD-2-Clause
# The disk image: a folder is laid out as the root of the file system, and mkfs copies it in.
#
# EXTRA names files and folders of the user's own: a file goes to /bin, a folder to /. It is
# remembered in $(O)/extra, so that `make image EXTRA=...` holds for later boots; EXTRA= forgets it.

IMAGE_SIZE ?= 512M
BUSYBOX ?= $(if $(AMD64_HOST),$(firstword $(wildcard /bin/busybox /usr/bin/busybox)))

ifeq ($(origin EXTRA),command line)
  $(foreach path,$(EXTRA),$(if $(wildcard $(path)),,$(error strata: EXTRA=$(path): not there)))
  $(shell mkdir -p $(O); echo '$(EXTRA)' | cmp -s - $(O)/extra || echo '$(EXTRA)' > $(O)/extra)
else
  EXTRA := $(shell cat $(O)/extra 2>/dev/null)
endif

ifneq ($(BUSYBOX),)
  ifeq ($(wildcard $(BUSYBOX)),)
    $(error strata: BUSYBOX=$(BUSYBOX): not there)
  endif
endif

image: $(if $(wildcard mkfs/mkfs.mk),$(O)/disk.img)

IMAGE_SCRIPTS := $(wildcard user/tests/sh/*.sh tests/busybox/*.sh user/etc/*)
IMAGE_FILES := $(USER_PROGRAMS) $(MUSL_PROGRAMS) $(BENCH) $(STRESS) $(IMAGE_SCRIPTS) $(BUSYBOX)

$(O)/disk.img: $(O)/mkfs $(IMAGE_FILES) $(EXTRA) $(wildcard $(O)/extra) mk/stage.sh mk/image.mk
	$(call begin,IMAGE)
	$(Q)O='$(O)' STRIP='$(STRIP)' BUSYBOX='$(BUSYBOX)' sh mk/stage.sh $(O)/root $(EXTRA)
	$(Q)$(O)/mkfs $@ $(IMAGE_SIZE) $(O)/root
