// SPDX-License-Identifier: BSD-2-Clause
//
// virtio over memory-mapped registers. The queue's memory is laid out as version 1 needs it, which
// suits version 2 too: descriptors and the ring of offered requests in the first page, the ring of
// used ones in the second.
#include "dev/virtio.h"

#include "dev/io.h"
#include "lib/errno.h"

enum { REG_MAGIC = 0x000, REG_VERSION = 0x004, REG_DEVICE_ID = 0x008, REG_STATUS = 0x070 };
enum { REG_DEVICE_FEATURES = 0x010, REG_DEVICE_FEATURES_SEL = 0x014 };
enum { REG_DRIVER_FEATURES = 0x020, REG_DRIVER_FEATURES_SEL = 0x024 };
enum { REG_QUEUE_SEL = 0x030, REG_QUEUE_NUM_MAX = 0x034, REG_QUEUE_NUM = 0x038 };
enum { REG_QUEUE_NOTIFY = 0x050, REG_INTERRUPT_STATUS = 0x060, REG_INTERRUPT_ACK = 0x064 };
// Version 1 has a page number for the queue, version 2 three addresses of 64 bits.
enum { REG_GUEST_PAGE_SIZE = 0x028, REG_QUEUE_ALIGN = 0x03c, REG_QUEUE_PFN = 0x040 };
enum { REG_QUEUE_DESC = 0x080, REG_QUEUE_AVAIL = 0x090, REG_QUEUE_USED = 0x0a0 };
enum { REG_QUEUE_READY = 0x044, REG_CONFIG = 0x100 };

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };
enum { STATUS_FAILED = 128 };
enum { DESC_NEXT = 1, DESC_DEVICE_WRITES = 2 };
enum { USED_NO_NOTIFY = 1 };

#define MAGIC             0x74726976u
#define FEATURE_VERSION_1 (1ul << 32)

struct virtq_desc {
    uint64_t pa;
    uint32_t len;
    uint16_t flags;
    uint16_t next; // of the request, or of the free list
};

struct virtq_avail {
    uint16_t flags, index;
    uint16_t ring[VIRTQ_SIZE];
    uint16_t used_event;
};

struct virtq_used {
    uint16_t flags, index;
    struct {
        uint32_t head, written;
    } ring[VIRTQ_SIZE];
    uint16_t avail_event;
};

#define AVAIL_OFFSET (VIRTQ_SIZE * sizeof(struct virtq_desc))
#define USED_OFFSET  PAGE_SIZE
_Static_assert(AVAIL_OFFSET + sizeof(struct virtq_avail) <= USED_OFFSET, "first page");
_Static_assert(USED_OFFSET + sizeof(struct virtq_used) <= VIRTIO_DMA_SIZE, "second page");

static uint32_t read(struct virtio *v, unsigned reg)
{
    return mmio_read32(v->regs + reg);
}

static void write(struct virtio *v, unsigned reg, uint32_t value)
{
    mmio_write32(v->regs + reg, value);
}

static void write64(struct virtio *v, unsigned reg, uint64_t value)
{
    write(v, reg, (uint32_t)value);
    write(v, reg + 4, value >> 32);
}

bool virtio_probe(struct virtio *v, volatile void *regs, enum virtio_id id)
{
    v->regs = regs;
    uint32_t version = read(v, REG_VERSION);
    v->modern = version == 2;
    return read(v, REG_MAGIC) == MAGIC && (version == 1 || version == 2) &&
           read(v, REG_DEVICE_ID) == (uint32_t)id;
}

