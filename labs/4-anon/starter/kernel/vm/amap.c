// SPDX-License-Identifier: BSD-2-Clause
//
// Amaps in their first form: which anons a mapping's private pages are. An amap belongs to one map
// entry, or to the pieces that an entry was split into; only inheritance by sharing lets entries
// overlap. Slots are kept in chunks, so a sparse amap stays small. amap_copy.c has what copies.
//
// Locking: amap.h; amaps_lock guards the list of all amaps, for the check.

#include "vm/amap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "vm/anon.h"
#include "vm/stat.h"

static struct pool amap_pool, chunk_pool, cover_pool;
static struct spinlock amaps_lock = SPINLOCK_INIT("amaps", LOCK_VM_LISTS, 0);
static struct list amaps = LIST_INIT(amaps);
struct amap_stats amap_stats;

void amap_init(void)
{
    pool_init(&amap_pool, "amap", sizeof(struct vm_amap), 0, NULL);
    pool_init(&chunk_pool, "amap_chunk", sizeof(struct amap_chunk), 0, NULL);
    pool_init(&cover_pool, "amap_cover", sizeof(struct amap_cover), 0, NULL);
}

struct vm_amap *amap_alloc(pgno_t npages)
{
    struct vm_amap *am = pool_get(&amap_pool, PR_NOWAIT | PR_RESERVE);

    if (!am)
        return NULL;
    *am = (struct vm_amap){.nrefs = 1, .nslots = npages};
    mutex_init(&am->lock, "amap", LOCK_AMAP, 0);
    spin_lock(&amaps_lock);
    list_push_back(&amaps, &am->all_link);
    amap_stats.amaps++;
    spin_unlock(&amaps_lock);
    return am;
}

// While it is locked still, so that the check meets no amap without references.
static void amap_unlist(struct vm_amap *am)
{
    KASSERT(amap_held(am), "amap %p", am);
    spin_lock(&amaps_lock);
    list_remove(&am->all_link);
    amap_stats.amaps--;
    spin_unlock(&amaps_lock);
}

static void amap_free(struct vm_amap *am)
{
    KASSERT(!amap_held(am) && am->nrefs == 0 && am->nused == 0 && !am->chunks.root,
            "amap %p: %u refs, %lu used", am, am->nrefs, am->nused);
    while (am->covers.root) {
        struct amap_cover *c = rb_entry(am->covers.root, struct amap_cover, part.node);
        rb_remove(&am->covers, &c->part.node);
        stat_dec(amap_stats.ppref_tables);
        pool_put(&cover_pool, c);
    }
    mutex_retire(&am->lock);
    pool_put(&amap_pool, am);
}

void amap_lock(struct vm_amap *am)
{
    mutex_lock(&am->lock);
}

void amap_unlock(struct vm_amap *am)
{
    mutex_unlock(&am->lock);
}

bool amap_held(const struct vm_amap *am)
{
    return mutex_held(&am->lock);
}

// ---- slots ----

static void part_insert(struct rb_tree *tree, struct amap_part *part, pgno_t first)
{
    struct rb_node *parent = NULL;
    int side = 0;

    part->first = first;
    for (struct rb_node *n = tree->root; n; n = n->child[side]) {
        parent = n;
        side = first > rb_entry(n, struct amap_part, node)->first;
    }
    rb_insert(tree, &part->node, parent, side);
}

// The chunk of the slot, or the first one after it; NULL: none.
static struct amap_chunk *chunk_at_or_after(struct vm_amap *am, pgno_t slot)
{
    struct amap_chunk *best = NULL;

    for (struct rb_node *n = am->chunks.root; n;) {
        struct amap_chunk *c = rb_entry(n, struct amap_chunk, part.node);
        if (slot < c->part.first + CHUNK_SLOTS)
            best = c;
        if (slot >= c->part.first && best == c)
            break;
        n = n->child[slot >= c->part.first + CHUNK_SLOTS];
    }
    return best;
}

