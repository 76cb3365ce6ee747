// SPDX-License-Identifier: BSD-2-Clause
//
// All address spaces, the kernel's among them: what every other file of pmap may know.
// Locking: pmap_list_lock guards the list.

#include "pmap/pmap_impl.h"
#include "pmap/ptshare.h"

struct pmap kernel_pmap = {
    .lock = SPINLOCK_INIT("kernel pmap", LOCK_KERNEL_PMAP, 0),
    .tables = LIST_INIT(kernel_pmap.tables),
    .all_link = LIST_INIT(kernel_pmap.all_link),
};

bool ptshare_enabled;

struct spinlock pmap_list_lock = SPINLOCK_INIT("pmap list", LOCK_PMAP_LIST, 0);
struct list pmap_list = LIST_INIT(pmap_list);
