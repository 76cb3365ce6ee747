// SPDX-License-Identifier: BSD-2-Clause
//
// Vnodes: references, attributes and the file operations that are the same for all file systems.
// Reading and writing through the page cache is in vnode_io.c, the pager in vnode_pager.c.

#include "fs/vnode.h"

#include "fs/syncer.h"
#include "fs/vnode_impl.h"
#include "fs/vnode_pager.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "sync/scoped.h"

struct mount *mounts;
struct vnode *root_vnode;

void vnode_init(struct vnode *v, enum vnode_type type, const struct vnode_ops *ops,
                struct mount *mount, uint64_t ino)
{
    vm_object_init(&v->object, &vnode_pager_ops, "vnode object");
    v->object.nrefs = 0; // the vnode counts
    rw_init(&v->lock, "vnode", LOCK_VNODE, LOCK_NESTED);
    v->ops = ops;
    v->type = type;
    v->mount = mount;
    v->ino = ino;
    v->size = 0;
    v->nrefs = 1;
    v->writers = 0;
    v->covered_by = NULL;
    v->shrinks = 0;
    v->ahead = false;
    list_init(&v->link);
    list_init(&v->locks);
}

void vnode_fini(struct vnode *v)
{
    KASSERT(v->nrefs == 0 && v->writers == 0, "vnode %lu has %u references, %ld writers", v->ino,
            v->nrefs, v->writers);
    KASSERT(list_empty(&v->locks), "vnode %lu ends with file locks", v->ino);
    (void)vnode_put_pages(v, PUT_FREE | PUT_DISCARD);
    vm_object_destroy(&v->object);
}

int vnode_put_pages(struct vnode *v, unsigned flags)
{
    SCOPED_MUTEX(&v->object.lock);
    return v->object.npages ? v->object.ops->put(&v->object, 0, ~0ul, flags) : 0;
}

void vnode_unref(struct vnode *v)
{
    uint32_t n = load_relaxed(&v->nrefs);

    KASSERT(n > 0, "vnode %lu", v->ino);
    while (n > 1)
        if (compare_swap(&v->nrefs, &n, n - 1))
            return;
    v->ops->inactive(v);
}

// More writers (> 0) or one more running program (-1).
static int claim(struct vnode *v, int64_t more)
{
    int64_t n = load_relaxed(&v->writers);

    do {
        if (more > 0 ? n < 0 : n > 0)
            return ETXTBSY;
    } while (!compare_swap(&v->writers, &n, n + more));
    return 0;
}

int vnode_begin_write(struct vnode *v)
{
    return claim(v, 1);
}

static void end_writes(struct vnode *v, int64_t n)
{
    int64_t left = sub_acq_rel(&v->writers, n);

    KASSERT(left >= 0, "vnode %lu: %ld", v->ino, left);
    if (left == 0 && v->ops->backing)
        vnode_trim(v);
}

void vnode_end_write(struct vnode *v)
{
    end_writes(v, 1);
}

void vnode_map_claim(struct vnode *v, int64_t npages)
{
    if (npages < 0) {
        end_writes(v, -npages);
        return;
    }
    int error = claim(v, npages);
    KASSERT(!error, "vnode %lu: mapped for writing while it runs", v->ino);
}

int vnode_begin_run(struct vnode *v)
{
    return claim(v, -1);
}

void vnode_end_run(struct vnode *v)
{
    int64_t left = add_acq_rel(&v->writers, 1);

    KASSERT(left <= 0, "vnode %lu: %ld", v->ino, left);
}

int vnode_getattr(struct vnode *v, struct vattr *va)
{
    *va = (struct vattr){
        .ino = v->ino,
        .dev = v->mount ? v->mount->dev : 0,
        .mode = (uint32_t)v->type << VTYPE_SHIFT,
        .nlink = v->type == VDIR ? 2 : 1,
    };
    SCOPED_READ(&v->lock);
    return v->ops->getattr(v, va);
}

int vnode_fsync(struct vnode *v)
{
    return v->ops->fsync ? v->ops->fsync(v) : 0;
}

void mount_add(struct mount *m)
{
    struct mount **end = &mounts;

    while (*end)
        end = &(*end)->next;
    *end = m;
    if (m->covered)
        m->covered->covered_by = m->root;
}

bool vnode_can_map(const struct vnode *v)
{
    return v->type == VREG && v->ops->backing;
}

int vfs_sync(void)
{
    int error = 0;

    for (struct mount *m = mounts; m; m = m->next) {
        int sync_error = m->sync ? m->sync(m) : 0;
        error = error ? error : sync_error;
    }
    return error;
}

int vfs_statfs(struct vnode *v, struct fs_usage *usage)
{
    *usage = (struct fs_usage){.block_size = PAGE_SIZE};
    return v->mount && v->mount->statfs ? v->mount->statfs(v->mount, usage) : 0;
}

void vfs_for_each_mount(void (*fn)(const char *type, const char *path, void *arg), void *arg)
{
    for (struct mount *m = mounts; m; m = m->next)
        fn(m->type, m->path, arg);
}

// ---- as an object ----

static struct vnode *vnode_of(struct vm_object *o)
{
    return container_of(o, struct vnode, object);
}

static void object_dirtied(struct vm_object *o UNUSED)
{
    syncer_changed();
}

static void object_ref(struct vm_object *o)
{
    vnode_ref(vnode_of(o));
}

static void object_unref(struct vm_object *o)
{
    vnode_unref(vnode_of(o));
}

static void object_claim(struct vm_object *o, int64_t npages)
{
    vnode_map_claim(vnode_of(o), npages);
}

const struct vm_pager_ops vnode_pager_ops = {
    .get = vnode_pager_get,
    .put = vnode_pager_put,
    .dirtied = object_dirtied,
    .ref = object_ref,
    .unref = object_unref,
    .claim = object_claim,
};
