// SPDX-License-Identifier: BSD-2-Clause
//
// New names: lookup, create, symlink, link. Each is one operation; names are looked for within it,
// since a buffer may not stay pinned while an operation begins.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/string.h"

// Of a name that means dir itself: true unless it is "." or the root's "..", so no sound directory
// has it. Who follows it on the way up never arrives; who locks what it names locks dir twice.
static bool means_itself(const struct sfs_inode *dir, const char *name, size_t len)
{
    return len > (dir->ino == SFS_ROOT_INO ? 2u : 1u) || memcmp(name, "..", len) != 0;
}

int sfs_lookup(struct sfs_inode *dir, const char *name, size_t len, uint32_t *ino)
{
    struct sfs_slot slot;
    int error = sfs_dir_check(dir, len);

    if (!error)
        error = sfs_dir_find(dir, name, len, &slot);
    if (error)
        return error;
    *ino = slot.ino;
    buf_put(slot.b);
    if (slot.ino == dir->ino && means_itself(dir, name, len))
        return sfs_damaged(dir->fs, "directory %u: a name in it means itself", dir->ino);
    return 0;
}

int sfs_update_links(struct sfs_op *op, struct sfs_inode *ip, int delta, bool contents)
{
    mutex_lock(&ip->lock);
    ip->d.nlink += delta;
    ip->d.ctime = ip->fs->env->now();
    if (contents)
        ip->d.mtime = ip->d.ctime;
    int error = sfs_update(op, ip);
    mutex_unlock(&ip->lock);
    return error;
}

// What must hold before a name can be added.
static int may_add(struct sfs_inode *dir, const char *name, size_t len, bool subdir)
{
    struct sfs_slot slot;

    if (dir->d.nlink == 0)
        return ENOENT;
    if (subdir && dir->d.nlink >= SFS_LINK_MAX)
        return EMLINK;
    int error = sfs_dir_find(dir, name, len, &slot);
    if (!error)
        buf_put(slot.b);
    return error == ENOENT ? 0 : error ? error : EEXIST;
}

// Gives ip an inode number and writes its first state.
static int make_inode(struct sfs_op *op, struct sfs_inode *ip, const struct sfs_new *init)
{
    struct sfs_dinode *d;
    struct buf *b;
    int error = sfs_alloc_inode(op, &ip->ino);

    if (!error)
        error = sfs_inode_buf(op->fs, ip->ino, &b, &d);
    if (error)
        return error;
    ip->d.generation = d->generation + 1;
    buf_put(b);
    ip->d.mode = init->mode;
    ip->d.uid = init->uid;
    ip->d.gid = init->gid;
    ip->d.rdev = init->rdev;
    ip->d.nlink = (init->mode & SFS_IFMT) == SFS_IFDIR ? 2 : 1;
    ip->d.atime = ip->d.mtime = ip->d.ctime = op->fs->env->now();
    mutex_lock(&ip->lock);
    error = sfs_update(op, ip);
    mutex_unlock(&ip->lock);
    return error;
}

// Stores a symlink's target: in the inode if it is short, else in a block that is journaled.
static int store_target(struct sfs_op *op, struct sfs_inode *ip, const char *target, size_t len)
{
    struct sfs_map map;
    struct buf *b;
    int error = 0;

    mutex_lock(&ip->lock);
    ip->d.size = len;
    if (len < SFS_FAST_LINK) {
        memcpy(ip->d.link, target, len);
    } else {
        error = sfs_map_alloc(op, ip, 0, 1, false, &map);
        if (!error)
            error = buf_get_new(&op->fs->cache, map.block, &b);
        if (!error) {
            journal_dirty(&op->h, b);
            memcpy(b->data, target, len);
            buf_put(b);
        }
    }
    if (!error)
        error = sfs_update(op, ip);
    mutex_unlock(&ip->lock);
    return error;
}

struct creation {
    const char *name;
    size_t len;
    const struct sfs_new *init;
    const char *target; // of a symlink, or NULL
    size_t target_len;
};

// All steps within the operation.
static int create_inside(struct sfs_op *op, struct sfs_inode *dir, const struct creation *c,
                         struct sfs_inode *ip)
{
    bool subdir = (c->init->mode & SFS_IFMT) == SFS_IFDIR;
    int error = may_add(dir, c->name, c->len, subdir);

