// SPDX-License-Identifier: BSD-2-Clause
//
// The disks of kernel/dev as block devices.
#pragma once

#include "fs/sfs/bdev.h"

// Disk n, or NULL if there is none.
struct bdev *bdev_disk(unsigned n);

// Offers the second disk, if there is one, to the VM as swap space. Start-up only.
void swap_disk_init(void);
