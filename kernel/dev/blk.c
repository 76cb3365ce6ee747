// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-blk driver. A request is three parts: a header, the data, and a status byte that the
// device writes. Headers and status bytes lie in the third page of the disk's memory, one for each
// descriptor that may begin a request. Requests that find the ring full wait in order.
#include "dev/blk.h"

#include "dev/virtio.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "sync/kctx.h"
#include "sync/scoped.h"

#define FEATURE_READ_ONLY (1ul << 5)
#define FEATURE_FLUSH     (1ul << 9)
#define CONFIG_CAPACITY   0 // sectors, 64 bits
#define SECTORS_PER_PAGE  (PAGE_SIZE / BLK_SECTOR)
#define MAX_SEGMENTS      (BLK_MAX_PAGES + 2)

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_UNSUPPORTED = 2 };

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};

// The third page.
struct blk_dma {
    struct header headers[VIRTQ_SIZE];
    uint8_t status[VIRTQ_SIZE];
};
_Static_assert(VIRTIO_DMA_SIZE + sizeof(struct blk_dma) <= BLK_DMA_SIZE, "the disk's memory");
_Static_assert(MAX_SEGMENTS <= VIRTQ_SIZE, "the largest request fits an empty ring");

struct blk {
    struct spinlock lock;
    struct virtio virtio;                  // (lock)
    struct blk_dma *dma;                   // (lock)
    paddr_t dma_pa;                        // constant; of *dma
    uint64_t nsectors;                     // constant
    struct blk_req *in_flight[VIRTQ_SIZE]; // (lock) by first descriptor
    struct list waiting;                   // (lock) struct blk_req.link, not yet in the ring
    struct blk_inject inject;              // (lock)
    struct blk_stats stats;                // (lock)
};

static struct blk disks[BLK_MAX_DISKS];
static unsigned ndisks; // constant after start-up

struct blk *blk_attach(volatile void *regs, void *dma, paddr_t dma_pa)
{
    if (ndisks == BLK_MAX_DISKS)
        return NULL;
    struct blk *disk = &disks[ndisks];
    spin_init(&disk->lock, "disk", LOCK_DISK, 0);
    list_init(&disk->waiting);
    disk->dma = (struct blk_dma *)((char *)dma + VIRTIO_DMA_SIZE);
    disk->dma_pa = dma_pa + VIRTIO_DMA_SIZE;
    if (!virtio_probe(&disk->virtio, regs, VIRTIO_ID_BLOCK) ||
        virtio_init(&disk->virtio, FEATURE_READ_ONLY | FEATURE_FLUSH, dma, dma_pa) != 0)
        return NULL;
    disk->nsectors = virtio_config32(&disk->virtio, CONFIG_CAPACITY) |
                     (uint64_t)virtio_config32(&disk->virtio, CONFIG_CAPACITY + 4) << 32;
    ndisks++;
    return disk;
}

struct blk *blk_disk(unsigned n)
{
    return n < ndisks ? &disks[n] : NULL;
}

uint64_t blk_size(const struct blk *disk)
{
    return disk->nsectors;
}

bool blk_read_only(const struct blk *disk)
{
    return disk->virtio.features & FEATURE_READ_ONLY;
}

// Counts an armed nth failure down; true when it is this request's turn.
static bool countdown(uint64_t *nth)
{
    return *nth > 0 && --*nth == 0;
}

static bool injected(struct blk *disk, enum blk_op op)
{
    struct blk_inject *i = &disk->inject;
    bool nth = countdown(op == BLK_READ    ? &i->fail_read
                         : op == BLK_WRITE ? &i->fail_write
                                           : &i->fail_flush);
    return nth || i->fail_all;
}

// The data's segments, physically adjacent pages merged; their number.
static unsigned data_segments(const struct blk_req *req, struct virtio_segment *segments)
{
    unsigned n = 0;
    uint32_t left = req->nsectors * BLK_SECTOR;
    for (unsigned i = 0; left > 0; i++) {
        uint32_t len = min(left, (uint32_t)PAGE_SIZE);
        if (n > 0 && segments[n - 1].pa + segments[n - 1].len == req->pages[i])
            segments[n - 1].len += len;
        else
            segments[n++] = (struct virtio_segment){req->pages[i], len, req->op == BLK_READ};
        left -= len;
    }
    return n;
}

// The header of a request. An injected failure is left to the device: it refuses a sector beyond
// its end, and the error takes the way of a real one.
static struct header make_header(struct blk *disk, const struct blk_req *req)
{
    static const uint32_t types[] = {TYPE_IN, TYPE_OUT, TYPE_FLUSH};
    if (injected(disk, req->op))
        return (struct header){.type = req->op == BLK_WRITE ? TYPE_OUT : TYPE_IN,
                               .sector = disk->nsectors + 1};
    return (struct header){.type = types[req->op], .sector = req->sector};
}