static struct vm_anon **slot_find(struct vm_amap *am, pgno_t slot)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);

    KASSERT(amap_held(am), "amap %p", am);
    struct vm_anon **place = c && slot >= c->part.first ? &c->anons[slot - c->part.first] : NULL;
    return place && *place ? place : NULL;
}

struct vm_anon *amap_lookup(struct vm_amap *am, pgno_t slot)
{
    struct vm_anon **an = slot_find(am, slot);

    return an ? *an : NULL;
}

struct vm_anon *amap_next(struct vm_amap *am, pgno_t *slot, pgno_t end)
{
    struct amap_chunk *c;

    KASSERT(amap_held(am), "amap %p", am);
    while ((c = chunk_at_or_after(am, *slot))) {
        for (*slot = max(*slot, c->part.first); *slot < c->part.first + CHUNK_SLOTS; ++*slot) {
            if (*slot >= end)
                return NULL;
            if (c->anons[*slot - c->part.first])
                return c->anons[*slot - c->part.first];
        }
    }
    return NULL;
}

static struct amap_chunk *chunk_create(struct vm_amap *am, pgno_t first)
{
    struct amap_chunk *c = pool_get(&chunk_pool, PR_NOWAIT | PR_RESERVE | PR_ZERO);

    if (c)
        part_insert(&am->chunks, &c->part, first);
    return c;
}

int amap_add(struct vm_amap *am, pgno_t slot, struct vm_anon *an)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);

    KASSERT(amap_held(am), "amap %p", am);
    KASSERT(slot < am->nslots, "slot %lu of %lu", slot, am->nslots);
    if (!c || slot < c->part.first)
        c = chunk_create(am, slot - slot % CHUNK_SLOTS);
    if (!c)
        return ENOMEM;
    KASSERT(!c->anons[slot - c->part.first], "slot %lu of amap %p is taken", slot, am);
    c->anons[slot - c->part.first] = an;
    c->nused++;
    am->nused++;
    stat_inc(amap_stats.slots_used);
    return 0;
}

struct vm_anon *amap_replace(struct vm_amap *am, pgno_t slot, struct vm_anon *an)
{
    struct vm_anon **place = slot_find(am, slot);

    KASSERT(place, "slot %lu of amap %p is empty", slot, am);
    struct vm_anon *old = *place;
    *place = an;
    return old;
}

// Empties slots [slot, end) of one chunk; frees it if none is left.
static void chunk_wipe(struct vm_amap *am, struct amap_chunk *c, pgno_t slot, pgno_t end)
{
    pgno_t from = max(slot, c->part.first), to = min(end, c->part.first + CHUNK_SLOTS);

    for (; from < to; from++) {
        struct vm_anon **place = &c->anons[from - c->part.first], *an = *place;
        if (!an)
            continue;
        mutex_lock(&an->lock);
        *place = NULL;
        c->nused--;
        am->nused--;
        stat_dec(amap_stats.slots_used);
        anon_unref_unlock(an);
    }
    if (!c->nused) {
        rb_remove(&am->chunks, &c->part.node);
        pool_put(&chunk_pool, c);
    }
}

void amap_wipe(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);
    pgno_t end = slot + npages;

    KASSERT(amap_held(am), "amap %p", am);
    while (c && c->part.first < end) {
        struct rb_node *next = rb_next(&c->part.node);
        chunk_wipe(am, c, slot, end);
        c = next ? rb_entry(next, struct amap_chunk, part.node) : NULL;
    }
}

// ---- references ----

// The count of entries that cover the slot; NULL: one does, or none.
static uint16_t *cover_of(struct vm_amap *am, pgno_t slot)
{
    for (struct rb_node *n = am->covers.root; n;) {
        struct amap_cover *c = rb_entry(n, struct amap_cover, part.node);
        if (slot >= c->part.first && slot < c->part.first + COVER_SLOTS)
            return &c->count[slot - c->part.first];
        n = n->child[slot > c->part.first];
    }
    return NULL;
}

