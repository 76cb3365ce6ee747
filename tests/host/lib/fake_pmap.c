// SPDX-License-Identifier: BSD-2-Clause
//
// A pmap that records its mappings in a list, and asserts what the real one promises or demands.
// Kernel mappings copy the frame's contents to the address, where the program has memory mapped.
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "pmap/ptshare.h"
#include "sync/spinlock.h"
#include "tests/host/lib/vm_machine.h"

struct mapping {
    struct mapping *next; // of the pmap
    struct mapping *next_of_page;
    struct pmap *pm;
    vaddr_t va;
    struct vm_page *pg;
    vm_prot_t prot;
    bool wired, referenced, modified;
};

#define BUCKETS   4096
#define KVA_PAGES (KVA_SIZE / PAGE_SIZE)

struct pmap kernel_pmap;
bool ptshare_enabled;
uint64_t fake_pmap_enter_fails;
bool fake_pmap_hot;
static struct spinlock fake_lock = SPINLOCK_INIT("fake pmap", LOCK_PMAP, 0);
static struct mapping *buckets[BUCKETS];
static uint64_t nmappings;
static paddr_t kva_frames[KVA_PAGES]; // + 1; 0: none

uint64_t fake_pmap_mappings(void)
{
    return nmappings;
}

static struct mapping **bucket(struct pmap *pm, vaddr_t va)
{
    return &buckets[((va >> PAGE_SHIFT) * 31 + ((uintptr_t)pm >> 6)) % BUCKETS];
}

static struct mapping *find(struct pmap *pm, vaddr_t va)
{
    struct mapping *m = *bucket(pm, va);

    while (m && (m->pm != pm || m->va != va))
        m = m->next;
    return m;
}

static struct mapping **page_head(struct vm_page *pg)
{
    return (struct mapping **)&pg->pv[0];
}

static void drop(struct mapping *m)
{
    struct mapping **p = bucket(m->pm, m->va);

    while (*p != m)
        p = &(*p)->next;
    *p = m->next;
    for (p = page_head(m->pg); *p != m; p = &(*p)->next_of_page)
        ;
    *p = m->next_of_page;
    m->pg->attrs |= (m->referenced ? PGA_REFERENCED : 0) | (m->modified ? PGA_MODIFIED : 0);
    m->pm->resident--;
    nmappings--;
    free(m);
}

struct pmap *pmap_create(void)
{
    return fail_injected() ? NULL : calloc(1, sizeof(struct pmap));
}

void pmap_destroy(struct pmap *pm)
{
    CHECK(pm->resident == 0, "%lu mappings are left", pm->resident);
    free(pm);
}

int pmap_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg, vm_prot_t prot, unsigned flags)
{
    struct mutex *owner = pg->object ? (struct mutex *)pg->object : (struct mutex *)pg->anon;

    CHECK(owner && (mutex_held(owner) || pg->flags & PG_BUSY), "page %p at %#lx: owner %p", pg, va,
          owner);
    CHECK(!(flags & PROT_ALL & ~prot & ~PROT_READ), "access %#x, prot %#x", flags, prot);
    bool injected = fail_injected();
    spin_lock(&fake_lock);
    struct mapping *m = find(pm, va);
    if (m && m->pg != pg) {
        drop(m);
        m = NULL;
    }
    if (!m) {
        if (injected || fake_pmap_enter_fails) {
            fake_pmap_enter_fails -= !injected;
            spin_unlock(&fake_lock);
            return ENOMEM;
        }
        m = calloc(1, sizeof(*m));
        *m = (struct mapping){
            .next = *bucket(pm, va), .next_of_page = *page_head(pg), .pm = pm, .va = va, .pg = pg};
        *bucket(pm, va) = *page_head(pg) = m;
        pm->resident++;
        nmappings++;
    }
    m->prot = prot;
    m->wired = flags & PMAP_WIRED;
    m->referenced |= (flags & PROT_ALL) != 0;
    m->modified |= (flags & PROT_WRITE) != 0;
    spin_unlock(&fake_lock);
    return 0;
}

static void remove_if(struct pmap *pm, vaddr_t start_va, vaddr_t end_va, bool even_wired)
{
    spin_lock(&fake_lock);
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct mapping *m = buckets[i], *next; m; m = next) {
            next = m->next;
            if (m->pm == pm && m->va >= start_va && m->va < end_va && (even_wired || !m->wired))
                drop(m);
        }
    }
    spin_unlock(&fake_lock);
}

void pmap_remove(struct pmap *pm, vaddr_t start_va, vaddr_t end_va)
{
    remove_if(pm, start_va, end_va, true);
}

void pmap_remove_all_user(struct pmap *pm)
{
    remove_if(pm, 0, ~0ul, false);
}

