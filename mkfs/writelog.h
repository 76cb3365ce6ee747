// SPDX-License-Identifier: BSD-2-Clause
//
// A log of a disk's writes and flushes, in the format of Linux's dm-log-writes, which QEMU's
// blklogwrites driver makes too: a header, then for each request an entry, padded to a log sector,
// with its data behind it.
#pragma once

#include "lib/types.h"

struct writelog {
    const uint8_t *data;        // the whole log, mapped
    uint64_t size;              // bytes
    uint64_t sector;            // bytes in a log sector
    uint64_t next;              // offset of the next entry
    uint64_t left;              // entries left
};

struct writelog_entry {
    bool flush;                 // what was written before is stable; it may carry data too
    uint64_t offset, len;       // bytes on the disk
    const uint8_t *data;        // NULL: zeros
};

// Opens a log; NULL, or what is wrong with it.
const char *writelog_open(struct writelog *log, const uint8_t *data, uint64_t size);
bool writelog_next(struct writelog *log, struct writelog_entry *e);
