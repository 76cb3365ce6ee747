// SPDX-License-Identifier: BSD-2-Clause
//
// Inodes in memory: their table, reading them with all checks, and writing them back. The table's
// lock is held while one is read, so that nobody sees it half made. How they end: sfs_put.c.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "sync/scoped.h"

void sfs_inodes_init(struct sfs *fs)
{
    mutex_init(&fs->inodes_lock, "sfs inodes", LOCK_FS_INODES, 0);
    list_init(&fs->lazy);
    list_init(&fs->unused);
    for (unsigned i = 0; i < SFS_INODE_CHAINS; i++)
        list_init(&fs->inodes[i]);
}

// What is left at unmount are inodes that could not be freed.
void sfs_inodes_destroy(struct sfs *fs)
{
    for (unsigned i = 0; i < SFS_INODE_CHAINS; i++) {
        list_for_each_safe (ip, &fs->inodes[i], struct sfs_inode, hash) {
            KASSERT(ip->v.nrefs == 0, "inode %lu has %u references", ip->v.ino, ip->v.nrefs);
            fs->env->free(ip, sizeof(*ip));
        }
    }
}

int sfs_inode_buf(struct sfs *fs, uint32_t ino, struct buf **b, struct sfs_dinode **d)
{
    int error = buf_get(&fs->cache, fs->layout.inode_table + ino / SFS_INODES_PER_BLOCK, b);

    if (!error)
        *d = (struct sfs_dinode *)(*b)->data + ino % SFS_INODES_PER_BLOCK;
    return error;
}

int sfs_inode_new(struct sfs *fs, struct sfs_inode **out)
{
    struct sfs_inode *ip = fs->env->alloc(sizeof(*ip));

    if (!ip)
        return ENOMEM;
    ip->fs = fs;
    mutex_init(&ip->lock, "sfs inode", LOCK_INODE, 0);
    list_init(&ip->hash);
    list_init(&ip->lazy_link);
    list_init(&ip->orphan_link);
    *out = ip;
    return 0;
}

// Makes a new inode a vnode, with one reference, and puts it into the table; inodes_lock is held.
static void enter(struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    enum vnode_type type = ip->d.mode >> VTYPE_SHIFT;

    vnode_init(&ip->v, type, fs->env->vops ? fs->env->vops(type) : NULL, &fs->mount, ip->v.ino);
    ip->v.size = ip->d.size;
    list_push_front(&fs->inodes[ip->v.ino % SFS_INODE_CHAINS], &ip->hash);
}

void sfs_inode_enter(struct sfs_inode *ip)
{
    SCOPED_MUTEX(&ip->fs->inodes_lock);
    enter(ip);
}

void sfs_inode_take(struct sfs_inode *ip)
{
    vnode_ref(&ip->v);
    if (!list_empty(&ip->v.link)) {
        list_remove(&ip->v.link);
        ip->fs->nunused--;
    }
}

// True if an inode from the disk makes sense by itself. All blocks of a directory are walked, so it
// has them: a map in which one block stands for many gives no walk of 2^30 steps.
static bool plausible(const struct sfs *fs, const struct sfs_dinode *d, bool orphan)
{
    uint64_t most = min(d->nblocks, fs->layout.nblocks);

    if (!orphan && d->nlink == 0)
        return false;
    switch (d->mode >> VTYPE_SHIFT) {
    case VREG:
        return d->size <= SFS_FILE_MAX;
    case VDIR:
        return d->size % SFS_BLOCK == 0 && (orphan || (d->size > 0 && d->size / SFS_BLOCK <= most));
    case VLNK:
        return d->size <= SFS_SYMLINK_MAX;
    case VFIFO:
    case VCHR:
    case VBLK:
    case VSOCK:
        return d->size == 0;
    }
    return false;
}

static int load(struct sfs_inode *ip, bool orphan)
{
    struct sfs_dinode *d;
    struct buf *b;
    int error = sfs_inode_buf(ip->fs, ip->v.ino, &b, &d);

    if (error)
        return error;
    ip->d = *d;
    buf_put(b);
    if (!plausible(ip->fs, &ip->d, orphan))
        return sfs_damaged(ip->fs, "inode %lu: mode 0%o, %u links, size %lu", ip->v.ino, ip->d.mode,
                           ip->d.nlink, ip->d.size);
    return 0;
}

// The inode with a new reference if it is in the table, else NULL; inodes_lock is held.
static struct sfs_inode *find(struct sfs *fs, uint32_t ino)
{
    list_for_each (ip, &fs->inodes[ino % SFS_INODE_CHAINS], struct sfs_inode, hash) {
        if (ip->v.ino == ino) {
            sfs_inode_take(ip);
            return ip;
        }
    }
    return NULL;
}

int sfs_iget_any(struct sfs *fs, uint32_t ino, bool orphan, struct sfs_inode **out)
{
    struct sfs_inode *new;
    int error;

    if (ino < SFS_ROOT_INO || ino >= fs->layout.ninodes)
        return sfs_damaged(fs, "inode number %u of %u", ino, fs->layout.ninodes);
    mutex_lock(&fs->inodes_lock);
    *out = find(fs, ino);
    mutex_unlock(&fs->inodes_lock);
    if (*out)
        return 0;
    error = sfs_inode_new(fs, &new); // not under the lock: may wait for memory
    if (error)
        return error;
    new->v.ino = ino;
    mutex_lock(&fs->inodes_lock);
    *out = find(fs, ino);
    if (!*out) {
        error = load(new, orphan);
        if (!error) {
            enter(new);
            *out = new;
        }
    }
    mutex_unlock(&fs->inodes_lock);
    if (*out != new)
        fs->env->free(new, sizeof(*new));
    return error;
}

int sfs_iget(struct sfs *fs, uint32_t ino, struct vnode **out)
{
    struct sfs_inode *ip;
    int error = sfs_iget_any(fs, ino, false, &ip);

    if (!error)
        *out = &ip->v;
    return error;
}

int sfs_update(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    struct sfs_dinode *d;
    struct buf *b;
    int error = sfs_inode_buf(fs, ip->v.ino, &b, &d);

    if (error)
        return error;
    KASSERT(ip->lock.lock.owner, "inode %lu is not locked", ip->v.ino);
    journal_dirty(&op->h, b);
    ip->d.next_orphan = d->next_orphan; // the orphan list's, not ours
    *d = ip->d;
    buf_put(b);
    if (ip->lazy) {
        mutex_lock(&fs->inodes_lock);
        ip->lazy = false;
        list_remove(&ip->lazy_link);
        mutex_unlock(&fs->inodes_lock);
    }
    return 0;
}
