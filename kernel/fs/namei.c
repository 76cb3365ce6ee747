// SPDX-License-Identifier: BSD-2-Clause
//
// From paths to vnodes. One directory is locked at a time, shared, while a name is looked up in
// it; what is found is referenced. Symbolic links are followed by putting their target before the
// rest of the path, in a buffer that is allocated when the first one is met.

#include "fs/vnode.h"

#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define SYMLINKS_MAX 40

static struct pool path_pool;

void namei_init(void)
{
    pool_init(&path_pool, "path", PATH_MAX, 0, &pool_allocator_kva);
}

char *path_get(void)
{
    return pool_get(&path_pool, PR_WAITOK);
}

void path_put(char *path)
{
    if (path)
        pool_put(&path_pool, path);
}

struct walk {
    struct vnode *at; // where the walk stands, referenced
    const char *rest; // of the path
    char *buf;        // PATH_MAX bytes that hold `rest' once a link was met, or NULL
    unsigned nlinks;
};

// Cuts the next component off; its length is 0 at the end of the path.
static size_t next_component(struct walk *w, const char **name)
{
    while (*w->rest == '/')
        w->rest++;
    *name = w->rest;
    while (*w->rest && *w->rest != '/')
        w->rest++;
    return (size_t)(w->rest - *name);
}

// The directory above; the root's is itself.
static int step_up(struct vnode *dir, struct vnode **out)
{
    while (dir->mount && dir == dir->mount->root && dir->mount->covered)
        dir = dir->mount->covered;
    if (dir == root_vnode) {
        vnode_ref(dir);
        *out = dir;
        return 0;
    }
    rw_lock_read(&dir->lock);
    int error = dir->ops->lookup(dir, "..", 2, out);
    rw_unlock_read(&dir->lock);
    return error;
}

// *v becomes another vnode, referenced, in place of what it was.
static void replace(struct vnode **v, struct vnode *by)
{
    vnode_ref(by);
    vnode_unref(*v);
    *v = by;
}

// Looks one name up in dir; crosses into a file system mounted on what it finds.
static int step(struct vnode *dir, const char *name, size_t len, struct vnode **out)
{
    if (dir->type != VDIR)
        return ENOTDIR;
    if (len > NAME_MAX)
        return ENAMETOOLONG;
    if (name_is_dot(name, len)) {
        vnode_ref(dir);
        *out = dir;
        return 0;
    }
    if (name_is_dotdot(name, len))
        return step_up(dir, out);
    rw_lock_read(&dir->lock);
    int error = dir->ops->lookup(dir, name, len, out);
    rw_unlock_read(&dir->lock);
    if (!error && (*out)->covered_by)
        replace(out, (*out)->covered_by);
    return error;
}

// Puts the target of the link before the rest of the path; the walk goes on in the link's
// directory, or at the root if the target is absolute.
static int follow(struct walk *w, struct vnode *link)
{
    size_t len, rest_len = strlen(w->rest);

    if (++w->nlinks > SYMLINKS_MAX)
        return ELOOP;
    char *buf = path_get();
    if (!buf)
        return ENOMEM;
    int error = link->ops->readlink ? link->ops->readlink(link, buf, PATH_MAX, &len) : EINVAL;
    if (!error && len == 0)
        error = ENOENT;
    if (!error && len + rest_len + 1 > PATH_MAX)
        error = ENAMETOOLONG;
    if (error) {
        path_put(buf);
        return error;
    }
    memcpy(buf + len, w->rest, rest_len + 1);
    path_put(w->buf);
    w->buf = buf;
    w->rest = buf;
    if (buf[0] == '/')
        replace(&w->at, root_vnode);
    return 0;
}

// Takes one step along the path. /proc's links lead to open vnodes, not to names.
static int advance(struct walk *w, unsigned flags, const char *name, size_t len, bool last)
{
    struct vnode *next SCOPED_VNODE = NULL, *target SCOPED_VNODE = NULL;
    int error = step(w->at, name, len, &next);

    if (error)
        return error;
    if (next->type == VLNK && (!last || (flags & NAMEI_FOLLOW) || *w->rest == '/')) {
        if (!next->ops->follow || next->ops->follow(next, &target) != 0)
            return follow(w, next);
        if (++w->nlinks > SYMLINKS_MAX)
            return ELOOP;
    }
    struct vnode **found = target ? &target : &next, *before = w->at;
    w->at = *found;
    *found = before; // to be dropped
    return 0;
}

static bool only_slashes(const char *s)
{
    while (*s == '/')
        s++;
    return *s == '\0';
}

