// SPDX-License-Identifier: BSD-2-Clause
//
// An image file as a block device. Blocks that are never written stay holes of the file.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host.h"
#include "lib/errno.h"

static int image_read(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    struct image *img = container_of(dev, struct image, dev);

    for (unsigned i = 0; i < n; i++)
        if (pread(img->fd, pages[i], BDEV_BLOCK, (block + i) * BDEV_BLOCK) != BDEV_BLOCK)
            return EIO;
    return 0;
}

static int image_write(struct bdev *dev, uint64_t block, void *const pages[], unsigned n)
{
    struct image *img = container_of(dev, struct image, dev);

    for (unsigned i = 0; i < n; i++)
        if (pwrite(img->fd, pages[i], BDEV_BLOCK, (block + i) * BDEV_BLOCK) != BDEV_BLOCK)
            return EIO;
    return 0;
}

// Tools write an image from beginning to end, or not at all.
static int image_flush(struct bdev *dev)
{
    (void)dev;
    return 0;
}

static const struct bdev_ops image_ops = {image_read, image_write, image_flush};

static void init(struct image *img, const char *path, uint64_t size)
{
    img->dev = (struct bdev){.ops = &image_ops, .name = path, .nblocks = size / BDEV_BLOCK};
}

void image_create(struct image *img, const char *path, uint64_t size)
{
    img->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (img->fd < 0 || ftruncate(img->fd, size) != 0)
        die("%s: cannot be made", path);
    init(img, path, size);
}

void image_open(struct image *img, const char *path)
{
    struct stat st;

    img->fd = open(path, O_RDWR);
    if (img->fd < 0 || fstat(img->fd, &st) != 0)
        die("%s: cannot be opened", path);
    init(img, path, st.st_size);
}

void image_close(struct image *img)
{
    if (close(img->fd) != 0)
        die("%s: cannot be written", img->dev.name);
}
