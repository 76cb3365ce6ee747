// SPDX-License-Identifier: BSD-2-Clause
//
// Amaps: which anons a mapping's private pages are. Slots are kept in chunks, so a sparse amap
// stays small. amap_copy.c has who shares an amap, and what copies.
//
// Locking: amap.h; amaps_lock guards the list of all amaps, for the check.

#include "vm/amap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/rbtree.h"
#include "vm/anon.h"
#include "vm/stat.h"

static struct pool amap_pool, chunk_pool;
struct pool amap_cover_pool[COVER_SIZES];
const pgno_t amap_cover_slots[COVER_SIZES] = {64, AMAP_WINDOW, COVER_LARGE};
static struct spinlock amaps_lock = SPINLOCK_INIT("amaps", LOCK_VM_LISTS, 0);
static struct list amaps = LIST_INIT(amaps);
struct amap_stats amap_stats;

void amap_init(void)
{
    static const char *const names[] = {"amap_cover", "amap_cover_256", "amap_cover_page"};

    pool_init(&amap_pool, "amap", sizeof(struct vm_amap), 0, NULL);
    pool_init(&chunk_pool, "amap_chunk", sizeof(struct amap_chunk), 0, NULL);
    for (unsigned i = 0; i < COVER_SIZES; i++)
        pool_init(&amap_cover_pool[i], names[i],
                  sizeof(struct amap_cover) + amap_cover_slots[i] * sizeof(uint16_t), 0, NULL);
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

// That is left to objects.
int amap_create_shared(pgno_t npages UNUSED, struct vm_amap **am)
{
    *am = NULL;
    return EOPNOTSUPP;
}

// While it is locked still, so that the check meets no amap without references.
void amap_unlist(struct vm_amap *am)
{
    KASSERT(amap_held(am) && am->nrefs == 0, "amap %p, %u references", am, am->nrefs);
    spin_lock(&amaps_lock);
    list_remove(&am->all_link);
    amap_stats.amaps--;
    spin_unlock(&amaps_lock);
}

void amap_free(struct vm_amap *am)
{
    KASSERT(!amap_held(am), "amap %p is freed with its lock", am);
    KASSERT(am->nrefs == 0 && am->nused == 0 && !am->chunks.root, "amap %p: %u refs, %lu used", am,
            am->nrefs, am->nused);
    KASSERT(!am->covers.root, "amap %p is shared", am);
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

void amap_part_insert(struct rb_tree *tree, struct amap_part *part, pgno_t first)
{
    part->first = first;
    rb_add(tree, &part->node, RB_KEY(struct amap_part, node, first));
}

// The chunk of the slot, or the first one after it; NULL: none.
static struct amap_chunk *chunk_search(struct vm_amap *am, pgno_t slot)
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
    am->hint = best;
    return best;
}

static inline struct amap_chunk *chunk_at_or_after(struct vm_amap *am, pgno_t slot)
{
    struct amap_chunk *c = am->hint;

    KASSERT(amap_held(am), "amap %p", am);
    return c && slot - c->part.first < CHUNK_SLOTS ? c : chunk_search(am, slot);
}

static struct vm_anon **slot_find(struct vm_amap *am, pgno_t slot)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);
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
        amap_part_insert(&am->chunks, &c->part, first);
    return c;
}

int amap_add(struct vm_amap *am, pgno_t slot, struct vm_anon *an)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);

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
        am->hint = NULL;
        rb_remove(&am->chunks, &c->part.node);
        pool_put(&chunk_pool, c);
    }
}

void amap_wipe(struct vm_amap *am, pgno_t slot, pgno_t npages)
{
    struct amap_chunk *c = chunk_at_or_after(am, slot);
    pgno_t end = slot + npages;

    while (c && c->part.first < end) {
        struct rb_node *next = rb_next(&c->part.node);
        chunk_wipe(am, c, slot, end);
        c = next ? rb_entry(next, struct amap_chunk, part.node) : NULL;
    }
}

// ---- splits and growth ----

