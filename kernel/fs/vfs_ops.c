// SPDX-License-Identifier: BSD-2-Clause
//
// Changes of names: mkdir, rmdir, unlink, symlink, link, rename. The locks of directories and of
// what bears the names are taken here, and names are checked here. What locks two directories
// (rename, rmdir) is single file (rename_lock): the tree stands still while a rename checks for
// loops, and on a damaged disk, where each of two directories may hold the other, nobody waits in a
// circle.

#include "fs/vnode.h"

#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "sync/scoped.h"

static struct mutex rename_lock;

void vfs_init(void)
{
    mutex_init(&rename_lock, "rename", LOCK_RENAME, 0);
    namei_init();
}

static bool is_dots(const struct vname *n)
{
    return name_is_dot(n->str, n->len) || name_is_dotdot(n->str, n->len);
}

static int look_up(const struct vname *n, struct vnode **v)
{
    *v = NULL;
    return n->dir->ops->lookup(n->dir, n->str, n->len, v);
}

// The name that is to be made; EEXIST for "/", "." and "..".
static int new_name(struct vnode *at, const char *path, struct vname *n)
{
    int error = namei(at, path, NAMEI_PARENT, &n->dir, n);

    return !error && (n->len == 0 || is_dots(n)) ? EEXIST : error;
}

// Why a name cannot be made: it exists, or else as said.
static int refuse(const struct vname *n, int error)
{
    struct vnode *v SCOPED_VNODE;

    return look_up(n, &v) == 0 ? EEXIST : error;
}

static int make(struct vnode *at, const char *path, uint32_t mode, const char *target)
{
    struct vname n SCOPED_NAME = {0};
    struct vnode *v SCOPED_VNODE = NULL;
    int error = new_name(at, path, &n);

    if (error)
        return error;
    SCOPED_WRITE(&n.dir->lock);
    if (target && n.must_be_dir)
        return refuse(&n, ENOENT);
    return n.dir->ops->create ? n.dir->ops->create(&n, mode, target, &v) : refuse(&n, EPERM);
}

int vfs_mkdir(struct vnode *at, const char *path, uint32_t mode)
{
    return make(at, path, VDIR << VTYPE_SHIFT | (mode & 07777), NULL);
}

int vfs_symlink(const char *target, struct vnode *at, const char *path)
{
    return target[0] ? make(at, path, VLNK << VTYPE_SHIFT | 0777, target) : ENOENT;
}

int vfs_link(struct vnode *from_at, const char *from, bool follow, struct vnode *to_at,
             const char *to)
{
    struct vname n SCOPED_NAME = {0};
    struct vnode *v SCOPED_VNODE = NULL;
    int error = namei(from_at, from, follow ? NAMEI_FOLLOW : 0, &v, NULL);

    if (!error)
        error = new_name(to_at, to, &n);
    if (error)
        return error;
    SCOPED_WRITE(&n.dir->lock);
    if (n.must_be_dir)
        return refuse(&n, ENOENT);
    if (v->mount != n.dir->mount)
        return refuse(&n, EXDEV);
    if (v->type == VDIR || !n.dir->ops->link)
        return refuse(&n, EPERM);
    SCOPED_WRITE(&v->lock);
    return n.dir->ops->link(&n, v);
}

// Removes what the name means. What it was is dropped by the caller, with the directory unlocked:
// that frees the file, perhaps.
static int remove_name(const struct vname *n, bool rmdir, struct vnode **v)
{
    SCOPED_WRITE(&n->dir->lock);
    int error = look_up(n, v);

    if (error)
        return error;
    if (rmdir != ((*v)->type == VDIR))
        return rmdir ? ENOTDIR : EISDIR;
    if (!rmdir && n->must_be_dir)
        return ENOTDIR;
    if ((*v)->covered_by)
        return EBUSY;
    if (!n->dir->ops->remove)
        return EPERM;
    SCOPED_WRITE(&(*v)->lock);
    return n->dir->ops->remove(n, *v);
}

static int remove(struct vnode *at, const char *path, bool rmdir)
{
    struct vname n SCOPED_NAME = {0};
    struct vnode *v SCOPED_VNODE = NULL;
    int error = namei(at, path, NAMEI_PARENT, &n.dir, &n);

    if (error)
        return error;
    if (n.len == 0 || is_dots(&n))
        return !rmdir ? EISDIR : n.len == 0 ? EBUSY : n.len == 1 ? EINVAL : ENOTEMPTY;
    if (!rmdir)
        return remove_name(&n, false, &v);
    SCOPED_MUTEX(&rename_lock);
    return remove_name(&n, true, &v);
}

