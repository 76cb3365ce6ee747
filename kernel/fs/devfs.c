// SPDX-License-Identifier: BSD-2-Clause
//
// /dev: a fixed directory of character devices. Its vnodes live for ever.

#include "fs/vfs_mounts.h"

#include "dev/random.h"
#include "dev/record.h"
#include "fs/file.h"
#include "fs/tty.h"
#include "fs/uio.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define ROOT_INO 1

#define CONTROLLING_DEV 0x500 // /dev/tty: the session's terminal

static const char zeroes[PAGE_SIZE];

static int null_read(struct vnode *v UNUSED, struct uio *uio UNUSED)
{
    return 0;
}

static int null_write(struct vnode *v UNUSED, struct uio *uio)
{
    uio->offset += (off_t)uio->resid;
    uio->resid = 0;
    return 0;
}

static int zero_read(struct vnode *v UNUSED, struct uio *uio)
{
    int error = 0;

    while (!error && uio->resid > 0)
        error = uio_move(uio, (void *)zeroes, min(uio->resid, sizeof(zeroes)));
    return error;
}

static int full_write(struct vnode *v UNUSED, struct uio *uio)
{
    return uio->resid ? ENOSPC : 0;
}

static int random_read(struct vnode *v UNUSED, struct uio *uio)
{
    char buf[256];
    int error = 0;

    while (!error && uio->resid > 0) {
        size_t n = min(uio->resid, sizeof(buf));
        random_bytes(buf, n);
        error = uio_move(uio, buf, n);
    }
    return error;
}

// One write is one frame of the record channel.
static int record_dev_write(struct vnode *v UNUSED, struct uio *uio)
{
    size_t n = uio->resid;

    if (n > RECORD_MAX)
        return EINVAL;
    char *buf SCOPED_SLAB = slab_alloc(RECORD_MAX, KM_WAITOK);
    if (!buf)
        return ENOMEM;
    int error = uio_move(uio, buf, n);
    if (!error)
        record_write(buf, n);
    return error;
}

struct device {
    const char *name;
    struct vnode_ops ops; // getattr is added at start-up
    uint32_t rdev;
    struct vnode v;
};

static struct device devices[] = {
    {.name = "null", .rdev = 0x103, .ops = {.read = null_read, .write = null_write}},
    {.name = "zero", .rdev = 0x105, .ops = {.read = zero_read, .write = null_write}},
    {.name = "full", .rdev = 0x107, .ops = {.read = zero_read, .write = full_write}},
    {.name = "random", .rdev = 0x108, .ops = {.read = random_read, .write = null_write}},
    {.name = "urandom", .rdev = 0x109, .ops = {.read = random_read, .write = null_write}},
    {.name = "record", .rdev = 0xa01, .ops = {.write = record_dev_write}},
    {.name = "console", .rdev = TTY_DEV},
    {.name = "ttyS0", .rdev = TTY_DEV},
    {.name = "tty", .rdev = CONTROLLING_DEV},
};

bool vnode_is_zero(const struct vnode *v)
{
    return v->ops->read == zero_read && v->ops->write == null_write;
}

static int device_getattr(struct vnode *v, struct vattr *va)
{
    const struct device *d = container_of(v, struct device, v);
    va->mode |= 0666;
    va->rdev = d->rdev;
    return 0;
}

// ---- the directory ----

static struct vnode root;

static int dir_lookup(struct vnode *dir UNUSED, const char *name, size_t len, struct vnode **out)
{
    for (unsigned i = 0; i < array_len(devices); i++) {
        if (strlen(devices[i].name) == len && memcmp(devices[i].name, name, len) == 0) {
            *out = &devices[i].v;
            vnode_ref(*out);
            return 0;
        }
    }
    return ENOENT;
}

static int dir_readdir(struct vnode *dir, off_t *cookie, readdir_fn fn, void *arg)
{
    int error = 0;

    for (; !error && *cookie < (off_t)array_len(devices) + 2; *cookie += !error) {
        off_t i = *cookie;
        const char *name = i == 0 ? "." : i == 1 ? ".." : devices[i - 2].name;
        uint64_t ino = i < 2 ? dir->ino : devices[i - 2].v.ino;
        error = fn(arg, name, strlen(name), ino, i < 2 ? VDIR : VCHR, i + 1);
    }
    return error;
}

static int dir_getattr(struct vnode *v UNUSED, struct vattr *va)
{
    va->mode |= 0755;
    return 0;
}

static int device_parent(struct vnode *v UNUSED, struct vnode **dir)
{
    vnode_ref(&root);
    *dir = &root;
    return 0;
}

static const struct vnode_ops dir_ops = {
    .lookup = dir_lookup,
    .readdir = dir_readdir,
    .getattr = dir_getattr,
};

void devfs_mount(struct mount *m)
{
    for (unsigned i = 0; i < array_len(devices); i++) {
        struct device *d = &devices[i];
        if (d->rdev == TTY_DEV || d->rdev == CONTROLLING_DEV)
            d->ops = tty_vnode_ops;
        if (d->rdev == CONTROLLING_DEV)
            d->ops.open = tty_open_controlling;
        d->ops.getattr = device_getattr;
        d->ops.parent = device_parent;
        vnode_init(&d->v, VCHR, &d->ops, m, ROOT_INO + 1 + i);
    }
    vnode_init(&root, VDIR, &dir_ops, m, ROOT_INO);
    m->type = "devfs";
    m->root = &root;
}
