// SPDX-License-Identifier: BSD-2-Clause
//
// Names that go: unlink, rmdir, rename. An inode that loses its last link becomes an orphan in the
// same operation; its blocks are freed when it is closed.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "sync/scoped.h"

static struct sfs_inode *dir_of(const struct vname *n)
{
    return sfs_inode_of(n->dir);
}

// Finds a name that must be ip's.
static int find(const struct vname *n, const struct sfs_inode *ip, struct sfs_slot *slot)
{
    int error = sfs_dir_find(dir_of(n), n->str, n->len, slot);

    if (!error && slot->ino != ip->v.ino) {
        buf_put(slot->b);
        error = ENOENT;
    }
    return error;
}

// Takes a name's link away from ip; a directory loses both its links.
static int drop_link(struct sfs_op *op, struct sfs_inode *ip)
{
    SCOPED_MUTEX(&ip->lock);
    if (ip->d.nlink == 0)
        return sfs_damaged(ip->fs, "inode %lu has more names than links", ip->v.ino);
    ip->d.nlink = sfs_is_dir(ip) ? 0 : ip->d.nlink - 1;
    ip->d.ctime = ip->fs->env->now();
    int error = ip->d.nlink == 0 ? sfs_orphan_add(op, ip) : 0;
    return error ? error : sfs_update(op, ip);
}

static int remove_inside(struct sfs_op *op, const struct vname *n, struct sfs_inode *ip)
{
    struct sfs_slot slot;
    int error = find(n, ip, &slot);

    if (error)
        return error;
    sfs_dir_remove(op, dir_of(n), &slot);
    buf_put(slot.b);
    error = drop_link(op, ip);
    return error ? error : sfs_update_links(op, dir_of(n), sfs_is_dir(ip) ? -1 : 0, true);
}

int sfs_remove(const struct vname *n, struct vnode *v)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    struct sfs_op op;
    int error = sfs_is_dir(ip) ? sfs_dir_is_empty(ip) : 0;

    if (!error)
        error = sfs_op_begin(ip->fs, &op, 1 + 2 * SFS_RES_INODE + SFS_RES_ORPHAN, 0);
    return error ? error : sfs_op_end(&op, remove_inside(&op, n, ip));
}

// EINVAL if ancestor is dir or above it. LOCK_RENAME keeps the ".." on the way as they are.
static int check_not_below(struct sfs_inode *dir, const struct sfs_inode *ancestor)
{
    struct sfs *fs = dir->fs;
    uint32_t ino = dir->v.ino;

    for (uint32_t n = 0; n < fs->layout.ninodes; n++) {
        struct sfs_inode *ip;
        if (ino == ancestor->v.ino)
            return EINVAL;
        if (ino == SFS_ROOT_INO)
            return 0;
        int error = sfs_iget_any(fs, ino, false, &ip);
        if (error)
            return error;
        error = sfs_is_dir(ip) ? sfs_dir_lookup(ip, "..", 2, &ino) : ENOTDIR;
        sfs_iput(&ip->v);
        if (error)
            return error;
    }
    return sfs_damaged(fs, "directory %lu has no way to the root", dir->v.ino);
}

// Makes the name `to' mean ip: in place of `over', or as a new name.
static int put_name(struct sfs_op *op, const struct vname *to, struct sfs_inode *ip,
                    struct sfs_inode *over)
{
    struct sfs_slot slot;
    int error = sfs_dir_find(dir_of(to), to->str, to->len, &slot);

    if (error == ENOENT && !over)
        return sfs_dir_add(op, dir_of(to), to->str, to->len, ip->v.ino, ip->v.type);
    if (error)
        return error;
    if (!over || slot.ino != over->v.ino)
        error = EEXIST;
    else
        sfs_dir_replace(op, &slot, ip->v.ino, ip->v.type);
    buf_put(slot.b);
    return error ? error : drop_link(op, over);
}

// A directory that comes to another parent says so.
static int set_parent(struct sfs_op *op, struct sfs_inode *ip, const struct sfs_inode *parent)
{
    struct sfs_slot slot;
    int error = sfs_dir_find(ip, "..", 2, &slot);

    if (error)
        return error == ENOENT ? sfs_damaged(ip->fs, "directory %lu has no ..", ip->v.ino) : error;
    sfs_dir_replace(op, &slot, parent->v.ino, VDIR);
    buf_put(slot.b);
    return 0;
}