bool amap_shared(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    KASSERT(amap_held(am), "amap %p", am);
    for (pgno_t s = slot; s < slot + npages; s++) {
        uint16_t *count = cover_of(am, s);
        if (count && *count > 1)
            return true;
    }
    return false;
}

// Gives slots [slot, end) cover counts. A slot that no entry covers any more is empty and stays so;
// that it counts as covered does no harm.
static int cover_create(struct vm_amap *am, pgno_t slot, pgno_t end)
{
    for (pgno_t first = slot - slot % COVER_SLOTS; first < end; first += COVER_SLOTS) {
        if (cover_of(am, first))
            continue;
        struct amap_cover *c = pool_get(&cover_pool, PR_NOWAIT);
        if (!c)
            return ENOMEM;
        for (pgno_t i = 0; i < COVER_SLOTS; i++)
            c->count[i] = 1;
        part_insert(&am->covers, &c->part, first);
        stat_inc(amap_stats.ppref_tables);
    }
    return 0;
}

int amap_ref(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    amap_lock(am);
    KASSERT(slot + npages <= am->nslots, "[%lu, +%lu) of %lu", slot, npages, am->nslots);
    int error = cover_create(am, slot, slot + npages);
    for (pgno_t s = slot; s < slot + npages && !error; s++)
        ++*cover_of(am, s);
    am->nrefs += !error;
    amap_unlock(am);
    return error;
}

void amap_unref(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    amap_lock(am);
    KASSERT(am->nrefs && slot + npages <= am->nslots, "amap %p: %u refs, [%lu, +%lu) of %lu", am,
            am->nrefs, slot, npages, am->nslots);
    if (am->covers.root) {
        for (pgno_t s = slot; s < slot + npages; s++) {
            uint16_t *count = cover_of(am, s);
            if (!count || --*count == 0)
                amap_wipe(am, s, 1);
        }
    } else {
        amap_wipe(am, slot, npages);
        if (slot + npages == am->nslots)
            am->nslots = slot;
    }
    bool last = --am->nrefs == 0;
    if (last)
        amap_unlist(am);
    amap_unlock(am);
    if (last)
        amap_free(am);
}

void amap_split(struct vm_amap *am, pgno_t first_slot, pgno_t split_slot, pgno_t end_slot)
{
    amap_lock(am);
    KASSERT(first_slot < split_slot && split_slot < end_slot && end_slot <= am->nslots,
            "%lu < %lu < %lu of %lu", first_slot, split_slot, end_slot, am->nslots);
    am->nrefs++;
    amap_unlock(am);
}

void amap_join(struct vm_amap *am, pgno_t first_slot, pgno_t split_slot, pgno_t end_slot)
{
    amap_lock(am);
    KASSERT(am->nrefs > 1 && first_slot < split_slot && split_slot < end_slot &&
                end_slot <= am->nslots,
            "amap %p: %u refs, %lu < %lu < %lu of %lu", am, am->nrefs, first_slot, split_slot,
            end_slot, am->nslots);
    am->nrefs--;
    amap_unlock(am);
}

// Whoever refers to am alone has all slots but its own free: they were wiped.
static bool extensible(const struct vm_amap *am)
{
    return am->nrefs == 1 && !am->covers.root;
}

int amap_extend(struct vm_amap *am, pgno_t slot, pgno_t npages, pgno_t more)
{
    amap_lock(am);
    bool alone = extensible(am);
    if (alone)
        am->nslots = slot + npages + more;
    amap_unlock(am);
    return alone ? 0 : EBUSY;
}

