// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio device behind virtio-mmio registers, with one queue (Virtual I/O Device specification
// 1.1, sections 2.6 and 4.2). Both register layouts work: version 2, and version 1 ("legacy"),
// which QEMU gives unless told -global virtio-mmio.force-legacy=false.
//
// Locks: none; the device's driver holds its own around every call.
#pragma once

#include "lib/types.h"

#define VIRTQ_SIZE      128         // descriptors
#define VIRTIO_DMA_SIZE (2 * 4096)  // memory of the queue, see virtio_init

enum virtio_id { VIRTIO_ID_BLOCK = 2 };

// A piece of a request's memory.
struct virtio_segment {
    paddr_t pa;
    uint32_t len;               // bytes
    bool device_writes;         // else the device reads; these come first
};

struct virtio {
    volatile uint8_t *regs;     // constant
    bool modern;                // version 2; constant
    uint64_t features;          // agreed upon; constant
    struct virtq_desc *desc;    // constant; likewise:
    struct virtq_avail *avail;
    struct virtq_used *used;
    uint16_t free_head;         // first free descriptor, if nfree > 0
    uint16_t nfree;
    uint16_t used_seen;         // used entries taken so far
};

// Looks for a device of a kind at registers that are mapped uncached. False if there is none, or
// one that does not speak a known version.
bool virtio_probe(struct virtio *v, volatile void *regs, enum virtio_id id);

// Resets the device, agrees on those of the wanted features that it has, and sets up the queue in
// VIRTIO_DMA_SIZE bytes of zeroed, physically contiguous, page-aligned memory. ENXIO if it refuses.
int virtio_init(struct virtio *v, uint64_t wanted, void *dma, paddr_t dma_pa);

uint32_t virtio_config32(struct virtio *v, unsigned offset);

// Queues a request; *head names it until virtq_take gives it back. EBUSY if there are not enough
// free descriptors. The device looks at it after virtq_kick.
int virtq_put(struct virtio *v, const struct virtio_segment *segments, unsigned n,
              uint16_t *head);
void virtq_kick(struct virtio *v);

// Takes the next finished request; false if there is none.
bool virtq_take(struct virtio *v, uint16_t *head);

// Quiets the interrupt line; in the handler, before virtq_take.
void virtio_ack_interrupt(struct virtio *v);
