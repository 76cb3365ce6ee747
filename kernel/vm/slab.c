// SPDX-License-Identifier: BSD-2-Clause
//
// Memory of any size, in its first form. A zone is a piece of kernel memory cut into slots of one
// size; its header lies elsewhere and is found by the address, in a tree of all zones. A block that
// is larger than the largest slot is a zone of its own.
//
// Locking: slab_lock guards everything here. It is released while kernel memory comes or goes,
// because kernel_map's lock is taken before it.

#include "vm/slab.h"

#include "lib/bitmap.h"
#include "lib/list.h"
#include "lib/panic.h"
#include "lib/poison.h"
#include "lib/printf.h"
#include "lib/rbtree.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "sync/mutex.h"
#include "vm/kmem.h"

#define ZONE_SIZE (16ul << 10)
#define SLOT_MIN  16ul
#define MAX_SLOTS (ZONE_SIZE / SLOT_MIN)

// Steps of at most a half, so that at most a third of a slot is wasted.
static const uint16_t slot_sizes[] = {16,  32,  48,  64,  96,   128,  192,
                                      256, 384, 512, 768, 1024, 1536, 2048};
#define CLASSES array_len(slot_sizes)
#define LARGE   CLASSES // the class of blocks that are zones

struct zone {
    struct rb_node node; // in the tree of zones, by address
    struct list link;    // on its class's list
    uint8_t *base;       // constant, as the next three
    size_t size;         // bytes of kernel memory
    size_t slot_size;
    unsigned class, nslots;
    unsigned nused;
    uint64_t used[BITMAP_WORDS(MAX_SLOTS)];
};

static struct pool zone_pool;
static struct mutex slab_lock;
static struct rb_tree zones;
static struct list partial[CLASSES];  // zones with free slots
static struct list full[CLASSES + 1]; // zones without; large ones are always full
static struct slab_stats stats;

void slab_init(void)
{
    pool_init(&zone_pool, "slab_zone", sizeof(struct zone), 0, NULL);
    mutex_init(&slab_lock, "slab", LOCK_SLAB, 0);
    for (unsigned c = 0; c < CLASSES; c++)
        list_init(&partial[c]);
    for (unsigned c = 0; c <= LARGE; c++)
        list_init(&full[c]);
}

static bool lock(unsigned flags)
{
    if (flags & KM_NOWAIT)
        return mutex_trylock(&slab_lock);
    mutex_lock(&slab_lock);
    return true;
}

// ---- zones ----

// A zone that is in no list yet; slab_lock not held.
static struct zone *zone_create(unsigned class, size_t size, unsigned flags)
{
    struct zone *z = pool_get(&zone_pool, (flags & KM_NOWAIT ? PR_NOWAIT : PR_WAITOK) | PR_ZERO);

    KASSERT(!mutex_held(&slab_lock), "%zu bytes", size);
    if (!z)
        return NULL;
    z->base = kmem_alloc(kernel_map, size, 0, flags & KM_NOWAIT);
    if (!z->base) {
        pool_put(&zone_pool, z);
        return NULL;
    }
    z->size = size;
    z->class = class;
    z->slot_size = class == LARGE ? size : slot_sizes[class];
    z->nslots = size / z->slot_size;
    return z;
}

static void zone_destroy(struct zone *z)
{
    KASSERT(!mutex_held(&slab_lock) && z->nused == 0, "zone %p, %u in use", z, z->nused);
    kmem_free(kernel_map, z->base, z->size);
    pool_put(&zone_pool, z);
}

static void zone_insert(struct zone *z)
{
    KASSERT(mutex_held(&slab_lock), "zone %p", z);
    rb_add(&zones, &z->node, RB_KEY(struct zone, node, base));
    list_push_front(z->class == LARGE ? &full[LARGE] : &partial[z->class], &z->link);
    stats.zones++;
    stats.zone_bytes += z->size;
}

static void zone_remove(struct zone *z)
{
    KASSERT(mutex_held(&slab_lock), "zone %p", z);
    rb_remove(&zones, &z->node);
    list_remove(&z->link);
    stats.zones--;
    stats.zone_bytes -= z->size;
}

// The zone that contains p; panics if there is none.
static struct zone *zone_of(const void *p)
{
    KASSERT(mutex_held(&slab_lock), "%p", p);
    stats.lookups++;
    for (struct rb_node *n = zones.root; n;) {
        struct zone *z = rb_entry(n, struct zone, node);
        if ((const uint8_t *)p >= z->base && (const uint8_t *)p < z->base + z->size)
            return z;
        n = n->child[(const uint8_t *)p > z->base];
    }
    panic("%p was not allocated here", p);
}

static unsigned slot_of(const struct zone *z, const void *p)
{
    size_t off = (const uint8_t *)p - z->base;

    KASSERT(mutex_held(&slab_lock), "zone %p", z);
    KASSERT(off % z->slot_size == 0 && bitmap_test(z->used, off / z->slot_size),
            "%p is no block: zone %p, slots of %zu", p, z->base, z->slot_size);
    return off / z->slot_size;
}

