// SPDX-License-Identifier: BSD-2-Clause
//
// The directories of /proc: its root with the processes, those of global files, each process's and
// its descriptors'. Locks: as procfs.c.

#include "fs/procfs_impl.h"

#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

static const char *const pid_links[] = {"exe", "cwd", "root"};

static bool same(const char *name, size_t len, const char *what)
{
    return strlen(what) == len && memcmp(name, what, len) == 0;
}

// The number that a name spells, or -1.
static int number(const char *name, size_t len)
{
    int n = 0;

    if (len == 0 || len > 9 || (name[0] == '0' && len > 1))
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        n = n * 10 + (name[i] - '0');
    }
    return n;
}

// The length of an entry's directory part: 2 of "vm/pv", 0 of "meminfo".
static size_t dir_len(const struct entry *e)
{
    const char *slash = strchr(e->name, '/');
    return slash ? (size_t)(slash - e->name) : 0;
}

// One of a directory's fixed names.
struct item {
    const char *name; // NULL: none here
    size_t len;
    enum node_kind kind;
    const struct entry *entry;
    unsigned index; // tells it apart from those of its kind
};

static struct item named(const char *name, enum node_kind kind, unsigned index)
{
    return (struct item){.name = name, .len = strlen(name), .kind = kind, .index = index};
}

static bool same_dir(const struct entry *a, const struct entry *b)
{
    size_t len = dir_len(a);
    return dir_len(b) == len && memcmp(a->name, b->name, len) == 0;
}

// The item of a registered file in the root or in a directory of global files. A directory is
// itself an item of the root: at its first file.
static struct item global_item(const struct node *dir, unsigned i)
{
    const struct entry *e = &procfs_files[i];
    size_t dlen = dir_len(e);
    struct item it = {.name = e->name, .len = dlen, .kind = SUBDIR, .entry = e, .index = i};

    if (dlen == 0 || dir->kind == SUBDIR) {
        size_t skip = dlen ? dlen + 1 : 0;
        it.kind = FILE;
        it.name = e->name + skip;
        it.len = strlen(it.name);
        if (dir->kind == SUBDIR && !same_dir(e, dir->entry))
            it.name = NULL;
    }
    for (unsigned j = 0; it.kind == SUBDIR && j < i; j++)
        if (same_dir(&procfs_files[j], e))
            it.name = NULL;
    return it;
}

// A directory's i-th item; false behind the last.
static bool fixed_item(const struct node *dir, unsigned i, struct item *it)
{
    const unsigned nlinks = array_len(pid_links);

    if (dir->kind == ROOT || dir->kind == SUBDIR) {
        *it = i < procfs_nfiles ? global_item(dir, i) : named("self", SELF, 0);
        return i < procfs_nfiles + (dir->kind == ROOT);
    }
    if (dir->kind == FD_DIR)
        return false;
    if (i < procfs_npid_files) {
        *it = named(procfs_pid_files[i].name, FILE, i);
        it->entry = &procfs_pid_files[i];
        return true;
    }
    i -= procfs_npid_files;
    *it = i < nlinks ? named(pid_links[i], LINK, i) : named("fd", FD_DIR, 0);
    return i <= nlinks;
}

static int make_link(int pid, const char *name, unsigned index, struct vnode **out)
{
    int err = procfs_make_node(LINK, pid, NULL, index, out);
    if (!err)
        strlcpy(node_of(*out)->name, name, sizeof(node_of(*out)->name));
    return err;
}

static unsigned fd_index(int fd)
{
    return array_len(pid_links) + (unsigned)fd;
}

static int lookup_fixed(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    struct item it;

    for (unsigned i = 0; fixed_item(dir, i, &it); i++) {
        if (!it.name || it.len != len || memcmp(it.name, name, len) != 0)
            continue;
        return it.kind == LINK ? make_link(dir->pid, it.name, it.index, out)
                               : procfs_make_node(it.kind, dir->pid, it.entry, it.index, out);
    }
    return ENOENT;
}

static int lookup_fd(const struct node *dir, int fd, struct vnode **out)
{
    char link[16];

    if (fd < 0 || procfs_pids->next_fd(dir->pid, fd) != fd)
        return ENOENT;
    ksnprintf(link, sizeof(link), "fd/%d", fd);
    return make_link(dir->pid, link, fd_index(fd), out);
}