    if (!error)
        error = make_inode(op, ip, c->init);
    if (!error && subdir)
        error = sfs_dir_init(op, ip, dir->ino);
    if (!error && c->target)
        error = store_target(op, ip, c->target, c->target_len);
    if (!error)
        error = sfs_dir_add(op, dir, c->name, c->len, ip->ino, c->init->mode >> 12);
    if (!error)
        error = sfs_update_links(op, dir, subdir, true);
    return error;
}

static int create(struct sfs_inode *dir, const struct creation *c, struct sfs_inode **out)
{
    struct sfs_inode *ip;
    struct sfs_op op;
    int error = sfs_dir_check_new(dir, c->name, c->len);

    if (!error)
        error = sfs_inode_new(dir->fs, &ip);
    if (error)
        return error;
    error =
        sfs_op_begin(dir->fs, &op, SFS_RES_ADD + SFS_RES_GROW + SFS_RES_NEW, SFS_GROW_BLOCKS + 1);
    if (!error) {
        error = create_inside(&op, dir, c, ip);
        error = sfs_op_end(&op, error);
    }
    if (error) {
        sfs_inode_forget(ip);
        return error;
    }
    sfs_inode_enter(ip);
    *out = ip;
    return 0;
}

int sfs_create(struct sfs_inode *dir, const char *name, size_t len, const struct sfs_new *init,
               struct sfs_inode **out)
{
    struct creation c = {.name = name, .len = len, .init = init};

    if (init->mode & ~(uint32_t)0177777 || (init->mode & SFS_IFMT) == SFS_IFLNK)
        return EINVAL;
    return create(dir, &c, out);
}

int sfs_symlink(struct sfs_inode *dir, const char *name, size_t len, const struct sfs_new *init,
                const char *target, size_t target_len, struct sfs_inode **out)
{
    struct sfs_new link = *init;
    struct creation c = {
        .name = name, .len = len, .init = &link, .target = target, .target_len = target_len};

    if (target_len == 0)
        return ENOENT;
    if (target_len > SFS_SYMLINK_MAX)
        return ENAMETOOLONG;
    link.mode = SFS_IFLNK | 0777;
    return create(dir, &c, out);
}

int sfs_readlink(struct sfs_inode *ip, char *buf, size_t size, size_t *len)
{
    struct sfs_map map;
    struct buf *b;
    int error;

    if ((ip->d.mode & SFS_IFMT) != SFS_IFLNK)
        return EINVAL;
    *len = min(size, (size_t)ip->d.size);
    if (ip->d.size < SFS_FAST_LINK) {
        memcpy(buf, ip->d.link, *len);
        return 0;
    }
    mutex_lock(&ip->lock);
    error = sfs_map_find(ip, 0, 1, &map);
    mutex_unlock(&ip->lock);
    if (!error && (map.block == 0 || map.fresh))
        error = sfs_damaged(ip->fs, "symlink %u has no block", ip->ino);
    if (!error)
        error = buf_get(&ip->fs->cache, map.block, &b);
    if (error)
        return error;
    memcpy(buf, b->data, *len);
    buf_put(b);
    return 0;
}

static int link_inside(struct sfs_op *op, struct sfs_inode *dir, const char *name, size_t len,
                       struct sfs_inode *ip)
{
    int error = may_add(dir, name, len, false);

    if (!error)
        error = ip->d.nlink == 0 ? ENOENT : ip->d.nlink >= SFS_LINK_MAX ? EMLINK : 0;
    if (!error)
        error = sfs_dir_add(op, dir, name, len, ip->ino, ip->d.mode >> 12);
    if (!error)
        error = sfs_update_links(op, ip, 1, false);
    if (!error)
        error = sfs_update_links(op, dir, 0, true);
    return error;
}

int sfs_link(struct sfs_inode *dir, const char *name, size_t len, struct sfs_inode *ip)
{
    struct sfs_op op;
    int error = sfs_dir_check_new(dir, name, len);

    if (!error && (ip->d.mode & SFS_IFMT) == SFS_IFDIR)
        error = EPERM;
    if (!error)
        error = sfs_op_begin(dir->fs, &op, SFS_RES_ADD + SFS_RES_INODE, SFS_GROW_BLOCKS);
    return error ? error : sfs_op_end(&op, link_inside(&op, dir, name, len, ip));
}
