// SPDX-License-Identifier: BSD-2-Clause
//
// The reverse map in chunks: each pmap has pages of its own, cut into a header and 167 entries of
// 24 bytes. An entry need not name its pmap: truncating its address finds the chunk, which does.
// When no page is to be had, the mappings of the oldest chunk are destroyed and its page is taken;
// use does not count, so that entering moves no chunk in the list that all CPUs share. After
// FreeBSD's amd64 pmap of 2006.
//
// Locking: pv_lock guards everything. A pmap's chunks change only with that pmap's lock held, too,
// so whoever holds it may walk them. Pages are allocated before pv_lock is taken.

#include "pmap/pv_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"

struct list pv_lru = LIST_INIT(pv_lru);
static uint64_t births;       // (v)
static struct pv_stats stats; // (v); what can be derived is not kept

// ---- start-up, pmaps ----

void pv_init(void)
{
}

void pv_page_init(struct vm_page *pg)
{
    list_init(&page_part(pg)->entries);
    page_part(pg)->count = 0;
}

void pv_pmap_init(struct pmap *pm)
{
    list_init(&pmap_part(pm)->chunks);
    pmap_part(pm)->count = 0;
}

uint64_t pv_pmap_count(struct pmap *pm)
{
    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    return pmap_part(pm)->count;
}

void pv_pmap_destroy(struct pmap *pm)
{
    KASSERT(pmap_part(pm)->count == 0, "pmap %p has %lu mappings", (void *)pm,
            pmap_part(pm)->count);
    KASSERT(list_empty(&pmap_part(pm)->chunks), "pmap %p has an empty chunk", (void *)pm);
}

// ---- chunks; pv_lock and the pmap's lock held ----

// A chunk is new, or as good as new: what is left of it could not be stolen.
static void put_last(struct pv_chunk *pc)
{
    pc->born = ++births;
    list_push_back(&pv_lru, &pc->lru_link);
}

// Makes a page an empty chunk of pm.
static void chunk_add(struct pmap *pm, struct pv_chunk *pc)
{
    pc->pmap = pm;
    for (unsigned w = 0; w < CHUNK_WORDS - 1; w++)
        pc->free[w] = ~0ul;
    pc->free[CHUNK_WORDS - 1] = LAST_WORD_FREE;
    list_push_front(&pmap_part(pm)->chunks, &pc->pmap_link);
    put_last(pc);
    stats.pc_chunk_allocs++;
}

// Takes an empty chunk off its lists; its page is the caller's.
static void chunk_take(struct pv_chunk *pc)
{
    KASSERT(chunk_empty(pc), "chunk %p is in use", (void *)pc);
    list_remove(&pc->pmap_link);
    list_remove(&pc->lru_link);
    stats.pc_chunk_frees++;
}

// Takes the lowest free entry of pm's first chunk, or NULL if pm has no room.
static struct pv_entry *entry_get(struct pmap *pm)
{
    struct pv_chunk *pc = list_first(&pmap_part(pm)->chunks, struct pv_chunk, pmap_link);
    size_t i = pc ? bitmap_find_set(pc->free, CHUNK_ENTRIES, 0) : CHUNK_ENTRIES;

    if (i == CHUNK_ENTRIES)
        return NULL;
    bitmap_clear(pc->free, i);
    if (chunk_full(pc)) {
        list_remove(&pc->pmap_link);
        list_push_back(&pmap_part(pm)->chunks, &pc->pmap_link);
    }
    return &pc->entries[i];
}

// Takes an entry off its page's list and frees its slot; the chunk stays where it is.
static void entry_unlink(struct pv_entry *pv, struct vm_page *pg)
{
    struct pv_chunk *pc = chunk_of(pv);

    KASSERT(page_part(pg)->count > 0 && pmap_part(pc->pmap)->count > 0, "va %lx: counts %lu %lu",
            pv->va, page_part(pg)->count, pmap_part(pc->pmap)->count);
    list_remove(&pv->plru_link);
    page_part(pg)->count--;
    pmap_part(pc->pmap)->count--;
    stats.pv_entry_frees++;
    bitmap_set(pc->free, (size_t)(pv - pc->entries));
}