static int negotiate(struct virtio *v, uint64_t wanted)
{
    uint64_t offered = 0;
    if (v->modern)
        wanted |= FEATURE_VERSION_1;
    for (unsigned i = 0; i < 2; i++) {
        write(v, REG_DEVICE_FEATURES_SEL, i);
        offered |= (uint64_t)read(v, REG_DEVICE_FEATURES) << 32 * i;
    }
    v->features = offered & wanted;
    for (unsigned i = 0; i < 2; i++) {
        write(v, REG_DRIVER_FEATURES_SEL, i);
        write(v, REG_DRIVER_FEATURES, (uint32_t)(v->features >> 32 * i));
    }
    if (!v->modern)
        return 0;
    write(v, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    return (v->features & FEATURE_VERSION_1) && (read(v, REG_STATUS) & STATUS_FEATURES_OK) ? 0
                                                                                           : ENXIO;
}

static int set_up_queue(struct virtio *v, char *dma, paddr_t dma_pa)
{
    write(v, REG_QUEUE_SEL, 0);
    if (read(v, REG_QUEUE_NUM_MAX) < VIRTQ_SIZE)
        return ENXIO;
    v->desc = (struct virtq_desc *)dma;
    v->avail = (struct virtq_avail *)(dma + AVAIL_OFFSET);
    v->used = (struct virtq_used *)(dma + USED_OFFSET);
    for (uint16_t i = 0; i < VIRTQ_SIZE; i++)
        v->desc[i].next = i + 1;
    v->free_head = 0;
    v->nfree = VIRTQ_SIZE;
    v->used_seen = 0;
    write(v, REG_QUEUE_NUM, VIRTQ_SIZE);
    if (!v->modern) {
        write(v, REG_GUEST_PAGE_SIZE, PAGE_SIZE);
        write(v, REG_QUEUE_ALIGN, PAGE_SIZE);
        write(v, REG_QUEUE_PFN, (uint32_t)(dma_pa >> PAGE_SHIFT));
        return 0;
    }
    write64(v, REG_QUEUE_DESC, dma_pa);
    write64(v, REG_QUEUE_AVAIL, dma_pa + AVAIL_OFFSET);
    write64(v, REG_QUEUE_USED, dma_pa + USED_OFFSET);
    write(v, REG_QUEUE_READY, 1);
    return 0;
}

int virtio_init(struct virtio *v, uint64_t wanted, void *dma, paddr_t dma_pa)
{
    write(v, REG_STATUS, 0);
    write(v, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    int error = negotiate(v, wanted);
    if (!error)
        error = set_up_queue(v, dma, dma_pa);
    if (error) {
        write(v, REG_STATUS, STATUS_FAILED);
        return error;
    }
    write(v, REG_STATUS, read(v, REG_STATUS) | STATUS_DRIVER_OK);
    return 0;
}

uint32_t virtio_config32(struct virtio *v, unsigned offset)
{
    return read(v, REG_CONFIG + offset);
}

int virtq_put(struct virtio *v, const struct virtio_segment *segments, unsigned n, uint16_t *head)
{
    if (n > v->nfree)
        return EBUSY;
    uint16_t i = *head = v->free_head;
    for (unsigned k = 0; k < n; k++) {
        struct virtq_desc *d = &v->desc[i];
        d->pa = segments[k].pa;
        d->len = segments[k].len;
        d->flags =
            (segments[k].device_writes ? DESC_DEVICE_WRITES : 0) | (k + 1 < n ? DESC_NEXT : 0);
        i = d->next;
    }
    v->free_head = i;
    v->nfree -= n;
    v->avail->ring[v->avail->index % VIRTQ_SIZE] = *head;
    store_release(&v->avail->index, v->avail->index + 1);
    return 0;
}

void virtq_kick(struct virtio *v)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the index is out before the flag is read
    if (!(*(volatile uint16_t *)&v->used->flags & USED_NO_NOTIFY))
        write(v, REG_QUEUE_NOTIFY, 0);
}

bool virtq_take(struct virtio *v, uint16_t *head)
{
    if (load_acquire(&v->used->index) == v->used_seen)
        return false;
    *head = v->used->ring[v->used_seen++ % VIRTQ_SIZE].head;
    uint16_t last = *head;
    v->nfree++;
    for (; v->desc[last].flags & DESC_NEXT; last = v->desc[last].next)
        v->nfree++;
    v->desc[last].next = v->free_head;
    v->free_head = *head;
    return true;
}

void virtio_ack_interrupt(struct virtio *v)
{
    write(v, REG_INTERRUPT_ACK, read(v, REG_INTERRUPT_STATUS));
}