int vfs_unlink(struct vnode *at, const char *path)
{
    return remove(at, path, false);
}

int vfs_rmdir(struct vnode *at, const char *path)
{
    return remove(at, path, true);
}

int vfs_truncate(struct vnode *v, uint64_t size)
{
    if (v->type != VREG)
        return v->type == VDIR ? EISDIR : EINVAL;
    int error = vnode_begin_write(v);
    if (error)
        return error;
    error = vnode_truncate(v, size);
    vnode_end_write(v);
    return error;
}

// ---- rename ----

struct rename {
    struct vname from, to;
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
    struct vnode *at SCOPED_VNODE = dir;

    *child = NULL;
    vnode_ref(at);
    while (at != above && at != at->mount->root) {
        struct vnode *parent;
        rw_lock_read(&at->lock);
        int error = at->ops->lookup(at, "..", 2, &parent);
        rw_unlock_read(&at->lock);
        if (error)
            return error == ENOENT ? 0 : error; // a removed directory is nowhere
        if (parent == above)
            *child = at;
        else
            vnode_unref(at);
        at = parent;
        if (*child)
            return 0;
        if (at->ino == met)
            return EIO;
        steps++;
        if ((steps & (steps - 1)) == 0)
            met = at->ino;
    }
    return 0;
}

// Locks both directories: the outer one first, else by address.
static int lock_two(struct rename *r)
{
    struct vnode *first = r->from.dir, *second = r->to.dir;
    int error = child_towards(first, second, &r->between);

    if (!error && !r->between) {
        error = child_towards(second, first, &r->between);
        if (r->between || second < first) {
            first = r->to.dir;
            second = r->from.dir;
        }
    }
    if (error)
        return error;
    rw_lock_write(&first->lock);
    if (second != first)
        rw_lock_write(&second->lock);
    return 0;
}

static void unlock_two(struct vnode *a, struct vnode *b)
{
    rw_unlock_write(&a->lock);
    if (b != a)
        rw_unlock_write(&b->lock);
}

static bool is_either(const struct rename *r, const struct vnode *v)
{
    return v == r->from.dir || v == r->to.dir;
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
    return r->from.dir->ops->rename ? 0 : EPERM;
}

// Both directories are locked; what bears the names is locked here, by address.
static int rename_locked(struct rename *r)
{
    int error = look_up(&r->from, &r->v);

    if (error)
        return error;
    error = look_up(&r->to, &r->over);
    if (!error || error == ENOENT)
        error = check_rename(r);
    if (error || r->v == r->over)
        return error;
    struct vnode *first = r->over && r->over < r->v ? r->over : r->v;
    struct vnode *second = first == r->v ? r->over : r->v;
    rw_lock_write(&first->lock);
    if (second)
        rw_lock_write(&second->lock);
    error = r->from.dir->ops->rename(&r->from, r->v, &r->to, r->over, r->flags & RENAME_EXCHANGE);
    unlock_two(first, second ? second : first);
    return error;
}

static int rename_in(struct rename *r)
{
    if (r->from.dir->mount != r->to.dir->mount)
        return EXDEV;
    if (r->from.len == 0 || is_dots(&r->from))
        return EBUSY;
    if (r->to.len == 0 || is_dots(&r->to))
        return r->flags & RENAME_NOREPLACE ? EEXIST : EBUSY;
    SCOPED_MUTEX(&rename_lock);
    int error = lock_two(r);
    if (!error) {
        error = rename_locked(r);
        unlock_two(r->from.dir, r->to.dir);
    }
    return error;
}

int vfs_rename(struct vnode *from_at, const char *from, struct vnode *to_at, const char *to,
               unsigned flags)
{
    struct rename r = {.flags = flags};
    int error = namei(from_at, from, NAMEI_PARENT, &r.from.dir, &r.from);

    if (!error)
        error = namei(to_at, to, NAMEI_PARENT, &r.to.dir, &r.to);
    if (!error)
        error = rename_in(&r);
    vnode_drop(&r.between);
    vnode_drop(&r.v);
    vnode_drop(&r.over);
    vname_drop(&r.to);
    vname_drop(&r.from);
    return error;
}
