// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of the mmap family share.
#pragma once

#include "lib/types.h"

// True if [va, va+len) lies in user space and does not wrap.
bool user_range(vaddr_t va, size_t len);
