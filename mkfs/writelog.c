// SPDX-License-Identifier: BSD-2-Clause
//
// See writelog.h. The number of entries is brought up to date at each flush; what comes after the
// last one is not looked at.
#include "writelog.h"

#define WRITELOG_MAGIC   0x6a736677736872ul
#define WRITELOG_VERSION 1u

enum { ENTRY_FLUSH = 1, ENTRY_FUA = 2, ENTRY_DISCARD = 4 };

struct header {
    uint64_t magic;
    uint64_t version;
    uint64_t nentries;
    uint32_t sector; // bytes
};

struct raw_entry {
    uint64_t sector; // in log sectors, as nsectors
    uint64_t nsectors;
    uint64_t flags;
    uint64_t unused;
};

const char *writelog_open(struct writelog *log, const uint8_t *data, uint64_t size)
{
    const struct header *h = (const void *)data;

    if (size < sizeof(*h) || h->magic != WRITELOG_MAGIC || h->version != WRITELOG_VERSION)
        return "not a log of writes";
    if (h->sector < sizeof(struct raw_entry) || h->sector > 65536)
        return "the sector size is wrong";
    *log = (struct writelog){
        .data = data, .size = size, .sector = h->sector, .next = h->sector, .left = h->nentries};
    return NULL;
}

bool writelog_next(struct writelog *log, struct writelog_entry *e)
{
    const struct raw_entry *raw = (const void *)(log->data + log->next);

    if (log->left == 0 || log->next + log->sector > log->size)
        return false;
    *e = (struct writelog_entry){.flush = raw->flags & (ENTRY_FLUSH | ENTRY_FUA),
                                 .offset = raw->sector * log->sector,
                                 .len = raw->nsectors * log->sector};
    log->left--;
    log->next += log->sector;
    if (!(raw->flags & ENTRY_DISCARD)) {
        if (log->next + e->len > log->size)
            return false;
        e->data = log->data + log->next;
        log->next += e->len;
    }
    return true;
}
