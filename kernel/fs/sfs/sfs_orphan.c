// SPDX-License-Identifier: BSD-2-Clause
//
// Orphans: inodes whose freeing or truncation takes more than one transaction, or waits until they
// are closed. They are on a list on the disk (head in the state block, then next_orphan), and the
// next mount finishes what a crash interrupts. The list in memory has the same order, so that an
// inode in its middle finds the one before. alloc_lock guards both.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"

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

int sfs_orphan_add(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    struct sfs_state *state;
    struct sfs_dinode *d;
    struct buf *sb, *b;
    int error = 0;

    mutex_lock(&fs->alloc_lock);
    if (!list_empty(&ip->orphan_link))
        goto out;
    error = state_buf(fs, &sb, &state);
    if (error)
        goto out;
    error = sfs_inode_buf(fs, ip->ino, &b, &d);
    if (!error) {
        journal_dirty(&op->h, b);
        d->next_orphan = state->orphan_head;
        buf_put(b);
        journal_dirty(&op->h, sb);
        state->orphan_head = ip->ino;
        list_push_front(&fs->orphans, &ip->orphan_link);
    }
    buf_put(sb);
out:
    mutex_unlock(&fs->alloc_lock);
    return error;
}

// Makes the one before ip on the list, or the list's head, point to next.
static int unlink_before(struct sfs_op *op, struct sfs_inode *ip, uint32_t next)
{
    struct sfs *fs = ip->fs;
    struct sfs_state *state;
    struct sfs_dinode *d;
    struct buf *b;
    int error;

    if (ip->orphan_link.prev == &fs->orphans) {
        error = state_buf(fs, &b, &state);
        if (error)
            return error;
        journal_dirty(&op->h, b);
        state->orphan_head = next;
    } else {
        error = sfs_inode_buf(
            fs, list_entry(ip->orphan_link.prev, struct sfs_inode, orphan_link)->ino, &b, &d);
        if (error)
            return error;
        journal_dirty(&op->h, b);
        d->next_orphan = next;
    }
    buf_put(b);
    return 0;
}

int sfs_orphan_remove(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    struct sfs_dinode *d;
    struct buf *b;
    int error = 0;

    mutex_lock(&fs->alloc_lock);
    if (!list_empty(&ip->orphan_link))
        error = sfs_inode_buf(fs, ip->ino, &b, &d);
    if (!error && !list_empty(&ip->orphan_link)) {
        error = unlink_before(op, ip, d->next_orphan);
        if (!error) {
            journal_dirty(&op->h, b);
            d->next_orphan = 0;
            list_remove(&ip->orphan_link);
        }
        buf_put(b);
    }
    mutex_unlock(&fs->alloc_lock);
    return error;
}

// Frees the inode itself, whose blocks are gone. Off the table first: the number may be reused at
// once. ip's lock is held.
static int free_inode(struct sfs_op *op, struct sfs_inode *ip)
{
    struct sfs *fs = ip->fs;
    int error = sfs_orphan_remove(op, ip);

    if (error)
        return error;
    ip->d = (struct sfs_dinode){.generation = ip->d.generation};
    error = sfs_update(op, ip);
    if (error)
        return error;
    mutex_lock(&fs->inodes_lock);
    list_remove(&ip->hash);
    mutex_unlock(&fs->inodes_lock);
    return sfs_free_inode(op, ip->ino);
}

// One step of truncating an orphan or, if it is the last we hear of it, freeing it.
static int step(struct sfs_inode *ip, bool last, bool *done)
{
    struct sfs_op op;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_SHRINK, 0);

    if (error)
        return error;
    mutex_lock(&ip->lock);
    error = sfs_shrink(&op, ip, last ? 0 : (ip->d.size + SFS_BLOCK - 1) / SFS_BLOCK, done);
    if (!error && *done && last) {
        error = free_inode(&op, ip);
    } else if (!error) {
        if (*done && ip->d.nlink > 0)
            error = sfs_orphan_remove(&op, ip);
        if (!error)
            error = sfs_update(&op, ip);
    }
    mutex_unlock(&ip->lock);
    return sfs_op_end(&op, error);
}

int sfs_orphan_truncate(struct sfs_inode *ip)
{
    bool done = false;
    int error = 0;

    while (!error && !done)
        error = step(ip, false, &done);
    return error;
}

int sfs_orphan_free(struct sfs_inode *ip)
{
    bool done = false;
    int error = 0;

    while (!error && !done)
        error = step(ip, true, &done);
    return error;
}

// At mount the list in memory holds just the inode in work, which is the disk's first.
int sfs_orphan_recover(struct sfs *fs)
{
    struct sfs_state *state;
    struct sfs_inode *ip;
    struct buf *b;

    for (uint32_t n = 0; n < fs->layout.ninodes; n++) {
        int error = state_buf(fs, &b, &state);
        if (error)
            return error;
        uint32_t ino = state->orphan_head;
        buf_put(b);
        if (ino == 0)
            return 0;
        error = sfs_iget_any(fs, ino, true, &ip);
        if (error)
            return error;
        mutex_lock(&fs->alloc_lock);
        list_push_front(&fs->orphans, &ip->orphan_link);
        mutex_unlock(&fs->alloc_lock);
        error = ip->d.nlink > 0 ? sfs_orphan_truncate(ip) : sfs_orphan_free(ip);
        sfs_iput(ip);
        if (error)
            return error;
    }
    return sfs_damaged(fs, "the list of orphans has no end");
}
