// SPDX-License-Identifier: BSD-2-Clause
//
// What another thread does meanwhile, and when: while nobody has an amap's lock.

#include "lab_anon.h"
#include "lib/atomic.h"
#include "sync/kctx.h"
#include "sync/mutex.h"
#include "tests/kernel/watch.h"
#include "vm/amap.h"
#include "vm/vm_map.h"

const struct lock *lab_amap_lock(unsigned n)
{
    struct vm_map *map = &lab_space[n]->map;
    const struct lock *l = NULL;
    struct vm_map_entry *e;

    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, LAB_VA, &e) && e->amap) {
        amap_lock(e->amap);
        l = kctx_current()->held[kctx_current()->nheld];
        amap_unlock(e->amap);
    }
    rw_unlock_read(&map->lock);
    return l;
}

static struct kctx another = {.name = "another thread"};

bool lab_is_meanwhile(void)
{
    return this_cpu()->kctx == &another;
}

void lab_meanwhile(void (*what)(void))
{
    struct kctx *me = this_cpu()->kctx;

    this_cpu()->kctx = &another;
    what();
    this_cpu()->kctx = me;
}

static const uint32_t *state; // of the lock that is watched
static void (*when_unlocked)(void);

static void see_lock(vaddr_t rip UNUSED)
{
    if (!lab_is_meanwhile() && !load_relaxed(state))
        when_unlocked();
}

void lab_when_unlocked(const struct lock *l, void (*what)(void))
{
    state = &((const struct mutex *)l)->state; // its head
    when_unlocked = what;
    watch_words((const void *)((uintptr_t)state & ~7ul), 1, WATCH_WRITES, see_lock);
}
