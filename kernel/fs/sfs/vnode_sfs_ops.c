// SPDX-License-Identifier: BSD-2-Clause
//
// The operations of the on-disk file system's vnodes. They are thin: directory operations add the
// child's lock, which sfs wants, and turn inodes into vnodes; files say where their pages lie.

#include "fs/sfs/vnode_sfs.h"

#include "fs/sfs/sfs.h"
#include "fs/vnode_pager.h"
#include "lib/errno.h"
#include "lib/string.h"

// ---- attributes ----

static int sfs_vop_getattr(struct vnode *v, struct vattr *va)
{
    struct sfs_attr a;

    sfs_getattr(sfs_inode_of(v), &a);
    *va = (struct vattr){
        .ino = a.ino,
        .mode = a.mode,
        .nlink = a.nlink,
        .uid = a.uid,
        .gid = a.gid,
        .rdev = a.rdev,
        .size = v->type == VREG ? v->size : a.size,
        .blocks = a.nblocks * (uint64_t)(PAGE_SIZE / 512),
        .atime_ns = (uint64_t)a.atime,
        .mtime_ns = (uint64_t)a.mtime,
        .ctime_ns = (uint64_t)a.ctime,
    };
    return 0;
}

static int sfs_vop_setattr(struct vnode *v, const struct vattr *va, unsigned which)
{
    struct sfs_attr a = {
        .mode = va->mode,
        .uid = va->uid,
        .gid = va->gid,
        .atime = (int64_t)va->atime_ns,
        .mtime = (int64_t)va->mtime_ns,
    };
    unsigned set = (which & VA_MODE ? SFS_SET_MODE : 0) | (which & VA_UID ? SFS_SET_UID : 0) |
                   (which & VA_GID ? SFS_SET_GID : 0) | (which & VA_ATIME ? SFS_SET_ATIME : 0) |
                   (which & VA_MTIME ? SFS_SET_MTIME : 0);

    return sfs_setattr(sfs_inode_of(v), &a, set);
}

// ---- directories ----

static int sfs_vop_lookup(struct vnode *dir, const char *name, size_t len, struct vnode **out)
{
    struct sfs_inode *ip;
    uint32_t ino;
    int err = sfs_lookup(sfs_inode_of(dir), name, len, &ino);

    if (!err)
        err = sfs_iget(sfs_inode_of(dir)->fs, ino, &ip);
    if (!err)
        err = sfs_vnode_get(dir->mount, ip, out);
    if (!err)
        sfs_vnode_found_in(*out, sfs_inode_of(dir));
    return err;
}

static int make_inode(struct vnode *dir, const char *name, size_t len, uint32_t mode,
                      struct vnode **out)
{
    struct sfs_new init = {.mode = mode};
    struct sfs_inode *ip;
    int err = sfs_create(sfs_inode_of(dir), name, len, &init, &ip);

    if (!err)
        err = sfs_vnode_get(dir->mount, ip, out);
    if (!err)
        sfs_vnode_found_in(*out, sfs_inode_of(dir));
    return err;
}

static int sfs_vop_create(struct vnode *dir, const char *name, size_t len, uint32_t mode,
                          struct vnode **out)
{
    return make_inode(dir, name, len, SFS_IFREG | (mode & 07777), out);
}

static int sfs_vop_mkdir(struct vnode *dir, const char *name, size_t len, uint32_t mode)
{
    struct vnode *v;
    int err = make_inode(dir, name, len, SFS_IFDIR | (mode & 07777), &v);

    if (!err)
        vnode_unref(v);
    return err;
}

static int sfs_vop_symlink(struct vnode *dir, const char *name, size_t len, const char *target)
{
    struct sfs_new init = {.mode = SFS_IFLNK | 0777};
    struct sfs_inode *ip;
    int err = sfs_symlink(sfs_inode_of(dir), name, len, &init, target, strlen(target), &ip);

    if (!err)
        sfs_iput(ip);
    return err;
}

static int sfs_vop_link(struct vnode *dir, const char *name, size_t len, struct vnode *v)
{
    rw_lock_write(&v->lock);
    int err = sfs_link(sfs_inode_of(dir), name, len, sfs_inode_of(v));
    rw_unlock_write(&v->lock);
    return err;
}

static int sfs_vop_unlink(struct vnode *dir, const char *name, size_t len, struct vnode *v)
{
    rw_lock_write(&v->lock);
    int err = sfs_unlink(sfs_inode_of(dir), name, len, sfs_inode_of(v));
    rw_unlock_write(&v->lock);
    return err;
}

static int sfs_vop_rmdir(struct vnode *dir, const char *name, size_t len, struct vnode *v)
{
    rw_lock_write(&v->lock);
    int err = sfs_rmdir(sfs_inode_of(dir), name, len, sfs_inode_of(v));
    rw_unlock_write(&v->lock);
    return err;
}

static int sfs_vop_rename(struct vnode *from, const char *fname, size_t flen, struct vnode *v,
                          struct vnode *to, const char *tname, size_t tlen, struct vnode *over,
                          bool exchange)
{
    struct sfs_name source = {sfs_inode_of(from), fname, flen},
                    target = {sfs_inode_of(to), tname, tlen};
    struct vnode *first = over && over < v ? over : v, *second = over && over > v ? over : NULL;

    if (first != v)
        second = v;
    rw_lock_write(&first->lock);
    if (second)
        rw_lock_write(&second->lock);
    struct sfs_inode *other = over ? sfs_inode_of(over) : NULL;
    int err = exchange ? sfs_exchange(&source, sfs_inode_of(v), &target, other)
                       : sfs_rename(&source, sfs_inode_of(v), &target, other);
    if (second)
        rw_unlock_write(&second->lock);
    rw_unlock_write(&first->lock);
    if (!err)
        sfs_vnode_found_in(v, sfs_inode_of(to));
    if (!err && exchange)
        sfs_vnode_found_in(over, sfs_inode_of(from));
    return err;
}

