// SPDX-License-Identifier: BSD-2-Clause
//
// Attributes of inodes. Times and growth are kept lazily: setting them costs a list insertion,
// and they reach the inode's buffer at the next sync, or with the next change that is written
// anyway. The inode's lock guards them.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "sync/scoped.h"

// Puts ip, whose lock is held, on the list of those to be written at the next sync. A mere look at
// a file is no reason for one.
static void mark_lazy(struct sfs_inode *ip, bool changed)
{
    struct sfs *fs = ip->fs;

    if (changed && fs->env->changed)
        fs->env->changed();
    if (ip->lazy)
        return;
    SCOPED_MUTEX(&fs->inodes_lock);
    ip->lazy = true;
    list_push_back(&fs->lazy, &ip->lazy_link);
}

int sfs_write_lazy(struct sfs_inode *ip)
{
    struct sfs_op op;

    if (!ip->lazy)
        return 0;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_INODE, 0);
    if (error)
        return error;
    mutex_lock(&ip->lock);
    if (ip->lazy) // still: if it was freed meanwhile, another one may have its number
        error = sfs_update(&op, ip);
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

int sfs_getattr(struct vnode *v, struct vattr *va)
{
    struct sfs_inode *ip = sfs_inode_of(v);

    SCOPED_MUTEX(&ip->lock);
    va->mode = ip->d.mode;
    va->nlink = ip->d.nlink;
    va->uid = ip->d.uid;
    va->gid = ip->d.gid;
    va->rdev = ip->d.rdev;
    va->size = ip->d.size;
    va->blocks = ip->d.nblocks * (uint64_t)(SFS_BLOCK / 512);
    va->atime_ns = (uint64_t)ip->d.atime;
    va->mtime_ns = (uint64_t)ip->d.mtime;
    va->ctime_ns = (uint64_t)ip->d.ctime;
    return 0;
}

int sfs_setattr(struct vnode *v, const struct vattr *va, unsigned which)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    struct sfs_op op;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_INODE, 0);

    if (error)
        return error;
    mutex_lock(&ip->lock);
    if (which & VA_MODE)
        ip->d.mode = (uint32_t)v->type << VTYPE_SHIFT | (va->mode & 07777);
    if (which & VA_UID)
        ip->d.uid = va->uid;
    if (which & VA_GID)
        ip->d.gid = va->gid;
    if (which & VA_ATIME)
        ip->d.atime = (int64_t)va->atime_ns;
    if (which & VA_MTIME)
        ip->d.mtime = (int64_t)va->mtime_ns;
    ip->d.ctime = ip->fs->env->now();
    error = sfs_update(&op, ip);
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

void sfs_touch(struct vnode *v, unsigned which)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    int64_t now = ip->fs->env->now();

    SCOPED_MUTEX(&ip->lock);
    if (which & VA_ATIME)
        ip->d.atime = now;
    if (which & VA_MTIME)
        ip->d.mtime = ip->d.ctime = now;
    mark_lazy(ip, which & VA_MTIME);
}

void sfs_grow(struct vnode *v, uint64_t size)
{
    struct sfs_inode *ip = sfs_inode_of(v);

    SCOPED_MUTEX(&ip->lock);
    ip->d.size = max(ip->d.size, size);
    ip->d.mtime = ip->d.ctime = ip->fs->env->now();
    mark_lazy(ip, true);
}
