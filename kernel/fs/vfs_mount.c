// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: the disk's file system on /, the generated ones on the directories /dev and /proc,
// which are made if they are missing.

#include "fs/vfs_mounts.h"

#include "fs/sfs/bdev_disk.h"
#include "fs/sfs/sfs.h"
#include "fs/sfs/vnode_sfs.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "mem/vm_page.h"

static struct mount dev_mount = {.path = "/dev", .dev = 5};
static struct mount proc_mount = {.path = "/proc", .dev = 4};

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
    int error = vfs_mkdir(root_vnode, m->path, 0755);

    if (error && error != EEXIST)
        return error;
    error = namei(root_vnode, m->path, NAMEI_FOLLOW | NAMEI_DIRECTORY, &m->covered, NULL);
    if (!error)
        mount_add(m);
    return error;
}

int vfs_mount_root(const char **trouble)
{
    struct bdev *disk = bdev_disk(0);
    struct mount *m;

    *trouble = disk ? disk->trouble : "there is no disk";
    if (!disk)
        return ENODEV;
    int error = sfs_vnode_mount(disk, share(100, SFS_MIN_BUFS, 1024), share(64, 64, 4096), &m);
    if (error)
        return error;
    root_vnode = m->root;
    mount_add(m);
    devfs_mount(&dev_mount);
    procfs_mount(&proc_mount);
    error = mount_on(&dev_mount);
    return error ? error : mount_on(&proc_mount);
}
