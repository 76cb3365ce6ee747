// SPDX-License-Identifier: BSD-2-Clause
//
// mremap: a mapping shrinks, grows in place, or moves with its pages. What Linux takes for one
// mapping may be several entries here; a move takes them out and links the same entries elsewhere.
//
// Locking: vm_space.h. A move is one change of the map: nobody sees it half done.

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "vm/map_change.h"
#include "vm/map_space.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

enum mremap_flags { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };

// Clearing the old place, its end apart, and the new one, and the part that is added.
#define MOVE_SPARE (3 * MAP_ENTRY_SPLITS + 1)

// 0 if [start, end) is one mapping, with its last entry; else EFAULT.
static int one_mapping(struct vm_map *map, vaddr_t start_va, vaddr_t end_va,
                       struct vm_map_entry **last)
{
    struct vm_map_entry *e;

    assert_map_changes(map);
    if (!vm_map_lookup(map, start_va, &e))
        return EFAULT;
    while (e->end_va < end_va) {
        struct vm_map_entry *next = vm_map_next(map, e);
        if (!next || !vm_map_continues(e, next))
            return EFAULT;
        e = next;
    }
    *last = e;
    return 0;
}

// Describes what e maps from va on, for len bytes, to go to new_va; without amap. The object is not
// referenced.
static struct vm_map_req req_like(const struct vm_map_entry *e, vaddr_t va, size_t len,
                                  vaddr_t new_va)
{
    struct vm_map_req req = {
        .va = new_va,
        .len = len,
        .attr = e->attr,
        .wired = e->wired,
        .entry_flags = e->flags & ~ME_GONE,
    };

    if (e->attr.object)
        req.attr.offset += va - e->start_va;
    return req;
}

// Adds len bytes at va that go on where e ends.
static void link_growth(struct map_change *c, const struct vm_map_entry *e, vaddr_t va, size_t len)
{
    struct vm_map_req req = req_like(e, e->end_va, len, va);

    if (req.attr.object)
        vm_object_ref(req.attr.object);
    if (req.entry_flags & ME_WRITER)
        vm_object_claim(req.attr.object, (int64_t)(len >> PAGE_SHIFT));
    map_entry_link(c, &req);
}

// ---- the move; map locked for writing ----

struct move {
    vaddr_t old_va, new_va;
    size_t old_len, new_len;
    bool in_place; // if there is room behind the old range
    bool may_move, fixed;
};

static int find_place(struct vm_space *vs, struct move *m, const struct vm_map_entry *last)
{
    vaddr_t old_end = m->old_va + m->old_len;

    if (m->fixed)
        return 0;
    m->in_place = last->end_va == old_end && user_range(m->old_va, m->new_len) &&
                  map_space_is_free(&vs->map, old_end, m->old_va + m->new_len);
    if (m->in_place)
        return 0;
    if (!m->may_move)
        return ENOMEM;
    return map_space_find_down(&vs->map, vs->mmap_top, m->new_len, 0, &m->new_va);
}

// Whether last, the mapping's end, may be followed by that much: by its object and by the limits.
static int check_growth(struct vm_map *map, const struct move *m, const struct vm_map_entry *last)
{
    size_t growth = m->new_len - m->old_len;
    KASSERT(m->new_len > m->old_len, "%#zx bytes to %#zx", m->old_len, m->new_len);
    uint64_t offset = last->attr.offset + (m->old_va + m->old_len - last->start_va);

    if (last->attr.object && offset > VM_OFFSET_MAX - growth)
        return EINVAL;
    return vm_map_may_add(map, last->flags, last->attr.prot, growth, 0, 0);
}