// After entries of pc were freed: gives its page back if none is left, else puts it first.
static void chunk_settle(struct pv_chunk *pc)
{
    if (chunk_empty(pc)) {
        chunk_take(pc);
        vm_page_free(dmap_to_page(pc));
    } else {
        list_remove(&pc->pmap_link);
        list_push_front(&pmap_part(pc->pmap)->chunks, &pc->pmap_link);
    }
}

// ---- reclaim ----

// Destroys the mappings of pc that are not wired: first all PTEs, then one flush, if there was any,
// and only then the entries, so that no page is forgotten while a TLB still reaches it. Its pmap's
// lock held.
static void chunk_steal(struct pv_chunk *pc)
{
    struct vm_page *stolen[CHUNK_ENTRIES];
    bool any = false;

    for (size_t i = 0; i < CHUNK_ENTRIES; i++) {
        stolen[i] = NULL;
        if (bitmap_test(pc->free, i))
            continue;
        struct vm_page *pg = pmap_page_at(pc->pmap, pc->entries[i].va);
        KASSERT(pg, "an entry at %lx, but no mapping", pc->entries[i].va);
        if (pmap_steal(pc->pmap, pc->entries[i].va, pg) == 0)
            stolen[i] = pg;
        any |= !!stolen[i];
    }
    if (!any)
        return;
    pmap_flush_all(pc->pmap);
    for (size_t i = 0; i < CHUNK_ENTRIES; i++)
        if (stolen[i])
            entry_unlink(&pc->entries[i], stolen[i]);
}

// What is left of a chunk is wired: it is put last, so that the next reclaim looks elsewhere first,
// and first in its pmap, whose room it is, if there is any.
static void keep_rest(struct pv_chunk *pc)
{
    list_remove(&pc->lru_link);
    put_last(pc);
    if (!chunk_full(pc))
        chunk_settle(pc);
}

// Steals from pc for pm. An empty chunk's page is taken and returned; what is left of another one
// is kept. *room: pm itself has room now. pv_lock and pm's lock held.
static struct pv_chunk *steal_for(struct pmap *pm, struct pv_chunk *pc, bool *room)
{
    struct pmap *victim = pc->pmap;

    KASSERT(spin_held(&pm->lock) && spin_held(&pv_lock), "pmap %p", (void *)pm);
    if (victim != pm && !spin_trylock(&victim->lock))
        return NULL;
    chunk_steal(pc);
    bool empty = chunk_empty(pc);
    if (empty)
        chunk_take(pc);
    else
        keep_rest(pc);
    *room = victim == pm && !empty && !chunk_full(pc);
    if (victim != pm)
        spin_unlock(&victim->lock);
    return empty ? pc : NULL;
}

// Finds memory where there is none: a chunk's page, or NULL with *room set if pm got room in a
// chunk of its own, or NULL. It works by chunks because freeing entries here and there need not
// empty a single page. pv_lock and pm's lock held.
static struct pv_chunk *reclaim(struct pmap *pm, bool *room)
{
    struct pv_chunk *page = NULL;
    struct list *last = pv_lru.prev; // behind it go those that were looked at in vain

    KASSERT(spin_held(&pm->lock) && spin_held(&pv_lock), "pmap %p", (void *)pm);
    *room = false;
    list_for_each_safe (pc, &pv_lru, struct pv_chunk, lru_link) {
        bool end = &pc->lru_link == last;
        page = steal_for(pm, pc, room);
        if (page || *room || end)
            break;
    }
    if (page || *room)
        stats.pv_reclaims++;
    return page;
}

// Makes sure that pm has a free entry; ENOMEM. pm's lock held; returns with pv_lock held, too.
static int make_room(struct pmap *pm)
{
    struct pv_chunk *head = list_first(&pmap_part(pm)->chunks, struct pv_chunk, pmap_link);
    bool room = head && !chunk_full(head);
    struct vm_page *pg = room ? NULL : vm_page_alloc(PAGE_PV, PA_RESERVE);

    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    spin_lock(&pv_lock);
    if (room)
        return 0;
    struct pv_chunk *pc;
    if (pg) {
        pc = page_to_dmap(pg);
    } else {
        stats.pc_chunk_tryfail++;
        pc = reclaim(pm, &room);
    }
    if (pc)
        chunk_add(pm, pc);
    return pc || room ? 0 : ENOMEM;
}

