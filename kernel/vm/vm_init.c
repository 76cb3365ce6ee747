// SPDX-License-Identifier: BSD-2-Clause
//
// Brings the VM up, each module before those that use it.

#include "vm/vm_init.h"

#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/map_entry.h"
#include "vm/slab.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

void vm_init(vaddr_t kva_start, size_t kva_size, size_t kmem_size, size_t pool_size)
{
    map_entry_init();
    kmem_init(kva_start, kva_size, kmem_size, pool_size);
    slab_init();
    anon_init();
    amap_init();
    anon_object_init();
    vm_space_init_pools();
}
