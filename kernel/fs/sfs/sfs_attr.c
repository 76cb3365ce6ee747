// SPDX-License-Identifier: BSD-2-Clause
//
// Attributes of inodes. Times and growth are kept lazily: setting them costs a list insertion,
// and they reach the inode's buffer at the next sync, or with the next change that is written
// anyway. The inode's lock guards them.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"

// Puts ip, whose lock is held, on the list of those to be written at the next sync. A mere look at
// a file is no reason for one.
static void mark_lazy(struct sfs_inode *ip, bool changed)
{
    struct sfs *fs = ip->fs;

    if (changed && fs->env->changed)
        fs->env->changed();
    if (ip->lazy)
        return;
    mutex_lock(&fs->inodes_lock);
    ip->lazy = true;
    list_push_back(&fs->lazy, &ip->lazy_link);
    mutex_unlock(&fs->inodes_lock);
}

int sfs_write_lazy_one(struct sfs_inode *ip)
{
    struct sfs_op op;

    if (!ip->lazy)
        return 0;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_INODE, 0);
    if (error)
        return error;
    mutex_lock(&ip->lock);
    error = sfs_update(&op, ip);
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

// Those that become lazy meanwhile come to the list's end and are written too.
int sfs_write_lazy(struct sfs *fs)
{
    int error = 0;

    while (!error) {
        mutex_lock(&fs->inodes_lock);
        struct sfs_inode *ip = list_first(&fs->lazy, struct sfs_inode, lazy_link);
        if (ip)
            ip->refs++;
        mutex_unlock(&fs->inodes_lock);
        if (!ip)
            break;
        error = sfs_write_lazy_one(ip);
        sfs_iput(ip);
    }
    return error;
}

bool sfs_unlinked(const struct sfs_inode *ip)
{
    return __atomic_load_n(&ip->d.nlink, __ATOMIC_RELAXED) == 0;
}

void sfs_getattr(struct sfs_inode *ip, struct sfs_attr *attr)
{
    mutex_lock(&ip->lock);
    *attr = (struct sfs_attr){
        .ino = ip->ino,
        .mode = ip->d.mode,
        .nlink = ip->d.nlink,
        .uid = ip->d.uid,
        .gid = ip->d.gid,
        .rdev = ip->d.rdev,
        .nblocks = ip->d.nblocks,
        .size = ip->d.size,
        .atime = ip->d.atime,
        .mtime = ip->d.mtime,
        .ctime = ip->d.ctime,
    };
    mutex_unlock(&ip->lock);
}

int sfs_setattr(struct sfs_inode *ip, const struct sfs_attr *attr, unsigned which)
{
    struct sfs_op op;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_INODE, 0);

    if (error)
        return error;
    mutex_lock(&ip->lock);
    if (which & SFS_SET_MODE)
        ip->d.mode = (ip->d.mode & SFS_IFMT) | (attr->mode & ~(uint32_t)SFS_IFMT);
    if (which & SFS_SET_UID)
        ip->d.uid = attr->uid;
    if (which & SFS_SET_GID)
        ip->d.gid = attr->gid;
    if (which & SFS_SET_ATIME)
        ip->d.atime = attr->atime;
    if (which & SFS_SET_MTIME)
        ip->d.mtime = attr->mtime;
    ip->d.ctime = ip->fs->env->now();
    error = sfs_update(&op, ip);
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

void sfs_touch(struct sfs_inode *ip, unsigned which)
{
    int64_t now = ip->fs->env->now();

    mutex_lock(&ip->lock);
    if (which & SFS_SET_ATIME)
        ip->d.atime = now;
    if (which & SFS_SET_MTIME)
        ip->d.mtime = ip->d.ctime = now;
    mark_lazy(ip, which & SFS_SET_MTIME);
    mutex_unlock(&ip->lock);
}

void sfs_grow(struct sfs_inode *ip, uint64_t size)
{
    mutex_lock(&ip->lock);
    if (size > ip->d.size)
        ip->d.size = size;
    ip->d.mtime = ip->d.ctime = ip->fs->env->now();
    mark_lazy(ip, true);
    mutex_unlock(&ip->lock);
}
