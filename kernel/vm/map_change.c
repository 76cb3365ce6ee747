// SPDX-License-Identifier: BSD-2-Clause
//
// The begin and the end of a change of a map.
//
// Locking: map_change.h. Between the two the thread's "may not wait for memory" depth is raised.

#include "vm/map_change.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/vm_object.h"

static void change_init(struct map_change *c, struct vm_map *map)
{
    c->map = map;
    list_init(&c->spare);
    list_init(&c->dead);
}

int map_change_begin(struct map_change *c, struct vm_map *map, unsigned n, unsigned flags)
{
    if (flags & PR_WAITOK)
        assert_may_sleep("map_change_begin");
    change_init(c, map);
    int error = n ? map_entry_reserve(c, n, flags) : 0;
    if (error)
        return error;
    if (flags & PR_WAITOK) {
        rw_lock_write(&map->lock);
    } else if (!rw_trylock_write(&map->lock)) {
        map_entry_unreserve(c);
        return EAGAIN;
    }
    nomemwait_enter();
    return 0;
}

// As many as `need' says of the map, if that may be: it is looked at again under its lock. ngone
// of them do not stay.
static inline int begin_enough(struct map_change *c, struct vm_map *map,
                               unsigned (*need)(struct vm_map *map, vaddr_t start_va,
                                                vaddr_t end_va),
                               vaddr_t start_va, vaddr_t end_va, unsigned ngone)
{
    unsigned have = 0;
    int error = 0;

    assert_may_sleep("map_change_begin");
    change_init(c, map);
    while (!error) {
        rw_lock_write(&map->lock);
        unsigned want = need(map, start_va, end_va);
        bool many = want > ngone && map->nentries + want - ngone > MAP_ENTRIES_MAX && !map->kernel;
        if (want <= have && !many) {
            nomemwait_enter();
            return 0;
        }
        rw_unlock_write(&map->lock);
        error = many ? ENOMEM : map_entry_reserve(c, want - have, PR_WAITOK);
        have = want;
    }
    map_entry_unreserve(c);
    return error;
}

int map_change_begin_clip(struct map_change *c, struct vm_map *map, vaddr_t start_va,
                          vaddr_t end_va, unsigned ngone)
{
    return begin_enough(c, map, map_entry_need, start_va, end_va, ngone);
}

static unsigned count_entries(struct vm_map *map, vaddr_t start_va, vaddr_t end_va)
{
    KASSERT(start_va == map->min_va && end_va == map->max_va, "[%#lx, %#lx)", start_va, end_va);
    return map->nentries;
}

int map_change_begin_copy(struct map_change *c, struct vm_map *map)
{
    return begin_enough(c, map, count_entries, map->min_va, map->max_va, UINT32_MAX);
}

void map_change_end(struct map_change *c)
{
    assert_map_changes(c->map);
    c->map->generation++;
    nomemwait_exit();
    rw_unlock_write(&c->map->lock);
    list_for_each (e, &c->dead, struct vm_map_entry, link) {
        pgno_t npages = (e->end_va - e->start_va) >> PAGE_SHIFT;
        if (e->amap)
            amap_unref(e->amap, e->amap_slot, npages);
        if (e->flags & ME_WRITER && e->flags & ME_GONE)
            vm_object_claim(e->attr.object, -(int64_t)npages);
        if (e->attr.object)
            vm_object_unref(e->attr.object);
    }
    map_entry_unreserve(c);
}