// Follows the last component if it is a link: *followed. It need not be there.
static int follow_last(struct walk *w, const char *name, size_t len, bool *followed)
{
    struct vnode *v SCOPED_VNODE = NULL;
    int error = len ? step(w->at, name, len, &v) : 0;

    *followed = v && v->type == VLNK;
    if (*followed)
        return follow(w, v);
    return error == ENOENT ? 0 : error;
}

static int walk_path(struct walk *w, unsigned flags, struct vname *last)
{
    for (;;) {
        const char *name;
        size_t len = next_component(w, &name);
        bool is_last = only_slashes(w->rest), slash = *w->rest == '/', followed = false;
        int error = 0;
        if (is_last && (flags & NAMEI_PARENT)) {
            if (w->at->type != VDIR)
                return ENOTDIR;
            if (flags & NAMEI_FOLLOW)
                error = follow_last(w, name, len, &followed);
            if (followed && !error)
                continue;
            *last = (struct vname){w->at, name, len, slash, NULL};
            return error ? error : len > NAME_MAX ? ENAMETOOLONG : 0;
        }
        if (len == 0)
            return 0;
        error = advance(w, flags, name, len, is_last);
        if (error)
            return error;
        if (slash && only_slashes(w->rest) && w->at->type != VDIR)
            return ENOTDIR;
    }
}

int namei(struct vnode *cwd, const char *path, unsigned flags, struct vnode **out,
          struct vname *last)
{
    struct walk w = {.at = path[0] == '/' ? root_vnode : cwd, .rest = path};

    if (path[0] == '\0')
        return ENOENT;
    vnode_ref(w.at);
    int error = walk_path(&w, flags, last);
    if (!error && (flags & NAMEI_DIRECTORY) && w.at->type != VDIR)
        error = ENOTDIR;
    if (error)
        vnode_unref(w.at);
    else
        *out = w.at;
    if (flags & NAMEI_PARENT) {
        if (error)
            *last = (struct vname){0};
        else
            last->buf = w.buf;
    }
    if (error || !(flags & NAMEI_PARENT))
        path_put(w.buf);
    return error;
}

void vname_drop(struct vname *n)
{
    vnode_drop(&n->dir);
    path_put(n->buf);
    *n = (struct vname){0};
}

// ---- back from vnodes to paths ----

struct name_search {
    uint64_t ino;
    char name[NAME_MAX + 1];
};

static int match_ino(void *arg, const char *name, size_t namelen, uint64_t ino,
                     uint8_t d_type UNUSED, off_t next UNUSED)
{
    struct name_search *s = arg;

    if (ino != s->ino || name_is_dot(name, namelen) || name_is_dotdot(name, namelen))
        return 0;
    memcpy(s->name, name, namelen);
    s->name[namelen] = '\0';
    return EEXIST;
}

// Puts "/name" of v, which is in dir, before what ends at *pos in buf.
static int prepend_name(struct vnode *dir, struct vnode *v, char *buf, size_t *pos)
{
    struct name_search *s SCOPED_SLAB = slab_alloc(sizeof(*s), KM_WAITOK);
    off_t cookie = 0;

    if (!s)
        return ENOMEM;
    s->ino = v->ino;
    rw_lock_read(&dir->lock);
    int error = dir->ops->readdir(dir, &cookie, match_ino, s);
    rw_unlock_read(&dir->lock);
    if (error != EEXIST)
        return error ? error : ENOENT;
    size_t len = strlen(s->name);
    if (len + 1 > *pos)
        return ERANGE;
    *pos -= len + 1;
    buf[*pos] = '/';
    memcpy(buf + *pos + 1, s->name, len);
    return 0;
}

// The directory in which v was last found; referenced.
static int parent_of(struct vnode *v, struct vnode **dir)
{
    if (v->type == VDIR)
        return step_up(v, dir);
    return v->ops->parent ? v->ops->parent(v, dir) : ENOENT;
}

int vnode_path(struct vnode *v, char *buf, size_t size)
{
    struct vnode *at SCOPED_VNODE = v;
    size_t pos = size;

    vnode_ref(at);
    if (size < 2)
        return ERANGE;
    buf[--pos] = '\0';
    while (at != root_vnode) {
        struct vnode *dir SCOPED_VNODE = NULL;
        while (at->mount && at == at->mount->root && at->mount->covered)
            replace(&at, at->mount->covered);
        int error = parent_of(at, &dir);
        if (!error)
            error = prepend_name(dir, at, buf, &pos);
        if (error)
            return error;
        replace(&at, dir);
    }
    if (buf[pos] == '\0')
        buf[--pos] = '/';
    memmove(buf, buf + pos, size - pos);
    return 0;
}