void pmap_protect(struct pmap *pm, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot)
{
    spin_lock(&fake_lock);
    for (vaddr_t va = start_va; va < end_va; va += PAGE_SIZE) {
        struct mapping *m = find(pm, va);
        if (m)
            m->prot &= prot;
    }
    spin_unlock(&fake_lock);
}

void pmap_unwire(struct pmap *pm, vaddr_t va)
{
    spin_lock(&fake_lock);
    struct mapping *m = find(pm, va);
    CHECK(m && m->wired, "%#lx is not wired", va);
    m->wired = false;
    spin_unlock(&fake_lock);
}

bool pmap_next(struct pmap *pm, vaddr_t *va, vaddr_t end_va, paddr_t *pa)
{
    struct mapping *first = NULL;

    spin_lock(&fake_lock);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct mapping *m = buckets[i]; m; m = m->next)
            if (m->pm == pm && m->va >= *va && m->va < end_va && (!first || m->va < first->va))
                first = m;
    if (first) {
        *va = first->va;
        *pa = page_to_phys(first->pg);
    }
    spin_unlock(&fake_lock);
    return first;
}

bool pmap_extract(struct pmap *pm, vaddr_t va, paddr_t *pa, vm_prot_t *prot)
{
    spin_lock(&fake_lock);
    struct mapping *m = find(pm, page_trunc(va));
    if (m) {
        *pa = page_to_phys(m->pg) + (va & PAGE_MASK);
        *prot = m->prot;
    }
    spin_unlock(&fake_lock);
    return m;
}

// ---- pages ----

void pmap_page_protect(struct vm_page *pg, vm_prot_t prot)
{
    spin_lock(&fake_lock);
    for (struct mapping *m = *page_head(pg), *next; m; m = next) {
        next = m->next_of_page;
        if (prot == PROT_NONE)
            drop(m);
        else
            m->prot &= prot;
    }
    spin_unlock(&fake_lock);
}

bool pmap_page_mapped(struct vm_page *pg)
{
    return *page_head(pg);
}

static bool test_attr(struct vm_page *pg, uint32_t attr, bool clear)
{
    spin_lock(&fake_lock);
    bool found = pg->attrs & attr;
    for (struct mapping *m = *page_head(pg); m; m = m->next_of_page) {
        bool *bit = attr == PGA_MODIFIED ? &m->modified : &m->referenced;
        found |= *bit;
        *bit &= !clear;
    }
    if (clear)
        pg->attrs &= ~attr;
    spin_unlock(&fake_lock);
    return found;
}

bool pmap_is_referenced(struct vm_page *pg)
{
    return test_attr(pg, PGA_REFERENCED, false);
}

bool pmap_clear_reference(struct vm_page *pg)
{
    return test_attr(pg, PGA_REFERENCED, true) || fake_pmap_hot;
}

void pmap_age_begin(void)
{
}

bool pmap_age(struct vm_page *pg)
{
    return pmap_clear_reference(pg);
}

void pmap_age_end(void)
{
}

bool pmap_is_modified(struct vm_page *pg)
{
    return test_attr(pg, PGA_MODIFIED, false);
}

bool pmap_clear_modify(struct vm_page *pg)
{
    return test_attr(pg, PGA_MODIFIED, true);
}

// ---- the kernel's mappings ----

static paddr_t *kva_frame(vaddr_t va)
{
    CHECK(va >= KVA_START && va < KVA_START + KVA_SIZE, "%#lx is not in kernel_map", va);
    return &kva_frames[(va - KVA_START) >> PAGE_SHIFT];
}

void pmap_kenter_pa(vaddr_t va, paddr_t pa, vm_prot_t prot)
{
    CHECK(prot == PROT_RW && !*kva_frame(va), "%#lx: prot %u, frame %#lx", va, prot,
          *kva_frame(va));
    *kva_frame(va) = pa + 1;
    memcpy((void *)va, phys_to_dmap(pa), PAGE_SIZE);
}

void pmap_kremove(vaddr_t va, size_t npages)
{
    for (size_t i = 0; i < npages; i++) {
        *kva_frame(va + i * PAGE_SIZE) = 0;
        memset((void *)(va + i * PAGE_SIZE), 0xa5, PAGE_SIZE);
    }
}

bool pmap_kextract(vaddr_t va, paddr_t *pa)
{
    *pa = *kva_frame(va) - 1;
    return *kva_frame(va);
}

// ---- shared tables ----

bool ptshare_attach(struct pmap *pm, vaddr_t va, const struct ptshare_key *key)
{
    (void)pm;
    CHECK(va % PTSHARE_SPAN == 0 && key->object, "%#lx", va);
    return false;
}

void ptshare_detach(struct pmap *pm, vaddr_t start_va, vaddr_t end_va)
{
    CHECK(pm && page_aligned(start_va | end_va), "[%#lx, %#lx)", start_va, end_va);
}
