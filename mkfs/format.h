// SPDX-License-Identifier: BSD-2-Clause
//
// Makes an empty file system on a device that is all zeros.
#pragma once

#include "fs/sfs/bdev.h"
#include "fs/sfs/sfs_env.h"

struct format {                 // sizes; 0 = chosen from the device's
    uint32_t nblocks;           // file system, 4 KiB blocks
    uint32_t ninodes;
    uint32_t njournal;          // journal, blocks
};

// Errnos; EINVAL: the sizes do not fit.
int format(struct bdev *dev, const struct sfs_env *env, const struct format *want);
