// SPDX-License-Identifier: BSD-2-Clause
//
// What tests of a shortage share: pools that are rich, one that wants their pages, what may be
// lost; and items without number.

#include "lab_pool.h"

#include "lib/ktest.h"
#include "lib/printf.h"
#include "mem/memlayout.h"

unsigned lab_richer(unsigned npools, unsigned each, unsigned more)
{
    unsigned limit = npools * each + 4;

    for (unsigned n = 0; n < npools; n++)
        limit += n % 3 == 0 ? more : n % 3 == 1 ? 3 * more : 0;
    lab_make_arena(0, PAGE_SIZE, limit);
    for (unsigned n = 0; n < LAB_POOLS; n++) // pools of the backend that were there
        lab_make_pool(n, 0, 600, 0);
    for (unsigned n = 0; n < LAB_POOLS; n++)
        lab_destroy_pool(n);
    for (unsigned n = 0; n <= npools; n++)
        lab_make_pool(n, 0, 600 + n * 16, 0);
    for (unsigned n = 0; n < npools; n++) {
        unsigned nempty = each + (n % 3 == 0 ? more : 0);
        lab_pages(n, nempty + (n % 3 == 1 ? 3 * more : 0), nempty, true);
    }
    lab_pages(npools, 4, 0, true);
    lab_arena[0].only_drains = true;
    lab_point("full");
    return npools;
}

unsigned lab_rich(unsigned npools, unsigned each)
{
    return lab_richer(npools, each, 0);
}

unsigned lab_pages_in_use(unsigned n)
{
    uint64_t base[LAB_PAGES];
    unsigned nbases = 0;

    for (unsigned i = 0; i < LAB_ITEMS; i++) {
        uint64_t page = lab_item[n][i].address & ~(lab_pool[n].backend->page_size - 1);
        unsigned k = 0;
        while (k < nbases && base[k] != page)
            k++;
        if (page && k == nbases && nbases < LAB_PAGES)
            base[nbases++] = page;
    }
    return nbases;
}

const char *lab_to_lose(unsigned n)
{
    static char text[96];

    for (unsigned k = 0; k < LAB_POOLS; k++) {
        const struct pool *p = &lab_pool[k];
        if (k == n || !lab_made[k] || p->backend != lab_pool[n].backend)
            continue;
        uint64_t nused = lab_pages_in_use(k), nempty = p->npages - nused;
        uint64_t kept = p->min_pages + (lab_empty ? nused : 0);
        if (nempty == 0 || p->npages <= kept)
            continue;
        ksnprintf(text, sizeof(text),
                  "pool %u may lose %lu: it has %lu pages, %lu empty, keeps %lu", k,
                  min(nempty, p->npages - kept), p->npages, nempty, p->min_pages);
        return text;
    }
    return "no other pool may lose a page";
}

void lab_want_pages(unsigned n, unsigned npages)
{
    for (unsigned k = 0; k < npages; k++) {
        KTEST_CHECK(lab_get(n, PR_NOWAIT), "shortage %u is refused, and %s", k + 1, lab_to_lose(n));
        lab_point("granted");
        while (lab_pool[n].nitems_free > 0)
            KTEST_CHECK(lab_get(n, PR_NOWAIT), "there are free items");
    }
}

unsigned chain_take(struct pool *p, unsigned flags, unsigned most, struct chain **items)
{
    struct chain *it;
    unsigned n = 0;

    while (n < most && (it = pool_get(p, flags))) {
        it->next = *items;
        *items = it;
        n++;
    }
    return n;
}

void chain_put(struct pool *p, struct chain **items)
{
    struct chain *it;

    while ((it = *items)) {
        *items = it->next;
        pool_put(p, it);
    }
}