static int rename_inside(struct sfs_op *op, const struct vname *from, struct sfs_inode *ip,
                         const struct vname *to, struct sfs_inode *over)
{
    bool moves = sfs_is_dir(ip) && from->dir != to->dir;
    struct sfs_slot slot;
    int error = find(from, ip, &slot);

    if (error)
        return error;
    buf_put(slot.b);
    if (dir_of(to)->d.nlink == 0)
        return ENOENT;
    if (moves && !over && dir_of(to)->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    error = put_name(op, to, ip, over);
    if (!error)
        error = find(from, ip, &slot); // again: the new name may lie before it now
    if (error)
        return error;
    sfs_dir_remove(op, dir_of(from), &slot);
    buf_put(slot.b);
    if (moves)
        error = set_parent(op, ip, dir_of(to));
    if (!error)
        error = sfs_update_links(op, ip, 0, false);
    if (!error)
        error = sfs_update_links(op, dir_of(from), moves ? -1 : 0, true);
    if (!error)
        error = sfs_update_links(op, dir_of(to), (int)moves - (over && sfs_is_dir(over)), true);
    return error;
}

// ---- exchange ----

// Makes the name of `was' mean `now', which comes from another directory or the same one.
static int exchange_name(struct sfs_op *op, const struct vname *n, struct sfs_inode *was,
                         struct sfs_inode *now, bool moves)
{
    int delta = moves ? sfs_is_dir(now) - sfs_is_dir(was) : 0;
    struct sfs_slot slot;
    int error = find(n, was, &slot);

    if (error)
        return error;
    sfs_dir_replace(op, &slot, now->v.ino, now->v.type);
    buf_put(slot.b);
    if (moves && sfs_is_dir(now))
        error = set_parent(op, now, dir_of(n));
    if (!error)
        error = sfs_update_links(op, now, 0, false);
    return error ? error : sfs_update_links(op, dir_of(n), delta, true);
}

static int exchange_inside(struct sfs_op *op, const struct vname *from, struct sfs_inode *ip,
                           const struct vname *to, struct sfs_inode *other)
{
    const struct sfs_inode *gains = sfs_is_dir(ip) ? dir_of(to) : dir_of(from);
    bool moves = from->dir != to->dir;
    struct sfs_slot slot;
    int error = find(to, other, &slot); // nothing may be changed if either name is another's

    if (error)
        return error;
    buf_put(slot.b);
    if (moves && sfs_is_dir(ip) != sfs_is_dir(other) && gains->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    error = exchange_name(op, from, ip, other, moves);
    return error ? error : exchange_name(op, to, other, ip, moves);
}

int sfs_rename(const struct vname *from, struct vnode *v, const struct vname *to,
               struct vnode *over, bool exchange)
{
    struct sfs_inode *ip = sfs_inode_of(v), *other = over ? sfs_inode_of(over) : NULL;
    bool moves = from->dir != to->dir;
    struct sfs_op op;
    int error = 0;

    if (v == over)
        return 0;
    if (moves && sfs_is_dir(ip))
        error = check_not_below(dir_of(to), ip);
    if (!error && moves && exchange && sfs_is_dir(other))
        error = check_not_below(dir_of(from), other);
    if (!error && !exchange && other && sfs_is_dir(other))
        error = sfs_dir_is_empty(other);
    if (error)
        return error;
    // A new name, the old one's block, the block of "..", four inodes, an orphan. Or both names'
    // blocks, the blocks of two "..", four inodes.
    error = sfs_op_begin(ip->fs, &op,
                         exchange ? 4 + 4 * SFS_RES_INODE
                                  : SFS_RES_ADD + 2 + 4 * SFS_RES_INODE + SFS_RES_ORPHAN,
                         over ? 0 : SFS_GROW_BLOCKS);
    if (error)
        return error;
    error = sfs_op_end(&op, exchange ? exchange_inside(&op, from, ip, to, other)
                                     : rename_inside(&op, from, ip, to, other));
    if (!error)
        sfs_found_in(ip, dir_of(to));
    if (!error && exchange)
        sfs_found_in(other, dir_of(from));
    return error;
}
