// SPDX-License-Identifier: BSD-2-Clause
//
// Names that go: unlink, rmdir, rename. An inode that loses its last link becomes an orphan in the
// same operation; its blocks are freed when it is closed.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/string.h"

static bool is_dir(const struct sfs_inode *ip)
{
    return (ip->d.mode & SFS_IFMT) == SFS_IFDIR;
}

static bool is_dots(const struct sfs_name *n)
{
    return n->len <= 2 && memcmp(n->name, "..", n->len) == 0;
}

// Finds a name that must be ip's.
static int find(const struct sfs_name *n, const struct sfs_inode *ip, struct sfs_slot *slot)
{
    int error = sfs_dir_find(n->dir, n->name, n->len, slot);

    if (!error && slot->ino != ip->ino) {
        buf_put(slot->b);
        error = ENOENT;
    }
    return error;
}

// Takes a name's link away from ip; a directory loses both its links.
static int drop_link(struct sfs_op *op, struct sfs_inode *ip)
{
    int error = 0;

    mutex_lock(&ip->lock);
    if (ip->d.nlink == 0) {
        error = sfs_damaged(ip->fs, "inode %u has more names than links", ip->ino);
    } else {
        ip->d.nlink = is_dir(ip) ? 0 : ip->d.nlink - 1;
        ip->d.ctime = ip->fs->env->now();
        if (ip->d.nlink == 0)
            error = sfs_orphan_add(op, ip);
        if (!error)
            error = sfs_update(op, ip);
    }
    mutex_unlock(&ip->lock);
    return error;
}

static int remove_inside(struct sfs_op *op, const struct sfs_name *n, struct sfs_inode *ip)
{
    struct sfs_slot slot;
    int error = find(n, ip, &slot);

    if (error)
        return error;
    sfs_dir_remove(op, n->dir, &slot);
    buf_put(slot.b);
    error = drop_link(op, ip);
    return error ? error : sfs_update_links(op, n->dir, is_dir(ip) ? -1 : 0, true);
}

static int remove_name(const struct sfs_name *n, struct sfs_inode *ip)
{
    struct sfs_op op;
    int error = sfs_op_begin(n->dir->fs, &op, 1 + 2 * SFS_RES_INODE + SFS_RES_ORPHAN, 0);

    return error ? error : sfs_op_end(&op, remove_inside(&op, n, ip));
}

int sfs_unlink(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip)
{
    struct sfs_name n = {.dir = dir, .name = name, .len = len};
    int error = sfs_dir_check(dir, len);

    if (!error && is_dir(ip))
        error = EISDIR;
    return error ? error : remove_name(&n, ip);
}

int sfs_rmdir(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip)
{
    struct sfs_name n = {.dir = dir, .name = name, .len = len};
    int error = sfs_dir_check(dir, len);

    if (!error && is_dots(&n))
        error = len == 1 ? EINVAL : ENOTEMPTY;
    if (!error && !is_dir(ip))
        error = ENOTDIR;
    if (!error)
        error = sfs_dir_is_empty(ip);
    return error ? error : remove_name(&n, ip);
}

// EINVAL if ancestor is dir or above it. LOCK_RENAME keeps the ".." on the way as they are.
static int check_not_below(struct sfs_inode *dir, const struct sfs_inode *ancestor)
{
    struct sfs *fs = dir->fs;
    uint32_t ino = dir->ino;

    for (uint32_t n = 0; n < fs->layout.ninodes; n++) {
        struct sfs_inode *ip;
        uint32_t parent;
        if (ino == ancestor->ino)
            return EINVAL;
        if (ino == SFS_ROOT_INO)
            return 0;
        int error = sfs_iget(fs, ino, &ip);
        if (error)
            return error;
        error = sfs_lookup(ip, "..", 2, &parent);
        sfs_iput(ip);
        if (error)
            return error;
        ino = parent;
    }
    return sfs_damaged(fs, "directory %u has no way to the root", dir->ino);
}

// All that can refuse a rename, besides what is found in its operation.
static int check_rename(const struct sfs_name *from, struct sfs_inode *ip,
                        const struct sfs_name *to, struct sfs_inode *over)
{
    int error = sfs_dir_check(from->dir, from->len);

    if (!error)
        error = sfs_dir_check_new(to->dir, to->name, to->len);
    if (!error && (is_dots(from) || is_dots(to)))
        error = EINVAL;
    if (!error && over && is_dir(ip) != is_dir(over))
        error = is_dir(over) ? EISDIR : ENOTDIR;
    if (!error && is_dir(ip) && from->dir != to->dir)
        error = check_not_below(to->dir, ip);
    if (!error && over && is_dir(over))
        error = sfs_dir_is_empty(over);
    return error;
}

// Makes the name `to' mean ip: in place of `over', or as a new name.
static int put_name(struct sfs_op *op, const struct sfs_name *to, struct sfs_inode *ip,
                    struct sfs_inode *over)
{
    struct sfs_slot slot;
    int error = sfs_dir_find(to->dir, to->name, to->len, &slot);
    bool found = !error;

