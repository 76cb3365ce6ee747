// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: the disk's file system on /, the generated ones on the directories /dev and /proc,
// which are made if they are missing.

#include "fs/vfs_mounts.h"

#include "amd64/clock.h"
#include "fs/sfs/bdev_disk.h"
#include "fs/sfs/sfs.h"
#include "fs/syncer.h"
#include "fs/sfs/vnode_sfs.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "mem/vm_page.h"
#include "vm/kmem.h"
#include "vm/slab.h"

static struct mount root_mount = {.path = "/", .dev = 0x801};
static struct mount dev_mount = {.path = "/dev", .dev = 5};
static struct mount proc_mount = {.path = "/proc", .dev = 4};

static void *env_alloc(size_t size)
{
    return slab_alloc(size, KM_WAITOK | KM_ZERO);
}

static void env_free(void *p, size_t size)
{
    (void)size;
    slab_free(p);
}

static const struct sfs_env env = {
    .alloc = env_alloc,
    .free = env_free,
    .now = clock_realtime_ns,
    .changed = syncer_changed,
};

// A share of memory in [low, high].
static unsigned share(uint64_t divisor, unsigned low, unsigned high)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    uint64_t n = st.npages / divisor;
    return n < low ? low : n > high ? high : (unsigned)n;
}

// Mounts m on the directory of its path.
static int mount_on(struct mount *m)
{
    int err = vfs_mkdir(root_vnode, m->path, 0755);

    if (err && err != EEXIST)
        return err;
    err = namei(root_vnode, m->path, NAMEI_FOLLOW | NAMEI_DIRECTORY, &m->covered, NULL);
    if (!err)
        mount_add(m);
    return err;
}

int vfs_mount_root(const char **trouble)
{
    struct bdev *disk = bdev_disk(0);
    struct sfs *fs;

    *trouble = disk ? disk->trouble : "there is no disk";
    if (!disk)
        return ENODEV;
    int err = sfs_mount(disk, &env, share(100, SFS_MIN_BUFS, 1024), &fs);
    if (!err)
        err = sfs_vnode_mount(fs, &root_mount, share(64, 64, 4096));
    if (err)
        return err;
    root_vnode = root_mount.root;
    mount_add(&root_mount);
    devfs_mount(&dev_mount);
    procfs_mount(&proc_mount);
    err = mount_on(&dev_mount);
    return err ? err : mount_on(&proc_mount);
}