// Puts a request into the ring; false if it does not fit now.
static bool start(struct blk *disk, struct blk_req *req)
{
    struct virtio_segment segments[MAX_SEGMENTS];
    uint16_t head = disk->virtio.free_head;
    unsigned n = 1;
    if (req->op != BLK_FLUSH)
        n += data_segments(req, segments + n);
    if (n + 1 > disk->virtio.nfree)
        return false;
    disk->dma->headers[head] = make_header(disk, req);
    segments[0] = (struct virtio_segment){disk->dma_pa + offsetof(struct blk_dma, headers) +
                                              head * sizeof(struct header),
                                          sizeof(struct header), false};
    segments[n++] =
        (struct virtio_segment){disk->dma_pa + offsetof(struct blk_dma, status) + head, 1, true};
    int error = virtq_put(&disk->virtio, segments, n, &head);
    KASSERT(error == 0, "%u segments, %u free", n, disk->virtio.nfree);
    disk->in_flight[head] = req;
    return true;
}

static void start_waiting(struct blk *disk)
{
    bool kick = false;
    while (!disk->inject.hold && !list_empty(&disk->waiting)) {
        struct blk_req *req = list_first(&disk->waiting, struct blk_req, link);
        if (!start(disk, req))
            break;
        list_remove(&req->link);
        kick = true;
    }
    if (kick)
        virtq_kick(&disk->virtio);
}

void blk_submit(struct blk *disk, struct blk_req *req)
{
    KASSERT(req->op == BLK_FLUSH ||
                (req->nsectors > 0 && req->nsectors <= BLK_MAX_PAGES * SECTORS_PER_PAGE),
            "request of %u sectors", req->nsectors);
    SCOPED_SPIN(&disk->lock);
    disk->stats.in_flight++;
    list_push_back(&disk->waiting, &req->link);
    start_waiting(disk);
}

// A device that knows no flush writes through.
static int result(const struct blk_req *req, uint8_t status)
{
    bool ok = status == STATUS_OK || (req->op == BLK_FLUSH && status == STATUS_UNSUPPORTED);
    return ok ? 0 : EIO;
}

void blk_interrupt(void *arg)
{
    struct blk *disk = arg;
    uint16_t head;
    spin_lock(&disk->lock);
    virtio_ack_interrupt(&disk->virtio);
    while (virtq_take(&disk->virtio, &head)) {
        struct blk_req *req = disk->in_flight[head];
        KASSERT(req, "descriptor %u finished, but begins no request", head);
        disk->in_flight[head] = NULL;
        req->error = result(req, disk->dma->status[head]);
        disk->stats.in_flight--;
        disk->stats.requests[req->op]++;
        disk->stats.sectors[req->op] += req->nsectors;
        spin_unlock(&disk->lock);
        req->done(req);
        spin_lock(&disk->lock);
    }
    start_waiting(disk);
    spin_unlock(&disk->lock);
}

// ---- sleeping forms ----

struct sleeper {
    struct blk_req req;
    struct blk *disk;
    struct waitq queue;
    bool finished; // (disk->lock)
};

// All under the lock: once it is released, the sleeper's stack may be gone.
static void wake_sleeper(struct blk_req *req)
{
    struct sleeper *s = container_of(req, struct sleeper, req);
    struct blk *disk = s->disk;
    SCOPED_SPIN(&disk->lock);
    s->finished = true;
    waitq_wake_all(&s->queue);
}

static int submit_and_wait(struct blk *disk, enum blk_op op, uint64_t sector, const paddr_t *pages,
                           unsigned npages)
{
    struct sleeper s = {.disk = disk};
    s.req = (struct blk_req){.op = op,
                             .sector = sector,
                             .pages = pages,
                             .nsectors = npages * SECTORS_PER_PAGE,
                             .done = wake_sleeper};
    waitq_init(&s.queue, "disk request");
    blk_submit(disk, &s.req);
    SCOPED_SPIN(&disk->lock);
    while (!s.finished)
        waitq_await_spin(&s.queue, &disk->lock);
    return s.req.error;
}

static int transfer(struct blk *disk, enum blk_op op, uint64_t sector, const paddr_t *pages,
                    unsigned npages)
{
    assert_may_sleep("disk transfer");
    int error = 0;
    while (npages > 0 && !error) {
        unsigned n = min(npages, BLK_MAX_PAGES);
        error = submit_and_wait(disk, op, sector, pages, n);
        sector += n * SECTORS_PER_PAGE;
        pages += n;
        npages -= n;
    }
    return error;
}

int blk_read(struct blk *disk, uint64_t sector, const paddr_t *pages, unsigned npages)
{
    return transfer(disk, BLK_READ, sector, pages, npages);
}

int blk_write(struct blk *disk, uint64_t sector, const paddr_t *pages, unsigned npages)
{
    return transfer(disk, BLK_WRITE, sector, pages, npages);
}

int blk_flush(struct blk *disk)
{
    assert_may_sleep("disk flush");
    return submit_and_wait(disk, BLK_FLUSH, 0, NULL, 0);
}

// ---- faults on demand ----

void blk_get_inject(struct blk *disk, struct blk_inject *inject)
{
    SCOPED_SPIN(&disk->lock);
    *inject = disk->inject;
}

void blk_set_inject(struct blk *disk, const struct blk_inject *inject)
{
    SCOPED_SPIN(&disk->lock);
    disk->inject = *inject;
    start_waiting(disk);
}

void blk_get_stats(struct blk *disk, struct blk_stats *stats)
{
    SCOPED_SPIN(&disk->lock);
    *stats = disk->stats;
}
