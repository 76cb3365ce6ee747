// SPDX-License-Identifier: BSD-2-Clause
//
// CRC-32 (IEEE 802.3, reflected, polynomial 0xedb88320): crc32(0, data, n) equals zlib's.
// The checksum of a text in pieces: crc32(crc32(0, a, n), b, m).
#pragma once

#include "lib/types.h"

uint32_t crc32(uint32_t crc, const void *data, size_t len);
