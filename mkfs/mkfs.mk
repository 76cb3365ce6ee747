# SPDX-License-Identifier: BSD-2-Clause
# Host tools for the file system: mkfs runs the kernel's code, fsck has its own reading of the
# format, crash judges a log of a guest's disk writes.

MKFS_CFLAGS := -std=gnu17 -g -fno-strict-aliasing -iquote kernel -iquote mkfs \
	$(or $(WARNINGS),-Wall -Wextra)
SFS_SRCS := $(addprefix kernel/fs/sfs/,bdev.c buf.c journal.c sfs_alloc.c \
	sfs_attr.c sfs_bmap.c sfs_create.c sfs_dir.c sfs_inode.c sfs_mount.c sfs_op.c sfs_orphan.c \
	sfs_put.c sfs_remove.c sfs_shrink.c) mkfs/vnodes.c
MKFS_SRCS := mkfs/mkfs.c mkfs/format.c mkfs/image.c mkfs/host.c kernel/lib/bitmap.c $(SFS_SRCS)
CHECK_SRCS := mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
FSCK_SRCS := mkfs/fsck.c $(CHECK_SRCS)
CRASH_SRCS := mkfs/crash.c mkfs/writelog.c mkfs/host.c mkfs/image.c kernel/lib/bitmap.c \
	$(CHECK_SRCS) $(SFS_SRCS)

mkfs-objects = $(patsubst %.c,$(O)/host/%.o,$(1))

$(O)/host/%.o: %.c
	$(call begin,HOST)
	$(Q)$(HOSTCC) $(MKFS_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/mkfs: $(call mkfs-objects,$(MKFS_SRCS))
$(O)/fsck: $(call mkfs-objects,$(FSCK_SRCS))
$(O)/crash: $(call mkfs-objects,$(CRASH_SRCS))
$(O)/mkfs $(O)/fsck $(O)/crash:
	$(call begin,HOST)
	$(Q)$(HOSTCC) -o $@ $^

all: $(O)/mkfs $(O)/fsck
check: $(O)/crash

-include $(patsubst %.o,%.d,$(call mkfs-objects,$(MKFS_SRCS) $(FSCK_SRCS) $(CRASH_SRCS)))