// ---- one mapping ----

int pv_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    int error = make_room(pm);
    if (!error) {
        struct pv_entry *pv = entry_get(pm);
        pv->va = va;
        list_push_front(&page_part(pg)->entries, &pv->plru_link);
        page_part(pg)->count++;
        pmap_part(pm)->count++;
        stats.pv_entry_allocs++;
    }
    spin_unlock(&pv_lock);
    return error;
}

static struct pv_entry *find_entry(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    list_for_each (pv, &page_part(pg)->entries, struct pv_entry, plru_link) {
        if (pv->va == va && chunk_of(pv)->pmap == pm)
            return pv;
    }
    return NULL;
}

void pv_remove(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    spin_lock(&pv_lock);
    struct pv_entry *pv = find_entry(pm, va, pg);
    KASSERT(pv, "no entry for page %p in pmap %p at %lx", (void *)pg, (void *)pm, va);
    entry_unlink(pv, pg);
    chunk_settle(chunk_of(pv));
    spin_unlock(&pv_lock);
}

void pv_remove_pmap(struct pmap *pm,
                    bool (*fn)(struct pmap *pm, vaddr_t va, struct vm_page *pg, void *arg),
                    void *arg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    list_for_each_safe (pc, &pmap_part(pm)->chunks, struct pv_chunk, pmap_link) {
        spin_lock(&pv_lock);
        for (size_t i = 0; i < CHUNK_ENTRIES; i++) {
            struct pv_entry *pv = &pc->entries[i];
            if (bitmap_test(pc->free, i))
                continue;
            struct vm_page *pg = pmap_page_at(pm, pv->va);
            KASSERT(pg, "an entry at %lx, but no mapping", pv->va);
            if (fn(pm, pv->va, pg, arg))
                entry_unlink(pv, pg);
        }
        if (!chunk_full(pc))
            chunk_settle(pc);
        spin_unlock(&pv_lock);
    }
}

// ---- the mappings of a page ----

static bool report(struct vm_page *pg, struct list *link, struct pv_mapping *m)
{
    KASSERT(spin_held(&pv_lock), "page %p", (void *)pg);
    if (link == &page_part(pg)->entries)
        return false;
    struct pv_entry *pv = list_entry(link, struct pv_entry, plru_link);
    *m = (struct pv_mapping){.pmap = chunk_of(pv)->pmap, .va = pv->va, .cookie = pv};
    return true;
}

bool pv_first(struct vm_page *pg, struct pv_mapping *m)
{
    return report(pg, page_part(pg)->entries.next, m);
}

bool pv_next(struct vm_page *pg, struct pv_mapping *m)
{
    return report(pg, ((struct pv_entry *)m->cookie)->plru_link.next, m);
}

unsigned pv_count(struct vm_page *pg)
{
    KASSERT(spin_held(&pv_lock), "page %p", (void *)pg);
    return (unsigned)page_part(pg)->count;
}

bool pv_is_mapped(const struct vm_page *pg)
{
    return __atomic_load_n(&page_part(pg)->count, __ATOMIC_RELAXED) > 0;
}

void pv_remove_mapping(struct vm_page *pg, const struct pv_mapping *m)
{
    struct pv_chunk *pc = chunk_of(m->cookie);

    KASSERT(spin_held(&pv_lock) && spin_held(&pc->pmap->lock), "va %lx", m->va);
    entry_unlink(m->cookie, pg);
    chunk_settle(pc);
}

// ---- figures ----

struct pv_stats pv_count_up(void)
{
    struct pv_stats st = stats;

    KASSERT(spin_held(&pv_lock), "%lu chunks", st.pc_chunk_allocs - st.pc_chunk_frees);
    st.pc_chunk_count = st.pc_chunk_allocs - st.pc_chunk_frees;
    st.pv_entry_count = st.pv_entry_allocs - st.pv_entry_frees;
    st.pv_entry_spare = CHUNK_ENTRIES * st.pc_chunk_count - st.pv_entry_count;
    st.pv_bytes = st.pc_chunk_count * PAGE_SIZE;
    return st;
}

void pv_get_stats(struct pv_stats *st)
{
    spin_lock(&pv_lock);
    *st = pv_count_up();
    spin_unlock(&pv_lock);
}
