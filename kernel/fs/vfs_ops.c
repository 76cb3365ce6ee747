// SPDX-License-Identifier: BSD-2-Clause
//
// Changes of names: mkdir, rmdir, unlink, symlink, link, rename. The directory's lock is taken
// here; the file system locks the child below it. What locks two directories (rename, rmdir) is
// single file (rename_lock): the tree stands still while a rename checks for loops, and on a
// damaged disk, where each of two directories may hold the other, nobody waits in a circle.

#include "fs/vnode.h"

#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/string.h"

static struct mutex rename_lock;

void vfs_init(void)
{
    mutex_init(&rename_lock, "rename", LOCK_RENAME, 0);
    namei_init();
}

static bool is_dots(const struct namei_last *last)
{
    return (last->len == 1 && last->name[0] == '.') ||
           (last->len == 2 && last->name[0] == '.' && last->name[1] == '.');
}

// The directory that is to get a new name; EEXIST for "/", "." and "..".
static int new_name(struct vnode *at, const char *path, struct vnode **dir, struct namei_last *last)
{
    int err = namei(at, path, NAMEI_PARENT, dir, last);

    if (!err && (last->len == 0 || is_dots(last))) {
        vnode_unref(*dir);
        err = EEXIST;
    }
    return err;
}

static bool name_exists(struct vnode *dir, const struct namei_last *last)
{
    struct vnode *v;

    if (!dir->ops->lookup || dir->ops->lookup(dir, last->name, last->len, &v) != 0)
        return false;
    vnode_unref(v);
    return true;
}

int vfs_mkdir(struct vnode *at, const char *path, uint32_t mode)
{
    struct namei_last last;
    struct vnode *dir;
    int err = new_name(at, path, &dir, &last);

    if (err)
        return err;
    rw_lock_write(&dir->lock);
    if (name_exists(dir, &last))
        err = EEXIST;
    else
        err = dir->ops->mkdir ? dir->ops->mkdir(dir, last.name, last.len, mode) : EPERM;
    rw_unlock_write(&dir->lock);
    vnode_unref(dir);
    return err;
}

int vfs_symlink(const char *target, struct vnode *at, const char *path)
{
    struct namei_last last;
    struct vnode *dir;
    int err = target[0] ? new_name(at, path, &dir, &last) : ENOENT;

    if (err)
        return err;
    rw_lock_write(&dir->lock);
    if (name_exists(dir, &last))
        err = EEXIST;
    else if (last.must_be_dir)
        err = ENOENT;
    else
        err = dir->ops->symlink ? dir->ops->symlink(dir, last.name, last.len, target) : EPERM;
    rw_unlock_write(&dir->lock);
    vnode_unref(dir);
    return err;
}

int vfs_link(struct vnode *from_at, const char *from, bool follow, struct vnode *to_at,
             const char *to)
{
    struct namei_last last;
    struct vnode *v, *dir;
    int err = namei(from_at, from, follow ? NAMEI_FOLLOW : 0, &v, NULL);

    if (err)
        return err;
    err = new_name(to_at, to, &dir, &last);
    if (err) {
        vnode_unref(v);
        return err;
    }
    rw_lock_write(&dir->lock);
    if (name_exists(dir, &last))
        err = EEXIST;
    else if (last.must_be_dir)
        err = ENOENT;
    else if (v->mount != dir->mount)
        err = EXDEV;
    else if (v->type == VDIR)
        err = EPERM;
    else
        err = dir->ops->link ? dir->ops->link(dir, last.name, last.len, v) : EPERM;
    rw_unlock_write(&dir->lock);
    vnode_unref(dir);
    vnode_unref(v);
    return err;
}

int vfs_unlink(struct vnode *at, const char *path)
{
    struct namei_last last;
    struct vnode *dir, *v = NULL;
    int err = namei(at, path, NAMEI_PARENT, &dir, &last);

    if (err)
        return err;
    if (last.len == 0 || is_dots(&last)) {
        vnode_unref(dir);
        return EISDIR;
    }
    rw_lock_write(&dir->lock);
    err = dir->ops->lookup(dir, last.name, last.len, &v);
    if (!err) {
        if (v->type == VDIR)
            err = EISDIR;
        else if (last.must_be_dir)
            err = ENOTDIR;
        else
            err = dir->ops->unlink ? dir->ops->unlink(dir, last.name, last.len, v) : EPERM;
    }
    rw_unlock_write(&dir->lock);
    if (v)
        vnode_unref(v); // frees the file, perhaps: with the directory unlocked
    vnode_unref(dir);
    return err;
}

int vfs_rmdir(struct vnode *at, const char *path)
{
    struct namei_last last;
    struct vnode *dir, *v = NULL;
    int err = namei(at, path, NAMEI_PARENT, &dir, &last);

    if (err)
        return err;
    if (last.len == 0)
        err = EBUSY;
    else if (is_dots(&last))
        err = last.len == 1 ? EINVAL : ENOTEMPTY;
    if (err) {
        vnode_unref(dir);
        return err;
    }
    mutex_lock(&rename_lock);
    rw_lock_write(&dir->lock);
    err = dir->ops->lookup(dir, last.name, last.len, &v);
    if (!err) {
        if (v->type != VDIR)
            err = ENOTDIR;
        else if (v->covered_by)
            err = EBUSY;
        else
            err = dir->ops->rmdir ? dir->ops->rmdir(dir, last.name, last.len, v) : EPERM;
    }
    rw_unlock_write(&dir->lock);
    mutex_unlock(&rename_lock);
    if (v)
        vnode_unref(v);
    vnode_unref(dir);
    return err;
}