struct emit_arg {
    readdir_fn fn;
    void *arg;
    int err;
};

static bool emit(void *arg, uint32_t ino, unsigned type, const char *name, size_t len,
                 uint64_t next)
{
    struct emit_arg *e = arg;
    e->err = e->fn(e->arg, name, len, ino, (uint8_t)type, (off_t)next);
    return e->err == 0;
}

static int sfs_vop_readdir(struct vnode *dir, off_t *cookie, readdir_fn fn, void *arg)
{
    struct emit_arg e = {.fn = fn, .arg = arg};
    uint64_t pos = (uint64_t)*cookie;
    int err = sfs_readdir(sfs_inode_of(dir), &pos, emit, &e);

    *cookie = (off_t)pos;
    sfs_touch(sfs_inode_of(dir), SFS_SET_ATIME);
    return err ? err : e.err;
}

static int sfs_vop_readlink(struct vnode *v, char *buf, size_t size, size_t *len)
{
    rw_lock_read(&v->lock);
    int err = sfs_readlink(sfs_inode_of(v), buf, size, len);
    rw_unlock_read(&v->lock);
    return err;
}

// ---- regular files ----

static int backing_map(struct vnode *v, pgno_t pgno, uint32_t want, bool allocate, uint64_t *block,
                       uint32_t *count, bool *fresh)
{
    struct sfs_map map;
    int err = sfs_bmap(sfs_inode_of(v), pgno, want, allocate, &map);

    if (!err) {
        *block = map.block;
        *count = map.count;
        *fresh = map.fresh;
    }
    return err;
}

static int backing_read(struct vnode *v, uint64_t block, void *const pages[], unsigned n)
{
    return bdev_read(sfs_bdev(sfs_inode_of(v)->fs), block, pages, n);
}

static int backing_write(struct vnode *v, uint64_t block, void *const pages[], unsigned n)
{
    return bdev_write(sfs_bdev(sfs_inode_of(v)->fs), block, pages, n);
}

static int backing_written(struct vnode *v, pgno_t pgno, uint32_t count)
{
    return sfs_written(sfs_inode_of(v), pgno, count);
}

static void backing_grow(struct vnode *v, uint64_t size)
{
    sfs_grow(sfs_inode_of(v), size);
}

static int backing_truncate(struct vnode *v, uint64_t size)
{
    return sfs_truncate(sfs_inode_of(v), size);
}

static int backing_trim(struct vnode *v)
{
    return sfs_trim(sfs_inode_of(v));
}

static void backing_touch(struct vnode *v, bool written)
{
    sfs_touch(sfs_inode_of(v), written ? SFS_SET_MTIME : SFS_SET_ATIME);
}

static const struct vnode_backing backing = {
    .map = backing_map,
    .read = backing_read,
    .write = backing_write,
    .written = backing_written,
    .grow = backing_grow,
    .truncate = backing_truncate,
    .trim = backing_trim,
    .touch = backing_touch,
};

static int sfs_vop_fsync(struct vnode *v)
{
    int err = v->type == VREG ? sfs_vnode_clean(v) : 0;
    int e = sfs_fsync(sfs_inode_of(v));

    return err ? err : e;
}

static const struct vnode_ops dir_ops = {
    .lookup = sfs_vop_lookup,
    .create = sfs_vop_create,
    .mkdir = sfs_vop_mkdir,
    .symlink = sfs_vop_symlink,
    .link = sfs_vop_link,
    .unlink = sfs_vop_unlink,
    .rmdir = sfs_vop_rmdir,
    .rename = sfs_vop_rename,
    .readdir = sfs_vop_readdir,
    .getattr = sfs_vop_getattr,
    .setattr = sfs_vop_setattr,
    .fsync = sfs_vop_fsync,
    .inactive = sfs_vnode_inactive,
};

static const struct vnode_ops file_ops = {
    .parent = sfs_vop_parent,
    .getattr = sfs_vop_getattr,
    .setattr = sfs_vop_setattr,
    .read = vnode_read,
    .write = vnode_write,
    .fsync = sfs_vop_fsync,
    .inactive = sfs_vnode_inactive,
    .backing = &backing,
};

static const struct vnode_ops link_ops = {
    .readlink = sfs_vop_readlink,
    .parent = sfs_vop_parent,
    .getattr = sfs_vop_getattr,
    .setattr = sfs_vop_setattr,
    .fsync = sfs_vop_fsync,
    .inactive = sfs_vnode_inactive,
};

// Devices and pipes on the disk are names only.
static const struct vnode_ops special_ops = {
    .parent = sfs_vop_parent,
    .getattr = sfs_vop_getattr,
    .setattr = sfs_vop_setattr,
    .inactive = sfs_vnode_inactive,
};

const struct vnode_ops *sfs_vops(enum vnode_type type)
{
    switch (type) {
    case VDIR:
        return &dir_ops;
    case VREG:
        return &file_ops;
    case VLNK:
        return &link_ops;
    default:
        return &special_ops;
    }
}
