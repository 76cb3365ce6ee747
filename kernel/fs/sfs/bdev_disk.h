// SPDX-License-Identifier: BSD-2-Clause
//
// The disks of kernel/dev as block devices.
#pragma once

#include "fs/sfs/bdev.h"

// Disk n, or NULL if there is none.
struct bdev *bdev_disk(unsigned n);
