// SPDX-License-Identifier: BSD-2-Clause
//
// New names: lookup, create, symlink, link. Each is one operation; names are looked for within it,
// since a buffer may not stay pinned while an operation begins.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "sync/scoped.h"

int sfs_lookup(struct vnode *dir, const char *name, size_t len, struct vnode **out)
{
    struct sfs_inode *dp = sfs_inode_of(dir);
    uint32_t ino;
    int error = sfs_dir_lookup(dp, name, len, &ino);

    if (!error)
        error = sfs_iget(dp->fs, ino, out);
    if (!error)
        sfs_found_in(sfs_inode_of(*out), dp);
    return error;
}

int sfs_update_links(struct sfs_op *op, struct sfs_inode *ip, int delta, bool contents)
{
    SCOPED_MUTEX(&ip->lock);
    ip->d.nlink += delta;
    ip->d.ctime = ip->fs->env->now();
    if (contents)
        ip->d.mtime = ip->d.ctime;
    return sfs_update(op, ip);
}

// What must hold before a name can be added.
static int may_add(const struct vname *n, bool subdir)
{
    struct sfs_inode *dir = sfs_inode_of(n->dir);
    struct sfs_slot slot;

    KASSERT(n->len > 0 && n->len <= SFS_NAME_MAX, "a name of %zu bytes", n->len);
    if (dir->d.nlink == 0)
        return ENOENT;
    if (subdir && dir->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    int error = sfs_dir_find(dir, n->str, n->len, &slot);
    if (!error)
        buf_put(slot.b);
    return error == ENOENT ? 0 : error ? error : EEXIST;
}

// Gives ip an inode number and writes its first state.
static int make_inode(struct sfs_op *op, struct sfs_inode *ip, uint32_t mode)
{
    struct sfs_dinode *d;
    struct buf *b;
    uint32_t ino;
    int error = sfs_alloc_inode(op, &ino);

    if (!error)
        error = sfs_inode_buf(op->fs, ino, &b, &d);
    if (error)
        return error;
    ip->v.ino = ino;
    ip->d.generation = d->generation + 1;
    buf_put(b);
    ip->d.mode = mode;
    ip->d.nlink = mode >> VTYPE_SHIFT == VDIR ? 2 : 1;
    ip->d.atime = ip->d.mtime = ip->d.ctime = op->fs->env->now();
    SCOPED_MUTEX(&ip->lock);
    return sfs_update(op, ip);
}

// Stores a symlink's target: in the inode if it is short, else in a block that is journaled.
static int store_target(struct sfs_op *op, struct sfs_inode *ip, const char *target)
{
    size_t len = strlen(target);
    struct vnode_map map;
    struct buf *b;

    SCOPED_MUTEX(&ip->lock);
    ip->d.size = len;
    if (len < SFS_FAST_LINK) {
        memcpy(ip->d.link, target, len);
        return sfs_update(op, ip);
    }
    int error = sfs_map_alloc(op, ip, 0, 1, false, &map);
    if (!error)
        error = buf_get_new(&op->fs->cache, map.block, &b);
    if (error)
        return error;
    journal_dirty(&op->h, b);
    memcpy(b->data, target, len);
    buf_put(b);
    return sfs_update(op, ip);
}

// All steps within the operation.
static int create_inside(struct sfs_op *op, const struct vname *n, uint32_t mode,
                         const char *target, struct sfs_inode *ip)
{
    struct sfs_inode *dir = sfs_inode_of(n->dir);
    unsigned type = mode >> VTYPE_SHIFT;
    int error = may_add(n, type == VDIR);

    if (!error)
        error = make_inode(op, ip, mode);
    if (!error && type == VDIR)
        error = sfs_dir_init(op, ip, dir->v.ino);
    if (!error && target)
        error = store_target(op, ip, target);
    if (!error)
        error = sfs_dir_add(op, dir, n->str, n->len, ip->v.ino, type);
    if (!error)
        error = sfs_update_links(op, dir, type == VDIR, true);
    return error;
}

int sfs_create(const struct vname *n, uint32_t mode, const char *target, struct vnode **out)
{
    struct sfs_inode *dir = sfs_inode_of(n->dir), *ip;
    struct sfs_op op;

    KASSERT((mode >> VTYPE_SHIFT == VLNK) == (target != NULL), "mode 0%o", mode);
    if (target && strlen(target) > SFS_SYMLINK_MAX)
        return ENAMETOOLONG;
    int error = sfs_inode_new(dir->fs, &ip);
    if (error)
        return error;
    error =
        sfs_op_begin(dir->fs, &op, SFS_RES_ADD + SFS_RES_GROW + SFS_RES_NEW, SFS_GROW_BLOCKS + 1);
    if (!error)
        error = sfs_op_end(&op, create_inside(&op, n, mode, target, ip));
    if (error) {
        dir->fs->env->free(ip, sizeof(*ip));
        return error;
    }
    sfs_inode_enter(ip);
    sfs_found_in(ip, dir);
    *out = &ip->v;
    return 0;
}

int sfs_readlink(struct vnode *v, char *buf, size_t size, size_t *len)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    struct vnode_map map;
    struct buf *b;

    *len = min(size, (size_t)ip->d.size);
    if (ip->d.size < SFS_FAST_LINK) {
        memcpy(buf, ip->d.link, *len);
        return 0;
    }
    mutex_lock(&ip->lock);
    int error = sfs_map_find(ip, 0, 1, &map);
    mutex_unlock(&ip->lock);
    if (!error && (map.block == 0 || map.fresh))
        error = sfs_damaged(ip->fs, "symlink %lu has no block", v->ino);
    if (!error)
        error = buf_get(&ip->fs->cache, map.block, &b);
    if (error)
        return error;
    memcpy(buf, b->data, *len);
    buf_put(b);
    return 0;
}

static int link_inside(struct sfs_op *op, const struct vname *n, struct sfs_inode *ip)
{
    struct sfs_inode *dir = sfs_inode_of(n->dir);
    int error = may_add(n, false);

    if (!error)
        error = ip->d.nlink == 0 ? ENOENT : ip->d.nlink >= SFS_LINK_MAX ? EMLINK : 0;
    if (!error)
        error = sfs_dir_add(op, dir, n->str, n->len, ip->v.ino, ip->v.type);
    if (!error)
        error = sfs_update_links(op, ip, 1, false);
    if (!error)
        error = sfs_update_links(op, dir, 0, true);
    return error;
}

int sfs_link(const struct vname *n, struct vnode *v)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    struct sfs_op op;
    int error = sfs_op_begin(ip->fs, &op, SFS_RES_ADD + SFS_RES_INODE, SFS_GROW_BLOCKS);

    KASSERT(v->type != VDIR, "directory %lu", v->ino);
    return error ? error : sfs_op_end(&op, link_inside(&op, n, ip));
}
