# SPDX-License-Identifier: BSD-2-Clause
# Host tools for the file system: mkfs runs the kernel's code, fsck has its own reading of the
# format.

MKFS_CFLAGS := -std=gnu17 -O2 -g -fno-strict-aliasing -iquote kernel -iquote mkfs \
	$(or $(WARNINGS),-Wall -Wextra)
SFS_SRCS := $(addprefix kernel/fs/,bdev.c buf.c journal.c journal_recover.c sfs_alloc.c sfs_attr.c \
	sfs_bmap.c sfs_create.c sfs_dir.c sfs_inode.c sfs_mount.c sfs_orphan.c sfs_remove.c \
	sfs_truncate.c)
MKFS_SRCS := mkfs/mkfs.c mkfs/format.c mkfs/image.c mkfs/host.c kernel/lib/bitmap.c $(SFS_SRCS)
FSCK_SRCS := mkfs/fsck.c $(wildcard mkfs/check*.c)

mkfs-objects = $(patsubst %.c,$(O)/host/%.o,$(1))

$(O)/host/%.o: %.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(MKFS_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/mkfs: $(call mkfs-objects,$(MKFS_SRCS))
$(O)/fsck: $(call mkfs-objects,$(FSCK_SRCS))
$(O)/mkfs $(O)/fsck:
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

all: $(O)/mkfs $(O)/fsck

-include $(patsubst %.o,%.d,$(call mkfs-objects,$(MKFS_SRCS) $(FSCK_SRCS)))