// ---- blocks ----

static void *zone_take_slot(struct zone *z)
{
    size_t slot = bitmap_find_clear(z->used, z->nslots, 0);

    KASSERT(mutex_held(&slab_lock), "zone %p", z);
    KASSERT(slot < z->nslots, "zone %p has %u of %u slots in use, and none free", z->base, z->nused,
            z->nslots);
    bitmap_set(z->used, slot);
    if (++z->nused == z->nslots && z->class != LARGE) {
        list_remove(&z->link);
        list_push_front(&full[z->class], &z->link);
    }
    stats.objects++;
    stats.object_bytes += z->slot_size;
    if (z->class == LARGE)
        stats.large_bytes += z->size;
    return z->base + slot * z->slot_size;
}

static unsigned class_of(size_t size)
{
    unsigned c = 0;

    while (c < CLASSES && slot_sizes[c] < size)
        c++;
    return c;
}

void *slab_alloc(size_t size, unsigned flags)
{
    unsigned class = class_of(size);
    if (!(flags & KM_NOWAIT))
        assert_may_sleep("slab_alloc");
    size_t zone_size = class == LARGE ? page_round(size) : ZONE_SIZE;

    if (fail_injected() || zone_size < size || !lock(flags))
        return NULL;
    struct zone *z = class == LARGE ? NULL : list_first(&partial[class], struct zone, link);
    if (!z) {
        mutex_unlock(&slab_lock);
        z = zone_create(class, zone_size, flags);
        if (!z)
            return NULL;
        if (!lock(flags)) {
            zone_destroy(z);
            return NULL;
        }
        zone_insert(z);
    }
    void *p = zone_take_slot(z);
    mutex_unlock(&slab_lock);
    if (flags & KM_ZERO)
        memset(p, 0, size);
    else
        poison_fill(p, size);
    return p;
}

void slab_free(void *p)
{
    if (!p)
        return;
    mutex_lock(&slab_lock);
    struct zone *z = zone_of(p);
    bitmap_clear(z->used, slot_of(z, p));
    stats.objects--;
    stats.object_bytes -= z->slot_size;
    if (z->class == LARGE)
        stats.large_bytes -= z->size;
    if (z->nused-- == z->nslots && z->class != LARGE) {
        list_remove(&z->link);
        list_push_front(&partial[z->class], &z->link);
    }
    // An empty zone goes, unless it is the last one with room.
    bool last = z->class != LARGE && partial[z->class].next == partial[z->class].prev;
    bool empty = z->nused == 0 && !last;
    if (empty)
        zone_remove(z);
    mutex_unlock(&slab_lock);
    if (empty)
        zone_destroy(z);
}

size_t slab_usable_size(const void *p)
{
    mutex_lock(&slab_lock);
    size_t size = zone_of(p)->slot_size;
    mutex_unlock(&slab_lock);
    return size;
}

void slab_get_stats(struct slab_stats *st)
{
    *st = stats;
}

// ---- checks ----

static unsigned zone_check(struct zone *z, struct list *head, bool has_room, struct strbuf *out)
{
    size_t nused = bitmap_count(z->used, z->nslots);
    bool large = head == &full[LARGE];

    KASSERT(mutex_held(&slab_lock), "zone %p", z);
    if (nused == z->nused && (nused < z->nslots) == has_room && (large == (z->class == LARGE)) &&
        z->nslots == z->size / z->slot_size && page_aligned((vaddr_t)z->base))
        return 0;
    strbuf_printf(out, "zone %p: %zu slots of %u in use, counts %u, on the list of zones %s\n",
                  z->base, nused, z->nslots, z->nused, has_room ? "with room" : "without");
    return 1;
}

unsigned slab_check(struct strbuf *out)
{
    unsigned faults = 0;
    uint64_t nzones = 0, nobjects = 0, in_tree = 0;

    if (!mutex_trylock(&slab_lock))
        return 0;
    for (unsigned c = 0; c <= LARGE; c++) {
        for (int has_room = 0; has_room <= (c < LARGE); has_room++) {
            struct list *head = has_room ? &partial[c] : &full[c];
            list_for_each (z, head, struct zone, link) {
                faults += zone_check(z, head, has_room, out);
                nzones++;
                nobjects += z->nused;
            }
        }
    }
    for (struct rb_node *n = rb_first(&zones); n; n = rb_next(n))
        in_tree++;
    if (nzones != stats.zones || nzones != in_tree || nobjects != stats.objects ||
        !rb_valid(&zones)) {
        strbuf_printf(
            out, "slab: %lu zones on lists, %lu in the tree, %lu counted; %lu objects of %lu\n",
            nzones, in_tree, stats.zones, nobjects, stats.objects);
        faults++;
    }
    mutex_unlock(&slab_lock);
    return faults;
}
