// SPDX-License-Identifier: BSD-2-Clause
//
// The end of references to inodes. One that nobody refers to stays in memory with its pages, until
// there are too many of them; one without a name is freed. A file also refers to the directory
// where it was last found, which is how its path is told.
#include "fs/sfs/sfs_impl.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "sync/scoped.h"

static void put(struct sfs_inode *ip, bool keep);

void sfs_found_in(struct sfs_inode *ip, struct sfs_inode *dir)
{
    if (sfs_is_dir(ip) || load_relaxed(&ip->parent) == dir)
        return; // directories have ".."
    vnode_ref(&dir->v);
    mutex_lock(&ip->fs->inodes_lock);
    struct sfs_inode *old = ip->parent;
    store_relaxed(&ip->parent, dir);
    mutex_unlock(&ip->fs->inodes_lock);
    if (old)
        sfs_iput(&old->v);
}

int sfs_parent(struct vnode *v, struct vnode **dir)
{
    struct sfs_inode *ip = sfs_inode_of(v);

    SCOPED_MUTEX(&ip->fs->inodes_lock);
    if (!ip->parent)
        return ENOENT;
    *dir = &ip->parent->v;
    vnode_ref(*dir);
    return 0;
}

// Frees an inode that is in no table any more.
static void forget(struct sfs_inode *ip)
{
    struct sfs_inode *parent = ip->parent;

    vnode_fini(&ip->v);
    ip->fs->env->free(ip, sizeof(*ip));
    if (parent)
        put(parent, true);
}

// Decides about an inode whose last reference has gone: true if it is out of the table, so that
// nobody finds it any more. Else it stays, unused: because that is wanted, or because pages or
// attributes could not be written. inodes_lock is held.
static bool leaves(struct sfs_inode *ip, bool keep)
{
    struct sfs *fs = ip->fs;
    bool newer = ip->v.object.npages > 0 || (ip->lazy && !sfs_readonly(fs));

    if (ip->d.nlink > 0 && (keep || newer)) {
        list_push_front(&fs->unused, &ip->v.link);
        fs->nunused++;
        return false;
    }
    ip->lazy = false;
    list_remove(&ip->lazy_link);
    if (!list_empty(&ip->orphan_link))
        return false; // it could not be freed; its place in that list is needed
    list_remove(&ip->hash);
    return true;
}

// Drops a reference. An inode without a name is freed before the last one goes: without the table's
// lock, and with the inode still in the table.
static void put(struct sfs_inode *ip, bool keep)
{
    struct sfs *fs = ip->fs;

    mutex_lock(&fs->inodes_lock);
    if (ip->v.nrefs == 1 && ip->d.nlink == 0 && ip->d.mode != 0) {
        mutex_unlock(&fs->inodes_lock);
        (void)vnode_put_pages(&ip->v, PUT_FREE | PUT_DISCARD);
        (void)sfs_orphan_finish(ip, true);
        mutex_lock(&fs->inodes_lock);
    }
    bool gone = vnode_drop_last(&ip->v) && leaves(ip, keep);
    mutex_unlock(&fs->inodes_lock);
    if (gone)
        forget(ip);
}

// Writes what the longest unused inode has, if there are too many, and lets go of it.
static bool retire_one(struct sfs *fs)
{
    struct sfs_inode *ip = NULL;

    mutex_lock(&fs->inodes_lock);
    if (fs->nunused > fs->max_unused) {
        ip = list_last(&fs->unused, struct sfs_inode, v.link);
        sfs_inode_take(ip);
    }
    mutex_unlock(&fs->inodes_lock);
    if (!ip)
        return false;
    int error = vnode_put_pages(&ip->v, PUT_CLEAN | PUT_FREE);
    if (!error)
        error = sfs_write_lazy(ip);
    put(ip, false);
    return !error;
}

void sfs_iput(struct vnode *v)
{
    struct sfs *fs = sfs_inode_of(v)->fs;

    put(sfs_inode_of(v), true);
    while (load_relaxed(&fs->nunused) > fs->max_unused && retire_one(fs))
        ;
}