    if (error && error != ENOENT)
        return error;
    error = 0;
    if (found && (!over || slot.ino != over->ino))
        error = EEXIST;
    else if (!found && over)
        error = ENOENT;
    else if (found)
        sfs_dir_replace(op, &slot, ip->ino, ip->d.mode >> 12);
    if (found)
        buf_put(slot.b);
    if (error)
        return error;
    return found ? drop_link(op, over)
                 : sfs_dir_add(op, to->dir, to->name, to->len, ip->ino, ip->d.mode >> 12);
}

// A directory that comes to another parent says so.
static int set_parent(struct sfs_op *op, struct sfs_inode *ip, const struct sfs_inode *parent)
{
    struct sfs_slot slot;
    int error = sfs_dir_find(ip, "..", 2, &slot);

    if (error)
        return error == ENOENT ? sfs_damaged(ip->fs, "directory %u has no ..", ip->ino) : error;
    sfs_dir_replace(op, &slot, parent->ino, SFS_IFDIR >> 12);
    buf_put(slot.b);
    return 0;
}

static int rename_inside(struct sfs_op *op, const struct sfs_name *from, struct sfs_inode *ip,
                         const struct sfs_name *to, struct sfs_inode *over)
{
    bool moves = is_dir(ip) && from->dir != to->dir;
    struct sfs_slot slot;
    int error = find(from, ip, &slot);

    if (error)
        return error;
    buf_put(slot.b);
    if (to->dir->d.nlink == 0)
        return ENOENT;
    if (moves && !over && to->dir->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    error = put_name(op, to, ip, over);
    if (!error)
        error = find(from, ip, &slot); // again: the new name may lie before it now
    if (error)
        return error;
    sfs_dir_remove(op, from->dir, &slot);
    buf_put(slot.b);
    if (moves)
        error = set_parent(op, ip, to->dir);
    if (!error)
        error = sfs_update_links(op, ip, 0, false);
    if (!error)
        error = sfs_update_links(op, from->dir, moves ? -1 : 0, true);
    if (!error)
        error = sfs_update_links(op, to->dir, (int)moves - (over && is_dir(over)), true);
    return error;
}

int sfs_rename(const struct sfs_name *from, struct sfs_inode *ip, const struct sfs_name *to,
               struct sfs_inode *over)
{
    struct sfs_op op;
    int error;

    if (ip == over)
        return 0;
    error = check_rename(from, ip, to, over);
    if (error)
        return error;
    // A new name, the old one's block, the block of "..", four inodes, an orphan.
    error = sfs_op_begin(ip->fs, &op, SFS_RES_ADD + 2 + 4 * SFS_RES_INODE + SFS_RES_ORPHAN,
                         over ? 0 : SFS_GROW_BLOCKS);
    return error ? error : sfs_op_end(&op, rename_inside(&op, from, ip, to, over));
}

// ---- exchange ----

// Makes the name of `was' mean `now', which comes from another directory or the same one.
static int exchange_name(struct sfs_op *op, const struct sfs_name *n, struct sfs_inode *was,
                         struct sfs_inode *now, bool moves)
{
    struct sfs_slot slot;
    int error = find(n, was, &slot);

    if (error)
        return error;
    sfs_dir_replace(op, &slot, now->ino, now->d.mode >> 12);
    buf_put(slot.b);
    if (moves && is_dir(now))
        error = set_parent(op, now, n->dir);
    if (!error)
        error = sfs_update_links(op, now, 0, false);
    return error ? error
                 : sfs_update_links(op, n->dir, moves ? is_dir(now) - is_dir(was) : 0, true);
}

static int exchange_inside(struct sfs_op *op, const struct sfs_name *from, struct sfs_inode *ip,
                           const struct sfs_name *to, struct sfs_inode *other)
{
    const struct sfs_inode *gains = is_dir(ip) ? to->dir : from->dir;
    bool moves = from->dir != to->dir;
    struct sfs_slot slot;
    int error = find(to, other, &slot); // nothing may be changed if either name is another's

    if (error)
        return error;
    buf_put(slot.b);
    if (moves && is_dir(ip) != is_dir(other) && gains->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    error = exchange_name(op, from, ip, other, moves);
    return error ? error : exchange_name(op, to, other, ip, moves);
}

int sfs_exchange(const struct sfs_name *from, struct sfs_inode *ip, const struct sfs_name *to,
                 struct sfs_inode *other)
{
    struct sfs_op op;

    if (ip == other)
        return 0;
    int error = sfs_dir_check(from->dir, from->len);
    if (!error)
        error = sfs_dir_check(to->dir, to->len);
    if (!error && (is_dots(from) || is_dots(to)))
        error = EINVAL;
    if (!error && is_dir(ip) && from->dir != to->dir)
        error = check_not_below(to->dir, ip);
    if (!error && is_dir(other) && from->dir != to->dir)
        error = check_not_below(from->dir, other);
    if (error)
        return error;
    // Both names' blocks, the blocks of two "..", four inodes.
    error = sfs_op_begin(ip->fs, &op, 4 + 4 * SFS_RES_INODE, 0);
    return error ? error : sfs_op_end(&op, exchange_inside(&op, from, ip, to, other));
}
