// SPDX-License-Identifier: BSD-2-Clause
//
// Surroundings for the kernel's file system inside a host tool: memory, messages, a fixed clock,
// and an image file as the block device. The tools have one thread, so locks need not wait
// (host.c); tests with threads link the kernel's own locks instead.
#pragma once

#include "fs/sfs/bdev.h"
#include "fs/sfs/sfs_env.h"

extern const struct sfs_env host_env;

// An image file as a device.
struct image {
    struct bdev dev;
    int fd;
};

// Makes a file of this size, all zeros and sparse, or opens one that exists; dies with a message.
void image_create(struct image *img, const char *path, uint64_t size);
void image_open(struct image *img, const char *path);
void image_close(struct image *img);

// Prints "PROGRAM: text" and exits with 1.
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern const char *program_name;
extern bool host_quiet; // kprintf prints nothing