void amap_split(struct vm_amap *am, pgno_t first_slot, pgno_t split_slot, pgno_t end_slot)
{
    amap_lock(am);
    KASSERT(am->nrefs && first_slot < split_slot && split_slot < end_slot && end_slot <= am->nslots,
            "amap %p: %u refs, %lu < %lu < %lu of %lu", am, am->nrefs, first_slot, split_slot,
            end_slot, am->nslots);
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
    KASSERT(amap_held(am), "amap %p", am);
    KASSERT(am->nrefs > 1 || !am->covers.root, "amap %p is shared by one entry", am);
    return am->nrefs == 1;
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

// What an anon in a slot must be; how many slots hold it is found when all have been seen.
static const char *anon_fault(const struct vm_anon *an)
{
    if (an->nrefs == 0)
        return "has no reference";
    if (!an->page && !an->swap_slot)
        return "is nowhere";
    return an->page && an->page->anon != an ? "has a page that is not its own" : NULL;
}

static unsigned chunk_check(struct vm_amap *am, struct amap_chunk *c, struct strbuf *out)
{
    unsigned faults = 0, nused = 0;

    for (unsigned i = 0; i < CHUNK_SLOTS; i++) {
        struct vm_anon *an = c->anons[i];
        if (!an)
            continue;
        nused++;
        an->seen++;
        pgno_t slot = c->part.first + i;
        const char *wrong = slot >= am->nslots ? "is in no slot" : anon_fault(an);
        if (wrong) {
            strbuf_printf(out, "amap %p slot %lu of %lu: anon %p %s: %u refs, page %p, swap %u\n",
                          am, slot, am->nslots, an, wrong, an->nrefs, an->page, an->swap_slot);
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

// A table is there while some slot in it has another entry, and no slot has more than there are.
static unsigned cover_check(struct vm_amap *am, struct amap_cover *c, struct strbuf *out)
{
    unsigned most = 0;

    for (pgno_t i = 0; i < c->nslots; i++)
        most = max(most, (unsigned)c->others[i]);
    if (most > 0 && most < am->nrefs && c->part.first < am->nslots)
        return 0;
    strbuf_printf(out, "amap %p, %u refs: a slot from %lu on is covered by %u entries more\n", am,
                  am->nrefs, c->part.first, most);
    return 1;
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
    for (struct rb_node *n = rb_first(&am->covers); n; n = rb_next(n))
        faults += cover_check(am, rb_entry(n, struct amap_cover, part.node), out);
    if (nused != am->nused || am->nrefs == 0 || !rb_valid(&am->chunks) || !rb_valid(&am->covers)) {
        strbuf_printf(out, "amap %p: %lu slots used, counts %lu, %u refs, trees %s\n", am, nused,
                      am->nused, am->nrefs,
                      rb_valid(&am->chunks) && rb_valid(&am->covers) ? "valid" : "broken");
        faults++;
    }
    return faults;
}

// Nothing seen yet.
static unsigned forget_seen(struct vm_amap *am, struct strbuf *out)
{
    pgno_t slot = 0;

    (void)out;
    for (struct vm_anon *an; (an = amap_next(am, &slot, UINT64_MAX)); slot++)
        an->seen = 0;
    return 0;
}

// Each anon that was not seen as often as it has references, once.
static unsigned compare_seen(struct vm_amap *am, struct strbuf *out)
{
    unsigned faults = 0;
    pgno_t slot = 0;

    for (struct vm_anon *an; (an = amap_next(am, &slot, UINT64_MAX)); slot++) {
        if (an->seen != an->nrefs && an->seen) {
            strbuf_printf(out, "amap %p slot %lu: anon %p, %u refs, is in %u slots\n", am, slot, an,
                          an->nrefs, an->seen);
            faults++;
        }
        an->seen = an->nrefs;
    }
    return faults;
}

// All amaps that nobody has locked just now; *all is false if there are others. amaps_lock held.
static unsigned for_each_amap(unsigned (*fn)(struct vm_amap *am, struct strbuf *out),
                              struct strbuf *out, bool *all)
{
    unsigned faults = 0;

    KASSERT(spin_held(&amaps_lock), "amaps");
    list_for_each (am, &amaps, struct vm_amap, all_link) {
        if (!mutex_trylock(&am->lock)) {
            *all = false;
            continue;
        }
        faults += fn(am, out);
        mutex_unlock(&am->lock);
    }
    return faults;
}

// How many slots hold an anon can be said only if none has changed meanwhile.
unsigned amap_check(struct strbuf *out)
{
    bool all = true;

    spin_lock(&amaps_lock);
    uint64_t before = __atomic_load_n(&anon_ref_changes, __ATOMIC_SEQ_CST);
    for_each_amap(forget_seen, out, &all);
    unsigned faults = for_each_amap(amap_check_one, out, &all);
    struct strbuf said = *out;
    unsigned miscounted = for_each_amap(compare_seen, out, &all);
    if (all && before == __atomic_load_n(&anon_ref_changes, __ATOMIC_SEQ_CST))
        faults += miscounted;
    else
        *out = said;
    spin_unlock(&amaps_lock);
    return faults;
}

void amap_get_stats(struct amap_stats *st)
{
    *st = amap_stats;
    st->anons = anon_count();
}
