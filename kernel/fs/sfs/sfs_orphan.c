// SPDX-License-Identifier: BSD-2-Clause
//
// Orphans: inodes whose freeing or truncation takes more than one transaction, or waits until they
// are closed. They are on a list on the disk (head in the state block, then next_orphan), and the
// next mount finishes what a crash interrupts. The list in memory has the same order, so that an
// inode in its middle finds the one before. alloc_lock guards both. Truncations are here, too: a
// short one needs no orphan.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "sync/scoped.h"

static int state_buf(struct sfs *fs, struct buf **b, struct sfs_state **state)
{
    int error = buf_get(&fs->cache, fs->layout.state, b);

    if (error)
        return error;
    *state = (struct sfs_state *)(*b)->data;
    if ((*state)->magic == SFS_STATE_MAGIC)
        return 0;
    buf_put(*b);
    return sfs_damaged(fs, "the state block");
}

int sfs_orphan_first(struct sfs *fs, uint32_t *ino)
{
    struct sfs_state *state;
    struct buf *b;
    int error = state_buf(fs, &b, &state);

    if (error)
        return error;
    *ino = state->orphan_head;
    buf_put(b);
    return 0;
}

int sfs_orphan_add(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    struct sfs_state *state;
    struct sfs_dinode *d;
    struct buf *sb, *b;

    SCOPED_MUTEX(&fs->alloc_lock);
    if (!list_empty(&ip->orphan_link))
        return 0;
    int error = state_buf(fs, &sb, &state);
    if (error)
        return error;
    error = sfs_inode_buf(fs, ip->v.ino, &b, &d);
    if (!error) {
        journal_dirty(&op->h, b);
        d->next_orphan = state->orphan_head;
        buf_put(b);
        journal_dirty(&op->h, sb);
        state->orphan_head = ip->v.ino;
        list_push_front(&fs->orphans, &ip->orphan_link);
    }
    buf_put(sb);
    return error;
}

// Makes the one before ip on the list, or the list's head, point to next.
static int unlink_before(struct sfs_op *op, struct sfs_inode *ip, uint32_t next)
{
    struct sfs *fs = ip->fs;
    struct sfs_inode *before = list_entry(ip->orphan_link.prev, struct sfs_inode, orphan_link);
    bool first = ip->orphan_link.prev == &fs->orphans;
    struct sfs_state *state;
    struct sfs_dinode *d;
    struct buf *b;

    int error = first ? state_buf(fs, &b, &state) : sfs_inode_buf(fs, before->v.ino, &b, &d);
    if (error)
        return error;
    journal_dirty(&op->h, b);
    *(first ? &state->orphan_head : &d->next_orphan) = next;
    buf_put(b);
    return 0;
}

int sfs_orphan_remove(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs_dinode *d;
    struct buf *b;

    SCOPED_MUTEX(&ip->fs->alloc_lock);
    if (list_empty(&ip->orphan_link))
        return 0;
    int error = sfs_inode_buf(ip->fs, ip->v.ino, &b, &d);
    if (error)
        return error;
    error = unlink_before(op, ip, d->next_orphan);
    if (!error) {
        journal_dirty(&op->h, b);
        d->next_orphan = 0;
        list_remove(&ip->orphan_link);
    }
    buf_put(b);
    return error;
}

// Frees the inode itself, whose blocks are gone. Off the table first: the number may be reused at
// once. ip's lock is held.
static int free_inode(struct sfs_op *op, struct sfs_inode *ip)
{
    int error = sfs_orphan_remove(op, ip);

    if (error)
        return error;
    ip->d = (struct sfs_dinode){.generation = ip->d.generation};
    error = sfs_update(op, ip);
    if (error)
        return error;
    mutex_lock(&ip->fs->inodes_lock);
    list_remove(&ip->hash);
    mutex_unlock(&ip->fs->inodes_lock);
    return sfs_free_inode(op, ip->v.ino);
}

static uint64_t blocks_of(const struct sfs_inode *ip)
{
    return (ip->d.size + SFS_BLOCK - 1) / SFS_BLOCK;
}

int sfs_orphan_finish(struct sfs_inode *ip, bool last)
{
    bool done = false;
    int error = 0;

    while (!error && !done) {
        struct sfs_op op;
        error = sfs_op_begin(ip->fs, &op, SFS_RES_SHRINK, 0);
        if (error)
            return error;
        mutex_lock(&ip->lock);
        error = sfs_shrink(&op, ip, last ? 0 : blocks_of(ip), &done);
        if (!error && done && last) {
            error = free_inode(&op, ip);
        } else if (!error) {
            if (done && ip->d.nlink > 0)
                error = sfs_orphan_remove(&op, ip);
            if (!error)
                error = sfs_update(&op, ip);
        }
        mutex_unlock(&ip->lock);
        error = sfs_op_end(&op, error);
    }
    return error;
}

// ---- truncation ----

// Frees the blocks beyond the size, which becomes *size unless that is NULL.
static int cut(struct sfs_inode *ip, const uint64_t *size)
{
    struct sfs_op op;
    bool done = false;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_SHRINK, 0);

    if (error)
        return error;
    mutex_lock(&ip->lock);
    if (size) {
        ip->d.size = *size;
        ip->d.mtime = ip->d.ctime = ip->fs->env->now();
    }
    error = sfs_shrink(&op, ip, blocks_of(ip), &done);
    if (!error && !done)
        error = sfs_orphan_add(&op, ip);
    else if (!error && ip->d.nlink > 0)
        error = sfs_orphan_remove(&op, ip); // an earlier truncation had failed half-way
    if (!error)
        error = sfs_update(&op, ip);
    mutex_unlock(&ip->lock);
    error = sfs_op_end(&op, error);
    return error || done ? error : sfs_orphan_finish(ip, false);
}

int sfs_truncate(struct vnode *v, uint64_t size)
{
    return size > SFS_FILE_MAX ? EFBIG : cut(sfs_inode_of(v), &size);
}

int sfs_trim(struct vnode *v)
{
    return cut(sfs_inode_of(v), NULL);
}
