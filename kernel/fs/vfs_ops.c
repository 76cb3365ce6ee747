// SPDX-License-Identifier: BSD-2-Clause
//
// Changes of names: mkdir, rmdir, unlink, symlink, link, rename. The directory's lock is taken
// here; the file system locks the child below it. Renames between directories are single file
// (rename_lock), so that the tree stands still while they check for loops.

#include "fs/vnode.h"

#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/string.h"

static struct mutex rename_lock;

void vfs_init(void)
{
    mutex_init(&rename_lock, "rename", LOCK_RENAME, 0);
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
    else if (v->type == VDIR)
        err = EPERM;
    else if (v->mount != dir->mount)
        err = EXDEV;
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
    struct vnode *dir, *v;
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
        vnode_unref(v);
    }
    rw_unlock_write(&dir->lock);
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
    rw_lock_write(&dir->lock);
    err = dir->ops->lookup(dir, last.name, last.len, &v);
    if (!err) {
        if (v->type != VDIR)
            err = ENOTDIR;
        else if (v->covered_by)
            err = EBUSY;
        else
            err = dir->ops->rmdir ? dir->ops->rmdir(dir, last.name, last.len, v) : EPERM;
        vnode_unref(v);
    }
    rw_unlock_write(&dir->lock);
    vnode_unref(dir);
    return err;
}

// ---- rename ----

// True if `above' is `dir' or contains it; the tree stands still. Errors count as true.
static bool contains(struct vnode *above, struct vnode *dir)
{
    bool found = false;

    vnode_ref(dir);
    for (;;) {
        struct vnode *parent;
        found = dir == above;
        if (found || (dir->mount && dir == dir->mount->root))
            break;
        rw_lock_read(&dir->lock);
        int err = dir->ops->lookup(dir, "..", 2, &parent);
        rw_unlock_read(&dir->lock);
        if (err) {
            found = true;
            break;
        }
        vnode_unref(dir);
        dir = parent;
    }
    vnode_unref(dir);
    return found;
}

// Locks both directories: the outer one first, else by address.
static void lock_two(struct vnode *a, struct vnode *b)
{
    if (a == b) {
        rw_lock_write(&a->lock);
        return;
    }
    bool a_first = contains(a, b) || (!contains(b, a) && a < b);
    rw_lock_write(a_first ? &a->lock : &b->lock);
    rw_lock_write(a_first ? &b->lock : &a->lock);
}

static void unlock_two(struct vnode *a, struct vnode *b)
{
    rw_unlock_write(&a->lock);
    if (b != a)
        rw_unlock_write(&b->lock);
}

struct rename {
    struct vnode *from_dir, *to_dir;
    struct namei_last from, to;
    bool noreplace;
};

// What must hold of source and target before the file system is asked; both directories are locked.
static int check_rename(const struct rename *r, struct vnode *v, struct vnode *over)
{
    if (over && r->noreplace)
        return EEXIST;
    if (v->covered_by || (over && over->covered_by))
        return EBUSY;
    if (v->type != VDIR && (r->from.must_be_dir || r->to.must_be_dir))
        return ENOTDIR;
    if (over && v->type == VDIR && over->type != VDIR)
        return ENOTDIR;
    if (over && v->type != VDIR && over->type == VDIR)
        return EISDIR;
    return r->from_dir->ops->rename ? 0 : EPERM;
}

// Renames with both directories locked and the loop check of the source done by `inside'.
static int rename_locked(const struct rename *r)
{
    struct vnode *v, *over = NULL;
    int err = r->from_dir->ops->lookup(r->from_dir, r->from.name, r->from.len, &v);

    if (err)
        return err;
    err = r->to_dir->ops->lookup(r->to_dir, r->to.name, r->to.len, &over);
    if (err == ENOENT) {
        over = NULL;
        err = 0;
    }
    if (!err)
        err = check_rename(r, v, over);
    if (!err)
        err = r->from_dir->ops->rename(r->from_dir, r->from.name, r->from.len, v, r->to_dir,
                                       r->to.name, r->to.len, over);
    if (over)
        vnode_unref(over);
    vnode_unref(v);
    return err;
}

// EINVAL if the source contains the target's directory, ENOTEMPTY the other way round. rename_lock
// held.
static int check_loop(const struct rename *r)
{
    struct vnode *v;
    int err = 0;

    rw_lock_read(&r->from_dir->lock);
    int missing = r->from_dir->ops->lookup(r->from_dir, r->from.name, r->from.len, &v);
    rw_unlock_read(&r->from_dir->lock);
    if (!missing) {
        if (v->type == VDIR && contains(v, r->to_dir))
            err = EINVAL;
        vnode_unref(v);
    }
    if (err)
        return err;
    rw_lock_read(&r->to_dir->lock);
    missing = r->to_dir->ops->lookup(r->to_dir, r->to.name, r->to.len, &v);
    rw_unlock_read(&r->to_dir->lock);
    if (!missing) {
        if (v->type == VDIR && contains(v, r->from_dir))
            err = ENOTEMPTY;
        vnode_unref(v);
    }
    return err;
}

int vfs_rename(struct vnode *from_at, const char *from, struct vnode *to_at, const char *to,
               bool noreplace)
{
    struct rename r = {.noreplace = noreplace};
    int err = namei(from_at, from, NAMEI_PARENT, &r.from_dir, &r.from);

    if (err)
        return err;
    err = namei(to_at, to, NAMEI_PARENT, &r.to_dir, &r.to);
    if (err) {
        vnode_unref(r.from_dir);
        return err;
    }
    if (r.from_dir->mount != r.to_dir->mount) {
        err = EXDEV;
    } else if (r.from.len == 0 || r.to.len == 0 || is_dots(&r.from) || is_dots(&r.to)) {
        err = EBUSY;
    } else {
        mutex_lock(&rename_lock);
        err = check_loop(&r);
        if (!err) {
            lock_two(r.from_dir, r.to_dir);
            err = rename_locked(&r);
            unlock_two(r.from_dir, r.to_dir);
        }
        mutex_unlock(&rename_lock);
    }
    vnode_unref(r.to_dir);
    vnode_unref(r.from_dir);
    return err;
}