int vfs_truncate(struct vnode *v, uint64_t size)
{
    if (v->type != VREG)
        return v->type == VDIR ? EISDIR : EINVAL;
    int err = vnode_begin_write(v);
    if (err)
        return err;
    err = vnode_truncate(v, size);
    vnode_end_write(v);
    return err;
}

// ---- rename ----

struct rename {
    struct vnode *from_dir, *to_dir;
    struct namei_last from, to;
    unsigned flags; // RENAME_*
    // Referenced, or NULL:
    struct vnode *between;  // the child of one directory that holds the other
    struct vnode *v, *over; // what bears the names; over is replaced
};

// *child: the one of `above' that is or contains `dir', referenced; NULL if `dir' is elsewhere.
// The tree stands still. On a damaged disk the way up may be a circle (EIO): it is one if it meets
// again the directory where the number of steps was last a power of two.
static int child_towards(struct vnode *above, struct vnode *dir, struct vnode **child)
{
    uint64_t met = dir->ino, steps = 0;
    struct vnode *parent;
    int err = 0;

    *child = NULL;
    if (above == dir)
        return 0;
    vnode_ref(dir);
    while (dir != dir->mount->root) {
        rw_lock_read(&dir->lock);
        err = dir->ops->lookup(dir, "..", 2, &parent);
        rw_unlock_read(&dir->lock);
        if (err)
            break;
        if (parent == above)
            *child = dir;
        else
            vnode_unref(dir);
        if (*child) {
            vnode_unref(parent);
            return 0;
        }
        dir = parent;
        if (dir->ino == met) {
            err = EIO;
            break;
        }
        steps++;
        if ((steps & (steps - 1)) == 0)
            met = dir->ino;
    }
    vnode_unref(dir);
    return err == ENOENT ? 0 : err; // a removed directory is nowhere
}

// Locks both directories: the outer one first, else by address.
static int lock_two(struct rename *r)
{
    struct vnode *first = r->from_dir, *second = r->to_dir;
    int err = child_towards(first, second, &r->between);

    if (!err && !r->between) {
        err = child_towards(second, first, &r->between);
        if (r->between || second < first) {
            first = r->to_dir;
            second = r->from_dir;
        }
    }
    if (err)
        return err;
    rw_lock_write(&first->lock);
    if (second != first)
        rw_lock_write(&second->lock);
    return 0;
}

static void unlock_two(struct rename *r)
{
    rw_unlock_write(&r->from_dir->lock);
    if (r->to_dir != r->from_dir)
        rw_unlock_write(&r->to_dir->lock);
}

static bool is_either(const struct rename *r, const struct vnode *v)
{
    return v == r->from_dir || v == r->to_dir;
}

// What must hold of source and target before the file system is asked; both directories are locked.
static int check_rename(const struct rename *r)
{
    const struct vnode *v = r->v, *over = r->over;

    bool exchange = r->flags & RENAME_EXCHANGE;

    if (over && r->flags & RENAME_NOREPLACE)
        return EEXIST;
    if (!over && exchange)
        return ENOENT;
    if (v->type != VDIR && (r->from.must_be_dir || (r->to.must_be_dir && !exchange)))
        return ENOTDIR;
    if (exchange && over->type != VDIR && r->to.must_be_dir)
        return ENOTDIR;
    if (v == r->between)
        return EINVAL; // into itself
    if (over && over == r->between)
        return exchange ? EINVAL : ENOTEMPTY;
    if (is_either(r, v) || (over && is_either(r, over)))
        return EIO; // the disk is damaged: they hold each other
    if (over && !exchange && (v->type == VDIR) != (over->type == VDIR))
        return v->type == VDIR ? ENOTDIR : EISDIR;
    if (v->covered_by || (over && over->covered_by))
        return EBUSY;
    return r->from_dir->ops->rename ? 0 : EPERM;
}

static int look_up(struct vnode *dir, const struct namei_last *last, struct vnode **v)
{
    int err = dir->ops->lookup(dir, last->name, last->len, v);

    if (err)
        *v = NULL;
    return err;
}

static int rename_locked(struct rename *r)
{
    int err = look_up(r->from_dir, &r->from, &r->v);

    if (err)
        return err;
    err = look_up(r->to_dir, &r->to, &r->over);
    if (!err || err == ENOENT)
        err = check_rename(r);
    if (err)
        return err;
    return r->from_dir->ops->rename(r->from_dir, r->from.name, r->from.len, r->v, r->to_dir,
                                    r->to.name, r->to.len, r->over, r->flags & RENAME_EXCHANGE);
}

static void unref_all(struct rename *r)
{
    struct vnode *all[] = {r->between, r->v, r->over, r->to_dir, r->from_dir};

    for (unsigned i = 0; i < array_len(all); i++)
        if (all[i])
            vnode_unref(all[i]);
}

static int rename_in(struct rename *r)
{
    if (r->from_dir->mount != r->to_dir->mount)
        return EXDEV;
    if (r->from.len == 0 || is_dots(&r->from))
        return EBUSY;
    if (r->to.len == 0 || is_dots(&r->to))
        return r->flags & RENAME_NOREPLACE ? EEXIST : EBUSY;
    mutex_lock(&rename_lock);
    int err = lock_two(r);
    if (!err) {
        err = rename_locked(r);
        unlock_two(r);
    }
    mutex_unlock(&rename_lock);
    return err;
}

int vfs_rename(struct vnode *from_at, const char *from, struct vnode *to_at, const char *to,
               unsigned flags)
{
    struct rename r = {.flags = flags};
    int err = namei(from_at, from, NAMEI_PARENT, &r.from_dir, &r.from);

    if (err)
        return err;
    err = namei(to_at, to, NAMEI_PARENT, &r.to_dir, &r.to);
    if (err)
        r.to_dir = NULL;
    else
        err = rename_in(&r);
    unref_all(&r);
    return err;
}
