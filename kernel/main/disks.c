// SPDX-License-Identifier: BSD-2-Clause
//
// Finding the disks; the second one as swap space.
#include "main/disks.h"

#include "amd64/bootmap.h"
#include "amd64/image.h"
#include "amd64/intr.h"
#include "dev/blk.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "main/cmdline.h"
#include "mem/vm_page.h"
#include "vm/swap.h"

#define MAX_PLACES 32

struct place {
    uint64_t pa;
    unsigned irq;
};

static char dma[BLK_MAX_DISKS][BLK_DMA_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct place places[MAX_PLACES]; // where there may be a device, descending
static unsigned nplaces;

// One value SIZE@ADDRESS:IRQ.
static void add_place(const char *value)
{
    const char *at = strchr(value, '@'), *end;
    if (!at || nplaces == MAX_PLACES)
        return;
    struct place p = {.pa = strtou64(at + 1, &end, 0)};
    if (*end != ':')
        return;
    p.irq = strtou64(end + 1, &end, 0);
    unsigned i = nplaces++;
    for (; i > 0 && places[i - 1].pa < p.pa; i--)
        places[i] = places[i - 1];
    places[i] = p;
}

static void attach(const struct place *p, unsigned n)
{
    if (n == BLK_MAX_DISKS)
        return;
    struct blk *disk = blk_attach(device_va(p->pa), dma[n], image_to_phys(dma[n]));
    if (!disk)
        return;
    intr_register(p->irq, blk_interrupt, disk);
    kprintf("disk %u: %lu KiB%s\n", n, blk_size(disk) * BLK_SECTOR / 1024,
            blk_read_only(disk) ? ", read-only" : "");
}

void disks_init(void)
{
    cmdline_each("virtio_mmio.device", add_place);
    for (unsigned i = 0; i < nplaces; i++) {
        unsigned n = 0;
        while (blk_disk(n))
            n++;
        attach(&places[i], n);
    }
    if (!blk_disk(0))
        return;
    struct blk_inject inject = {
        .fail_read = cmdline_number("disk_fail_read", 0),
        .fail_write = cmdline_number("disk_fail_write", 0),
        .fail_flush = cmdline_number("disk_fail_flush", 0),
    };
    blk_set_inject(blk_disk(0), &inject);
}

// ---- swap ----

#define SECTORS_PER_SLOT (PAGE_SIZE / BLK_SECTOR)

// What a transfer needs until the disk is done with it.
struct swap_request {
    struct blk_req req;
    paddr_t pages[SWAP_CLUSTER];
};
_Static_assert(sizeof(struct swap_request) <= sizeof(((struct swap_io *)0)->word),
               "the device's part of a transfer");

static void swap_request_done(struct blk_req *req)
{
    struct swap_io *io = container_of(req, struct swap_io, word);

    io->error = req->error;
    swap_finish(io);
}

static void swap_disk_start(struct swap_io *io)
{
    struct swap_request *r = (struct swap_request *)io->word;

    for (unsigned i = 0; i < io->npages; i++)
        r->pages[i] = page_to_phys(io->pages[i]);
    r->req = (struct blk_req){.op = io->write ? BLK_WRITE : BLK_READ,
                              .nsectors = io->npages * SECTORS_PER_SLOT,
                              .sector = io->slot * SECTORS_PER_SLOT,
                              .pages = r->pages,
                              .done = swap_request_done};
    blk_submit(blk_disk(1), &r->req);
}

void swap_disk_init(void)
{
    static struct swap_dev dev = {.start = swap_disk_start};

    if (!blk_disk(1))
        return;
    dev.nblocks = blk_size(blk_disk(1)) / SECTORS_PER_SLOT;
    swap_init(&dev);
}
