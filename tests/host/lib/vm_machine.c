// SPDX-License-Identifier: BSD-2-Clause
//
// See vm_machine.h.
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
#include "tests/host/lib/ram.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/amap.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_init.h"
#include "vm/vm_object.h"
#include "vm/vm_space.h"

#define RAM_START 0x100000ul

static char text[8192];

void machine_start(unsigned npages)
{
    struct phys_range range = {RAM_START, RAM_START + npages * PAGE_SIZE};

    ram_map(DMAP_BASE, range.end_pa);
    ram_map(KVA_START, KVA_SIZE);
    vm_page_init(&range, 1);
    vm_init(KVA_START, KVA_SIZE, KMEM_SIZE, POOL_SIZE);
    machine_check();
}

void machine_check(void)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = map_check(&out) + amap_check(&out) + slab_check(&out) +
                      pool_check(NULL, &out) + page_check(&out);
    CHECK(faults == 0, "%u faults:\n%s", faults, text);
}

// Which entries stay when mappings go is chance, and so is how many pages they are spread over.
static void count_spread(struct pool *p, void *npages)
{
    if (strcmp(p->name, "map_entry") == 0)
        *(uint64_t *)npages +=
            p->npages - (p->nitems_out + p->items_per_page - 1) / p->items_per_page;
}

uint64_t machine_free_pages(void)
{
    struct vm_page_stats st;

    kmem_drain();
    pool_reclaim_all();
    vm_page_get_stats(&st);
    pool_for_each(count_spread, &st.nfree);
    return st.nfree;
}

void fail_nth(uint64_t n)
{
    kctx_current()->fail_nth = n;
}

bool fail_nth_done(void)
{
    return kctx_current()->fail_nth == 0;
}

// ---- the user ----

int user_access(struct vm_space *vs, vaddr_t va, vm_prot_t access, uint64_t **word)
{
    paddr_t pa;
    vm_prot_t prot;

    for (unsigned tries = 0; tries < 100; tries++) {
        if (pmap_extract(vs->pmap, va, &pa, &prot) && !(access & ~prot)) {
            *word = phys_to_dmap(pa);
            return 0;
        }
        int error = vm_fault(&vs->map, va, access);
        if (error)
            return error;
    }
    shim_fail("%#lx faults for ever", va);
}

int user_load(struct vm_space *vs, vaddr_t va, uint64_t *value)
{
    uint64_t *word;
    int error = user_access(vs, va, PROT_READ, &word);

    if (!error)
        *value = *word;
    return error;
}

int user_store(struct vm_space *vs, vaddr_t va, uint64_t value)
{
    uint64_t *word;
    int error = user_access(vs, va, PROT_WRITE, &word);

    if (!error)
        *word = value;
    return error;
}

// ---- a file ----

struct file_impl {
    struct vm_object object;
    struct test_file file;
    uint64_t *disk;
};

static struct file_impl *impl_of(struct vm_object *o)
{
    return container_of(o, struct file_impl, object);
}

uint64_t file_word(pgno_t pgno)
{
    return pgno * 0x9e3779b97f4a7c15ul + 1;
}

uint64_t *file_disk(struct test_file *f, pgno_t pgno)
{
    return &impl_of(f->object)->disk[pgno];
}

static int file_get(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                    struct vm_page **out)
{
    struct test_file *f = &impl_of(o)->file;
    struct vm_page *pg;

    (void)overwrite;
    CHECK(kctx_current()->nheld == 1, "get with %lu locks", kctx_current()->nheld);
    f->gets++;
    while ((pg = vm_object_lookup(o, pgno)) && pg->flags & PG_BUSY) {
        vm_page_busy_wait(pg, &o->lock);
        mutex_lock(&o->lock);
    }
    if (pgno >= f->npages)
        return ENXIO;
    if (!pg) {
        pg = vm_object_new_page(o, pgno, 0);
        if (!pg)
            return ENOMEM;
        mutex_unlock(&o->lock);
        if (f->in_get)
            f->in_get();
        memset(page_to_dmap(pg), 0, PAGE_SIZE);
        *(uint64_t *)page_to_dmap(pg) = impl_of(o)->disk[pgno];
        mutex_lock(&o->lock);
        if (f->get_error) {
            vm_object_free_page(o, pg);
            return f->get_error;
        }
        pg->flags &= ~PG_FAKE;
        vm_page_activate(pg);
    } else {
        vm_page_busy(pg);
    }
    if (access & PROT_WRITE)
        pg->flags |= PG_BACKED;
    *out = pg;
    return 0;
}

static int file_put(struct vm_object *o, pgno_t start, pgno_t end, unsigned flags)
{
    struct test_file *f = &impl_of(o)->file;
    struct vm_page *pg;

    f->puts++;
    if (flags & PUT_DISCARD)
        vm_object_discard(o, start, end);
    for (; (pg = vm_object_next(o, start)) && pg->pgno < end; start = pg->pgno + 1) {
        vm_page_busy(pg);
        pmap_page_protect(pg, PROT_READ);
        bool modified = pmap_clear_modify(pg);
        CHECK(!modified || pg->flags & PG_DIRTY, "page %lu was written behind our back", pg->pgno);
        if (pg->flags & PG_DIRTY)
            impl_of(o)->disk[pg->pgno] = *(uint64_t *)page_to_dmap(pg);
        pg->flags &= ~PG_DIRTY;
        vm_page_unbusy(pg);
        if (flags & PUT_FREE) {
            vm_object_free_page(o, pg);
            f->freed++;
        }
    }
    return 0;
}

static void file_ref(struct vm_object *o)
{
    __atomic_fetch_add(&o->nrefs, 1, __ATOMIC_RELAXED);
}

static void file_unref(struct vm_object *o)
{
    CHECK(kctx_current()->nheld == 0, "unref with %lu locks", kctx_current()->nheld);
    if (__atomic_sub_fetch(&o->nrefs, 1, __ATOMIC_ACQ_REL) == 0)
        impl_of(o)->file.refs_gone++;
}

static const struct vm_pager_ops file_ops = {
    .get = file_get, .put = file_put, .ref = file_ref, .unref = file_unref};

struct test_file *file_create(pgno_t npages)
{
    struct file_impl *fi = calloc(1, sizeof(*fi));

    vm_object_init(&fi->object, &file_ops, "test file");
    fi->file = (struct test_file){.object = &fi->object, .npages = npages};
    fi->disk = calloc(npages, sizeof(uint64_t));
    for (pgno_t i = 0; i < npages; i++)
        fi->disk[i] = file_word(i);
    return &fi->file;
}

void file_truncate(struct test_file *f, pgno_t npages)
{
    struct vm_object *o = f->object;

    mutex_lock(&o->lock);
    f->npages = npages;
    vm_object_discard(o, npages, UINT64_MAX);
    mutex_unlock(&o->lock);
}

void file_destroy(struct test_file *f)
{
    struct file_impl *fi = impl_of(f->object);

    file_truncate(f, 0);
    vm_object_unref(f->object);
    vm_object_destroy(f->object);
    free(fi->disk);
    free(fi);
}