// The entries of the old place serve again at the new one.
static void move_entries(struct map_change *c, const struct move *m)
{
    struct list replaced = LIST_INIT(replaced), moving = LIST_INIT(moving);
    struct vm_map_entry *e;
    size_t growth = m->new_len - m->old_len;

    assert_map_changes(c->map);
    KASSERT(m->new_len >= m->old_len && page_aligned(m->new_va), "%#zx bytes to %#zx at %#lx",
            m->old_len, m->new_len, m->new_va);
    list_splice(&replaced, &c->dead); // of what shrank before
    vm_map_clear(c, m->new_va, m->new_va + m->new_len);
    list_splice(&replaced, &c->dead);
    vm_map_clear(c, m->old_va, m->old_va + m->old_len);
    list_splice(&moving, &c->dead);
    list_splice(&c->dead, &replaced);
    while ((e = list_pop(&moving, struct vm_map_entry, link))) {
        if (growth && list_empty(&moving))
            link_growth(c, e, m->new_va + m->old_len, growth);
        vaddr_t new_va = m->new_va + (e->start_va - m->old_va);
        struct vm_map_req req = req_like(e, e->start_va, e->end_va - e->start_va, new_va);
        req.amap = e->amap;
        req.amap_slot = e->amap_slot;
        list_push_front(&c->spare, &e->link);
        map_entry_link(c, &req);
    }
}

// Unmaps what is too much. As on Linux, only the first page must be mapped.
static int shrink(struct map_change *c, struct move *m)
{
    vaddr_t old_end = m->old_va + m->old_len, new_end = m->old_va + m->new_len;
    struct vm_map_entry *e;

    KASSERT(m->new_len <= m->old_len, "%#zx bytes to %#zx", m->old_len, m->new_len);
    if (!vm_map_lookup(c->map, m->old_va, &e))
        return EFAULT;
    if (new_end == old_end)
        return 0;
    if (map_entry_need(c->map, new_end, old_end) > 1 && c->map->nentries >= MAP_ENTRIES_MAX)
        return ENOMEM;
    vm_map_clear(c, new_end, old_end);
    m->old_len = m->new_len;
    return 0;
}

static int mremap_change(struct map_change *c, struct vm_space *vs, struct move *m)
{
    vaddr_t old_end = m->old_va + m->old_len;
    struct vm_map_entry *last;

    if (m->new_len <= m->old_len && !m->fixed) {
        m->new_va = m->old_va;
        return shrink(c, m);
    }
    int error = one_mapping(c->map, m->old_va, m->old_va + min(m->old_len, m->new_len), &last);
    if (!error && m->new_len > m->old_len)
        error = check_growth(c->map, m, last);
    if (!error)
        error = find_place(vs, m, last);
    if (!error && !m->in_place && c->map->nentries > MAP_ENTRIES_MAX - MOVE_SPARE)
        error = ENOMEM;
    if (!error && m->new_len < m->old_len)
        error = shrink(c, m);
    if (error)
        return error;
    if (!m->in_place) {
        move_entries(c, m);
        return 0;
    }
    m->new_va = m->old_va;
    link_growth(c, last, old_end, m->new_len - m->old_len);
    return 0;
}

// ---- the call ----

static int mremap_check(const struct move *m, unsigned flags)
{
    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) || (m->fixed && !m->may_move) ||
        !page_aligned(m->old_va) || !m->new_len || !m->old_len)
        return EINVAL;
    if (m->fixed &&
        (!page_aligned(m->new_va) || !user_range(m->new_va, m->new_len) || m->new_va < USER_MIN ||
         (m->old_va < m->new_va + m->new_len && m->new_va < m->old_va + m->old_len)))
        return EINVAL;
    return user_range(m->old_va, m->old_len) ? 0 : EFAULT;
}

int vm_mremap(struct vm_space *vs, vaddr_t old_va, size_t old_len, size_t new_len, unsigned flags,
              vaddr_t *va)
{
    struct vm_map *map = &vs->map;
    struct map_change c;
    struct move m = {
        .old_va = old_va,
        .new_va = *va,
        .old_len = page_round(old_len),
        .new_len = page_round(new_len),
        .may_move = flags & MREMAP_MAYMOVE,
        .fixed = flags & MREMAP_FIXED,
    };

    int error = mremap_check(&m, flags);
    if (!error && m.new_len > USER_MAX)
        error = ENOMEM;
    if (!error)
        error = map_change_begin(&c, map, MOVE_SPARE, PR_WAITOK);
    if (error)
        return error;
    error = mremap_change(&c, vs, &m);
    map_change_end(&c);
    *va = m.new_va;
    return error;
}
