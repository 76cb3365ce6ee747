// SPDX-License-Identifier: BSD-2-Clause
//
// The on-disk file system among the others: what can be done with its vnodes, by type, and its
// mount.
#include "fs/sfs/vnode_sfs.h"

#include "amd64/clock.h"
#include "fs/sfs/sfs_impl.h"
#include "fs/syncer.h"
#include "vm/kmem.h"
#include "vm/slab.h"

static const struct vnode_backing backing = {
    .map = sfs_bmap,
    .transfer = sfs_transfer,
    .written = sfs_written,
    .grow = sfs_grow,
    .truncate = sfs_truncate,
    .trim = sfs_trim,
    .touch = sfs_touch,
};

#define FOR_ALL                                                                                    \
    .parent = sfs_parent, .getattr = sfs_getattr, .setattr = sfs_setattr, .fsync = sfs_fsync,      \
    .inactive = sfs_iput

static const struct vnode_ops dir_ops = {
    FOR_ALL,
    .lookup = sfs_lookup,
    .create = sfs_create,
    .link = sfs_link,
    .remove = sfs_remove,
    .rename = sfs_rename,
    .readdir = sfs_readdir,
};
static const struct vnode_ops file_ops = {
    FOR_ALL,
    .read = vnode_read,
    .write = vnode_write,
    .backing = &backing,
};
static const struct vnode_ops link_ops = {FOR_ALL, .readlink = sfs_readlink};
static const struct vnode_ops special_ops = {FOR_ALL}; // devices and pipes are names only

static const struct vnode_ops *vops(enum vnode_type type)
{
    return type == VDIR   ? &dir_ops
           : type == VREG ? &file_ops
           : type == VLNK ? &link_ops
                          : &special_ops;
}

static void *env_alloc(size_t size)
{
    return slab_alloc(size, KM_WAITOK | KM_ZERO);
}

static void env_free(void *p, size_t size UNUSED)
{
    slab_free(p);
}

static const struct sfs_env env = {
    .alloc = env_alloc,
    .free = env_free,
    .now = clock_realtime_ns,
    .changed = syncer_changed,
    .vops = vops,
};

static int mount_sync(struct mount *m)
{
    return sfs_sync(container_of(m, struct sfs, mount));
}

static int mount_statfs(struct mount *m, struct fs_usage *usage)
{
    sfs_statfs(container_of(m, struct sfs, mount), usage);
    return 0;
}

int sfs_vnode_mount(struct bdev *disk, unsigned nbufs, unsigned max_unused, struct mount **out)
{
    struct sfs *fs;
    int error = sfs_mount(disk, &env, nbufs, &fs);

    if (error)
        return error;
    fs->max_unused = max_unused;
    fs->mount = (struct mount){
        .type = "sfs", .path = "/", .sync = mount_sync, .statfs = mount_statfs, .dev = 0x801};
    *out = &fs->mount;
    return sfs_iget(fs, SFS_ROOT_INO, &fs->mount.root);
}