int procfs_parent(struct vnode *v, struct vnode **out)
{
    const struct node *n = node_of(v);
    const struct node *root = node_of(v->mount->root);

    if (n->kind != PID_DIR && n->pid)
        return procfs_make_node(PID_DIR, n->pid, NULL, 0, out);
    if (n->kind == FILE && dir_len(n->entry) > 0)
        return lookup_fixed(root, n->entry->name, dir_len(n->entry), out);
    *out = v->mount->root;
    vnode_ref(*out);
    return 0;
}

static int dir_lookup(struct vnode *v, const char *name, size_t len, struct vnode **out)
{
    const struct node *dir = node_of(v);
    int n = number(name, len);

    if (dir->pid && !procfs_pids->exists(dir->pid))
        return ENOENT;
    if (same(name, len, ".."))
        return procfs_parent(v, out);
    if (dir->kind == FD_DIR)
        return lookup_fd(dir, n, out);
    if (dir->kind == ROOT && n > 0)
        return procfs_pids && procfs_pids->exists(n) ? procfs_make_node(PID_DIR, n, NULL, 0, out)
                                                     : ENOENT;
    return lookup_fixed(dir, name, len, out);
}

// ---- listing: cookies number the fixed names first, then processes or descriptors ----

#define DYNAMIC 1000 // cookies from here on: a process or descriptor number + DYNAMIC
_Static_assert(PROCFS_MAX_FILES + 8 < DYNAMIC, "cookies of fixed names");

// The next process or descriptor with a number >= from, or -1.
static int next_dynamic(const struct node *dir, int from)
{
    if (dir->kind == ROOT && procfs_pids) {
        int pid = procfs_pids->next(max(from, 1) - 1);
        return pid > 0 ? pid : -1;
    }
    return dir->kind == FD_DIR ? procfs_pids->next_fd(dir->pid, from) : -1;
}

static int list_dynamic(const struct node *dir, off_t *cookie, readdir_fn fn, void *arg)
{
    char name[16];
    int err = 0, n;

    while (!err && *cookie < INT32_MAX && (n = next_dynamic(dir, (int)(*cookie - DYNAMIC))) >= 0) {
        size_t len = (size_t)ksnprintf(name, sizeof(name), "%d", n);
        uint64_t ino =
            dir->kind == ROOT ? procfs_ino(PID_DIR, n, 0) : procfs_ino(LINK, dir->pid, fd_index(n));
        err = fn(arg, name, len, ino, dir->kind == ROOT ? VDIR : VLNK, n + 1 + DYNAMIC);
        if (!err)
            *cookie = n + 1 + DYNAMIC;
    }
    return err;
}

static int list_dots(struct vnode *v, off_t *cookie, readdir_fn fn, void *arg)
{
    const struct node *dir = node_of(v);
    uint64_t up = dir->kind == FD_DIR ? procfs_ino(PID_DIR, dir->pid, 0) : v->mount->root->ino;
    int err = 0;

    for (; !err && *cookie < 2; *cookie += !err) {
        size_t len = (size_t)*cookie + 1;
        err = fn(arg, "..", len, len == 1 ? v->ino : up, VDIR, *cookie + 1);
    }
    return err;
}

static int dir_readdir(struct vnode *v, off_t *cookie, readdir_fn fn, void *arg)
{
    const struct node *dir = node_of(v);
    struct item it;
    int err = *cookie < 0 ? EINVAL : list_dots(v, cookie, fn, arg);

    for (; !err && *cookie < DYNAMIC; *cookie += !err) {
        if (!fixed_item(dir, (unsigned)*cookie - 2, &it)) {
            *cookie = DYNAMIC;
            break;
        }
        if (it.name)
            err = fn(arg, it.name, it.len, procfs_ino(it.kind, dir->pid, it.index),
                     procfs_type(it.kind), *cookie + 1);
    }
    return err ? err : list_dynamic(dir, cookie, fn, arg);
}

const struct vnode_ops procfs_dir_ops = {
    .lookup = dir_lookup,
    .readdir = dir_readdir,
    .getattr = procfs_getattr,
    .inactive = procfs_inactive,
};
