// SPDX-License-Identifier: BSD-2-Clause
//
// /proc/<pid>/maps. The entries are copied with the map locked, and printed afterwards, because
// finding a file's path takes locks that come before the map's.
#include "fs/vnode.h"
#include "fs/vnode_pager.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "proc/proc_files.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "vm/slab.h"
#include "vm/vm_space.h"

struct row {
    vaddr_t start_va, end_va;
    uint64_t offset;
    uint8_t prot;
    bool shared, stack;
    struct vnode *file; // referenced, or NULL
};

struct rows {
    struct row *row;
    unsigned n, max;
    const struct vm_map_entry *last; // what is in the last row; the map is locked
};

struct vm_space *proc_space(struct process *p)
{
    SCOPED_MUTEX(&p->lock);
    if (p->space)
        vm_space_ref(p->space);
    return p->space;
}

static void copy_entry(const struct vm_map_entry *e, void *arg)
{
    struct rows *rows = arg;

    const struct vm_map_entry *last = rows->last;
    rows->last = e;
    if (last && vm_map_continues(last, e) && last->wired == e->wired &&
        last->attr.advice == e->attr.advice) { // whatever amaps they have
        rows->row[rows->n - 1].end_va = e->end_va;
        return;
    }
    if (rows->n == rows->max)
        return;
    struct row *r = &rows->row[rows->n++];
    bool file = e->attr.object && e->attr.object->ops == &vnode_pager_ops;
    *r = (struct row){.start_va = e->start_va,
                      .end_va = e->end_va,
                      .prot = e->attr.prot,
                      .shared = !(e->flags & ME_COW) && e->attr.inherit == INHERIT_SHARE,
                      .stack = e->flags & ME_STACK};
    if (file) {
        r->offset = e->attr.offset;
        r->file = container_of(e->attr.object, struct vnode, object);
        vnode_ref(r->file);
    }
}

static void print_row(const struct row *r, const struct vm_space *vs, char *path,
                      struct strbuf *out)
{
    const char *name = "";
    struct vattr a = {0};

    if (r->file) {
        if (vnode_getattr(r->file, &a) == 0 && vnode_path(r->file, path, PATH_MAX) == 0)
            name = path;
    } else if (r->stack) {
        name = "[stack]";
    } else if (r->start_va < vs->brk_end && vs->brk_start < r->end_va) {
        name = "[heap]";
    }
    strbuf_printf(out, "%08lx-%08lx %c%c%c%c %08lx %02lx:%02lx %-26lu%s%s\n", r->start_va,
                  r->end_va, r->prot & PROT_READ ? 'r' : '-', r->prot & PROT_WRITE ? 'w' : '-',
                  r->prot & PROT_EXEC ? 'x' : '-', r->shared ? 's' : 'p', r->offset, a.dev >> 8,
                  a.dev & 0xff, a.ino, *name ? " " : "", name);
}

static int print_maps(struct vm_space *vs, struct strbuf *out)
{
    struct rows rows = {.max = vs->map.nentries};
    char *path = path_get();

    rows.row = slab_alloc(max(rows.max, 1u) * sizeof(*rows.row), 0);
    if (path && rows.row) {
        vm_space_for_each(vs, copy_entry, &rows);
        for (unsigned i = 0; i < rows.n; i++) {
            print_row(&rows.row[i], vs, path, out);
            if (rows.row[i].file)
                vnode_unref(rows.row[i].file);
        }
    }
    int error = path && rows.row ? 0 : ENOMEM;
    slab_free(rows.row);
    path_put(path);
    return error;
}

int show_maps_of(struct process *p, struct strbuf *out)
{
    struct vm_space *vs = proc_space(p);

    if (!vs)
        return 0;
    int error = print_maps(vs, out);
    vm_space_unref(vs);
    return error;
}
