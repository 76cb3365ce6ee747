// SPDX-License-Identifier: BSD-2-Clause
//
// Brings the VM up.
#pragma once

#include "lib/types.h"

// After vm_page_init and pmap_init. [kva_start, +kva_size) becomes kernel_map; kmem_size and
// pool_size bytes of it its submaps. The page daemon's thread (pageout_daemon) is started by the
// caller, later.
void vm_init(vaddr_t kva_start, size_t kva_size, size_t kmem_size, size_t pool_size);
