// SPDX-License-Identifier: BSD-2-Clause
//
// What the file system's code asks of vnodes where there is no page cache: their plain fields.
#include "fs/vnode_impl.h"

void vnode_init(struct vnode *v, enum vnode_type type, const struct vnode_ops *ops,
                struct mount *mount, uint64_t ino)
{
    v->type = type;
    v->ops = ops;
    v->mount = mount;
    v->ino = ino;
    v->nrefs = 1;
    list_init(&v->link);
}

int vnode_put_pages(struct vnode *v, unsigned flags)
{
    (void)v, (void)flags;
    return 0;
}

void vnode_fini(struct vnode *v)
{
    (void)v;
}
