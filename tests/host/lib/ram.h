// SPDX-License-Identifier: BSD-2-Clause
//
// RAM for host tests of pages and page tables: a piece of the program's own memory, at the address
// where the direct map is in these tests (mk/tests.mk), which is free in every program, also under
// AddressSanitizer.
#pragma once

// Maps size bytes of zeroes at address, or ends the program.
void ram_map(unsigned long address, unsigned long size);
