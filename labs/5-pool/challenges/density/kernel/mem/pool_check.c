// SPDX-License-Identifier: BSD-2-Clause
//
// Pools, verified from scratch: lists, pages and free items against the counts.
// Locking: one pool's lock at a time.

#include "lib/printf.h"
#include "mem/pool.h"
#include "mem/pool_impl.h"

#define FAULT(p, fmt, ...)                                                                         \
    (faults++, strbuf_printf(out, "pool_check: %s: " fmt "\n", (p)->name, ##__VA_ARGS__))

// The header lies at the page's end; or it is what the tree has of the page.
static bool header_fits(struct pool *p, struct pool_page *pp, char *base)
{
    if (!p->word[POOL_BESIDE])
        return !pp->beside && (char *)pp == base + pool_items_size(p->backend);
    struct rb_node *n = rb_ceiling(pool_tree(p), (uint64_t)base, POOL_PAGE_KEY);
    return pp->beside && n == &container_of(pp, struct pool_beside, page)->node;
}

static uint64_t count_tree(struct pool *p)
{
    uint64_t n = 0;

    for (struct rb_node *at = rb_first(pool_tree(p)); at; at = rb_next(at))
        n++;
    return n;
}

// One page of the list whose pages have min_free to max_free free items.
static unsigned check_page(struct pool *p, struct pool_page *pp, unsigned min_free,
                           unsigned max_free, struct strbuf *out)
{
    unsigned faults = 0, n = p->items_per_page - pp->ntaken;
    char *base = pool_page_of(p->backend, pp);

    if (pp->pool != p || !header_fits(p, pp, base)) {
        FAULT(p, "header %p of page %p names pool %p", (void *)pp, base, (void *)pp->pool);
        return faults;
    }
    if (pp->nfree < min_free || pp->nfree > max_free)
        FAULT(p, "page %p has %u free of %u: wrong list", base, pp->nfree, p->items_per_page);
    for (struct pool_item *it = pp->free; it && n <= p->items_per_page; it = it->next, n++) {
        size_t at = (size_t)((char *)it - base);
        if (at % p->item_size || at / p->item_size >= pp->ntaken) {
            FAULT(p, "free item %p lies wrong in page %p", (void *)it, base);
            return faults;
        }
        if (pool_item_damage(p, it) < p->poison_words)
            FAULT(p, "free item %p was written", (void *)it);
    }
    if (n != pp->nfree)
        FAULT(p, "page %p: %u free items, counted %u", base, n, pp->nfree);
    return faults;
}

// A pool is on its backend's list once, or nobody could drain it; that of the headers is on none.
static unsigned check_backend(struct pool *p, struct strbuf *out)
{
    unsigned faults = 0, n = 0;

    spin_lock(&p->backend->lock);
    list_for_each (other, &p->backend->pools, struct pool, backend_link)
        n += other == p;
    spin_unlock(&p->backend->lock);
    if (n != (p != &pool_headers))
        FAULT(p, "%u times on the list of backend %s", n, p->backend->name);
    return faults;
}

static unsigned check_pool(struct pool *p, struct strbuf *out)
{
    unsigned faults = check_backend(p, out), per = p->items_per_page;
    uint64_t npages = 0, nfree = 0;
    struct {
        struct list *head;
        unsigned min_free, max_free;
    } lists[] = {{&p->empty, per, per}, {&p->partial, 1, per - 1}, {&p->full, 0, 0}};

    spin_lock(&p->lock);
    for (unsigned i = 0; i < array_len(lists); i++)
        list_for_each (pp, lists[i].head, struct pool_page, link) {
            faults += check_page(p, pp, lists[i].min_free, lists[i].max_free, out);
            npages++;
            nfree += pp->nfree;
        }
    if (npages != p->npages || p->page_allocs - p->page_frees != npages)
        FAULT(p, "%lu pages, counted %lu; %lu got, %lu given back", npages, p->npages,
              p->page_allocs, p->page_frees);
    if (count_tree(p) != (p->word[POOL_BESIDE] ? npages : 0) || !rb_valid(pool_tree(p)))
        FAULT(p, "%lu pages, %lu in the tree", npages, count_tree(p));
    if (nfree != p->nitems_free || p->nitems_free + p->nitems_out != npages * per)
        FAULT(p, "%lu free items, counted %lu free, %lu out, %lu pages of %u", nfree,
              p->nitems_free, p->nitems_out, npages, per);
    if (p->gets - p->puts != p->nitems_out)
        FAULT(p, "%lu gets, %lu puts, %lu items out", p->gets, p->puts, p->nitems_out);
    spin_unlock(&p->lock);
    return faults;
}

struct all_check {
    struct strbuf *out;
    unsigned faults;
};

static void check_one(struct pool *p, void *arg)
{
    struct all_check *all = arg;

    all->faults += check_pool(p, all->out);
}

unsigned pool_check(struct pool *p, struct strbuf *out)
{
    struct all_check all = {.out = out};

    if (p)
        return check_pool(p, out);
    pool_for_each(check_one, &all);
    return all.faults;
}
