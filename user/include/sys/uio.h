// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading and writing several buffers in one call.
 */
#pragma once

#include <sys/types.h>

struct iovec {
    void *iov_base;
    size_t iov_len;
};

ssize_t readv(int fd, const struct iovec *iov, int n);
ssize_t writev(int fd, const struct iovec *iov, int n);
