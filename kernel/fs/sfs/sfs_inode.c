// SPDX-License-Identifier: BSD-2-Clause
//
// In-core inodes: the table of those in use, reading them with all checks, and writing them back.
// The table's lock is held while one is read, so that nobody sees it half made.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"

void sfs_inodes_init(struct sfs *fs)
{
    mutex_init(&fs->inodes_lock, "sfs inodes", LOCK_FS_INODES, 0);
    list_init(&fs->lazy);
    for (unsigned i = 0; i < SFS_INODE_CHAINS; i++)
        list_init(&fs->inodes[i]);
}

// What is left at unmount are inodes that could not be freed.
void sfs_inodes_destroy(struct sfs *fs)
{
    for (unsigned i = 0; i < SFS_INODE_CHAINS; i++) {
        list_for_each_safe (ip, &fs->inodes[i], struct sfs_inode, hash) {
            KASSERT(ip->refs == 0, "inode %u has %u references", ip->ino, ip->refs);
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

void sfs_inode_forget(struct sfs_inode *ip)
{
    ip->fs->env->free(ip, sizeof(*ip));
}

// Puts a new inode into the table, with one reference; inodes_lock is held.
static void enter(struct sfs_inode *ip)
{
    ip->refs = 1;
    list_push_front(&ip->fs->inodes[ip->ino % SFS_INODE_CHAINS], &ip->hash);
}

void sfs_inode_enter(struct sfs_inode *ip)
{
    mutex_lock(&ip->fs->inodes_lock);
    enter(ip);
    mutex_unlock(&ip->fs->inodes_lock);
}

// True if an inode from the disk makes sense by itself. All blocks of a directory are walked, so it
// has them: a map in which one block stands for many gives no walk of 2^30 steps.
static bool plausible(const struct sfs *fs, const struct sfs_dinode *d, bool orphan)
{
    uint64_t most = min(d->nblocks, fs->layout.nblocks);

    if (!orphan && d->nlink == 0)
        return false;
    switch (d->mode & SFS_IFMT) {
    case SFS_IFREG:
        return d->size <= SFS_FILE_MAX;
    case SFS_IFDIR:
        return d->size % SFS_BLOCK == 0 && (orphan || (d->size > 0 && d->size / SFS_BLOCK <= most));
    case SFS_IFLNK:
        return d->size <= SFS_SYMLINK_MAX;
    case SFS_IFIFO:
    case SFS_IFCHR:
    case SFS_IFBLK:
    case SFS_IFSOCK:
        return d->size == 0;
    }
    return false;
}

static int load(struct sfs_inode *ip, bool orphan)
{
    struct sfs_dinode *d;
    struct buf *b;
    int error = sfs_inode_buf(ip->fs, ip->ino, &b, &d);

    if (error)
        return error;
    ip->d = *d;
    buf_put(b);
    if (!plausible(ip->fs, &ip->d, orphan))
        return sfs_damaged(ip->fs, "inode %u: mode 0%o, %u links, size %lu", ip->ino, ip->d.mode,
                           ip->d.nlink, ip->d.size);
    return 0;
}

// The inode with a new reference if it is in the table, else NULL; inodes_lock is held.
static struct sfs_inode *find(struct sfs *fs, uint32_t ino)
{
    list_for_each (ip, &fs->inodes[ino % SFS_INODE_CHAINS], struct sfs_inode, hash) {
        if (ip->ino == ino) {
            ip->refs++;
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
    new->ino = ino;
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
        sfs_inode_forget(new);
    return error;
}

int sfs_iget(struct sfs *fs, uint32_t ino, struct sfs_inode **out)
{
    return sfs_iget_any(fs, ino, false, out);
}

void sfs_iref(struct sfs_inode *ip)
{
    mutex_lock(&ip->fs->inodes_lock);
    KASSERT(ip->refs > 0, "inode %u is not in use", ip->ino);
    ip->refs++;
    mutex_unlock(&ip->fs->inodes_lock);
}

// The last reference goes. Unlinked inodes are freed, lazy attributes written; both without the
// table's lock, and with the inode still in the table.
void sfs_iput(struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;

    mutex_lock(&fs->inodes_lock);
    KASSERT(ip->refs > 0, "inode %u is not in use", ip->ino);
    for (int error = 0; ip->refs == 1 && ip->lazy && ip->d.nlink > 0 && !error;) {
        mutex_unlock(&fs->inodes_lock);
        error = sfs_write_lazy_one(ip);
        mutex_lock(&fs->inodes_lock);
    }
    if (ip->refs == 1 && ip->d.nlink == 0 && ip->d.mode != 0) {
        mutex_unlock(&fs->inodes_lock);
        sfs_orphan_free(ip);
        mutex_lock(&fs->inodes_lock);
    }
    if (--ip->refs > 0) {
        mutex_unlock(&fs->inodes_lock);
        return;
    }
    ip->lazy = false;
    list_remove(&ip->lazy_link);
    // One that is still an orphan could not be freed; its place in that list is needed.
    bool forget = list_empty(&ip->orphan_link);
    if (forget)
        list_remove(&ip->hash);
    mutex_unlock(&fs->inodes_lock);
    if (forget)
        sfs_inode_forget(ip);
}

int sfs_update(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    struct sfs_dinode *d;
    struct buf *b;
    int error = sfs_inode_buf(fs, ip->ino, &b, &d);

    if (error)
        return error;
    KASSERT(ip->lock.lock.owner, "inode %u is not locked", ip->ino);
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
