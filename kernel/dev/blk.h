// SPDX-License-Identifier: BSD-2-Clause
//
// Disks: virtio-blk. Requests are queued and complete in the interrupt; the sleeping forms wait
// for one. Sectors have 512 bytes, memory is named by physical pages. What is written is safe on
// the medium only after a flush; requests in flight at once complete in any order.
//
// For tests, a disk can be told to fail a request or to hold all back.
//
// Locks: each disk has a spinlock (LOCK_DISK), taken inside and not held at callbacks.
#pragma once

#include "lib/list.h"
#include "lib/types.h"

struct blk;

#define BLK_SECTOR    512u
#define BLK_MAX_PAGES 64u       // of one request
#define BLK_MAX_DISKS 2u        // disk 0: the root file system; disk 1: swap
#define BLK_DMA_SIZE  (3 * 4096)

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH };

struct blk_req {
    enum blk_op op;
    unsigned nsectors;          // not for BLK_FLUSH; at most BLK_MAX_PAGES pages' worth
    uint64_t sector;            // the first
    const paddr_t *pages;       // page i holds sectors 8 * i and on; the caller's until done
    void (*done)(struct blk_req *req);  // called in interrupt context, with no lock of the disk
    int error;                  // at done: 0 or EIO
    struct list link;           // the driver's
};

// Sets up the device at these uncached registers as the next disk. dma: BLK_DMA_SIZE bytes,
// zeroed, page-aligned, physically contiguous, kept for good. Returns the disk, whose interrupts
// go to blk_interrupt, or NULL if no disk is there, or none that works, or one too many. At
// start-up only.
struct blk *blk_attach(volatile void *regs, void *dma, paddr_t dma_pa);
void blk_interrupt(void *disk);

struct blk *blk_disk(unsigned n);       // NULL if there is no such disk
uint64_t blk_size(const struct blk *disk);      // sectors
bool blk_read_only(const struct blk *disk);

// Queues a request. Any context. A range outside of the disk, or a write to a read-only one, gives
// EIO like any other error.
void blk_submit(struct blk *disk, struct blk_req *req);

// Move npages whole pages from `sector' on, any number, or flush. May sleep. 0 or EIO.
int blk_read(struct blk *disk, uint64_t sector, const paddr_t *pages, unsigned npages);
int blk_write(struct blk *disk, uint64_t sector, const paddr_t *pages, unsigned npages);
int blk_flush(struct blk *disk);

// ---- faults on demand ----

struct blk_inject {
    uint64_t fail_read;         // the nth read from now on fails (counts down; 0: none)
    uint64_t fail_write;        // likewise, of writes
    uint64_t fail_flush;
    uint64_t fail_all;          // not 0: every request fails
    uint64_t hold;              // not 0: requests wait until this is cleared
};
void blk_get_inject(struct blk *disk, struct blk_inject *inject);
void blk_set_inject(struct blk *disk, const struct blk_inject *inject);

// ---- figures ----

struct blk_stats {
    uint64_t requests[3];       // that ended, by enum blk_op
    uint64_t sectors[3];        // of them
    uint64_t in_flight;         // requests now
};
void blk_get_stats(struct blk *disk, struct blk_stats *stats);
