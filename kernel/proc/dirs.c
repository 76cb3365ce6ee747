// SPDX-License-Identifier: BSD-2-Clause
//
// The current directory and the umask, which processes that clone made with CLONE_FS share.
#include "fs/vnode.h"
#include "mem/pool.h"
#include "proc/process.h"
#include "sync/scoped.h"

static struct pool dirs_pool;

void dirs_init(void)
{
    pool_init(&dirs_pool, "directories", sizeof(struct process_dirs), 0, NULL);
}

struct process_dirs *dirs_create(struct vnode *cwd, uint32_t umask)
{
    struct process_dirs *d = pool_get(&dirs_pool, PR_WAITOK);

    if (!d) {
        vnode_unref(cwd);
        return NULL;
    }
    *d = (struct process_dirs){.nrefs = 1, .cwd = cwd, .umask = umask};
    spin_init(&d->lock, "directories", LOCK_SIGNAL, 0);
    return d;
}

void dirs_ref(struct process_dirs *d)
{
    add_relaxed(&d->nrefs, 1);
}

void dirs_unref(struct process_dirs *d)
{
    if (sub_acq_rel(&d->nrefs, 1) > 0)
        return;
    vnode_unref(d->cwd);
    pool_put(&dirs_pool, d);
}

struct vnode *dirs_cwd(struct process_dirs *d)
{
    SCOPED_SPIN(&d->lock);
    vnode_ref(d->cwd);
    return d->cwd;
}

void dirs_set_cwd(struct process_dirs *d, struct vnode *v)
{
    spin_lock(&d->lock);
    struct vnode *old = d->cwd;
    d->cwd = v;
    spin_unlock(&d->lock);
    vnode_unref(old);
}