// The slots move by at least the entry's own length, so that growing page by page is cheap.
int amap_extend_down(struct vm_amap *am, pgno_t *slot, pgno_t npages, pgno_t more)
{
    amap_lock(am);
    bool alone = extensible(am);
    if (alone && *slot < more) {
        pgno_t shift = max(more, npages) + CHUNK_SLOTS;
        shift -= shift % CHUNK_SLOTS;
        for (struct rb_node *n = rb_first(&am->chunks); n; n = rb_next(n))
            rb_entry(n, struct amap_part, node)->first += shift;
        am->nslots += shift;
        *slot += shift;
    }
    if (alone)
        *slot -= more;
    amap_unlock(am);
    return alone ? 0 : EBUSY;
}

unsigned amap_nrefs(struct vm_amap *am)
{
    return __atomic_load_n(&am->nrefs, __ATOMIC_RELAXED);
}

// ---- checks ----

static unsigned chunk_check(struct vm_amap *am, struct amap_chunk *c, struct strbuf *out)
{
    unsigned faults = 0, nused = 0;

    for (unsigned i = 0; i < CHUNK_SLOTS; i++) {
        struct vm_anon *an = c->anons[i];
        pgno_t slot = c->part.first + i;
        if (!an)
            continue;
        nused++;
        uint16_t *count = cover_of(am, slot);
        bool covered = slot < am->nslots && (!count || *count);
        if (an->nrefs != 1 || ++an->seen > an->nrefs || !covered || (!an->page && !an->swap_slot) ||
            (an->page && an->page->anon != an)) {
            strbuf_printf(
                out,
                "amap %p slot %lu of %lu%s: anon %p, %u refs, seen %u times, page %p, swap %u\n",
                am, slot, am->nslots, covered ? "" : " (not covered)", an, an->nrefs, an->seen,
                an->page, an->swap_slot);
            faults++;
        }
    }
    if (nused != c->nused || nused == 0 || c->part.first % CHUNK_SLOTS) {
        strbuf_printf(out, "amap %p: chunk at %lu holds %u anons, counts %u\n", am, c->part.first,
                      nused, c->nused);
        faults++;
    }
    return faults;
}

static unsigned amap_check_one(struct vm_amap *am, struct strbuf *out)
{
    unsigned faults = 0;
    pgno_t nused = 0;

    for (struct rb_node *n = rb_first(&am->chunks); n; n = rb_next(n)) {
        struct amap_chunk *c = rb_entry(n, struct amap_chunk, part.node);
        faults += chunk_check(am, c, out);
        nused += c->nused;
    }
    if (nused != am->nused || am->nrefs == 0 || !rb_valid(&am->chunks)) {
        strbuf_printf(out, "amap %p: %lu slots used, counts %lu, %u refs, tree %s\n", am, nused,
                      am->nused, am->nrefs, rb_valid(&am->chunks) ? "valid" : "broken");
        faults++;
    }
    return faults;
}

// Nothing seen yet.
static unsigned forget_seen(struct vm_amap *am, struct strbuf *out UNUSED)
{
    pgno_t slot = 0;

    for (struct vm_anon *an; (an = amap_next(am, &slot, UINT64_MAX)); slot++)
        an->seen = 0;
    return 0;
}

// All amaps that nobody has locked just now; *all is false if there are others. amaps_lock held.
static unsigned for_each_amap(unsigned (*fn)(struct vm_amap *am, struct strbuf *out),
                              struct strbuf *out, bool *all)
{
    unsigned faults = 0;

    list_for_each (am, &amaps, struct vm_amap, all_link) {
        bool mine = mutex_trylock(&am->lock);
        *all &= mine;
        faults += mine ? fn(am, out) : 0;
        if (mine)
            mutex_unlock(&am->lock);
    }
    return faults;
}

unsigned amap_check(struct strbuf *out)
{
    bool all = true;

    spin_lock(&amaps_lock);
    for_each_amap(forget_seen, out, &all);
    // What was passed over has the last counts still, and may be free by now.
    unsigned faults = all ? for_each_amap(amap_check_one, out, &all) : 0;
    spin_unlock(&amaps_lock);
    return faults;
}

void amap_get_stats(struct amap_stats *st)
{
    *st = amap_stats;
    st->anons = anon_count();
}
