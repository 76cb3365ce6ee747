// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of the reverse map share: the form of an entry, and what is kept in a page and in
// a pmap. Private to kernel/pmap/pv*.c.
//
// Invariant: an entry is on exactly one page's list <=> its pmap maps that page at its address.
#pragma once

#include "lib/list.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/pv.h"

struct pv_entry {
    vaddr_t va;
    struct pmap *pmap;
    struct list page_link; // (v) on the page's list
    struct list pmap_link; // (v) and the pmap's lock: on the pmap's list
};

// What the reverse map keeps in a vm_page and in a pmap.
struct pv_page_part {
    struct list entries; // (v) struct pv_entry.page_link
    uint64_t count;      // (v)
};
struct pv_pmap_part {
    struct list entries; // (v) and the pmap's lock: struct pv_entry.pmap_link, oldest first
    uint64_t count;
};
_Static_assert(sizeof(struct pv_page_part) <= sizeof(((struct vm_page *)0)->pv), "fits the page");
_Static_assert(sizeof(struct pv_pmap_part) <= sizeof(struct pv_pmap), "fits the pmap");

extern struct pool pv_pool; // of struct pv_entry

static inline struct pv_page_part *page_part(const struct vm_page *pg)
{
    return (struct pv_page_part *)pg->pv;
}

static inline struct pv_pmap_part *pmap_part(struct pmap *pm)
{
    return (struct pv_pmap_part *)&pm->pv;
}
