// SPDX-License-Identifier: BSD-2-Clause
//
// The directories of /proc: its root with the processes, those of global files, each process's and
// its descriptors'. Locks: as procfs.c.

#include "fs/procfs_impl.h"

#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

enum { DT_DIR = 4, DT_REG = 8, DT_LNK = 10 };

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

static int lookup_root(const char *name, size_t len, struct vnode **out)
{
    int pid = number(name, len);

    if (pid > 0)
        return procfs_pids && procfs_pids->exists(pid)
                   ? procfs_make_node(PID_DIR, pid, NULL, 0, out)
                   : ENOENT;
    if (same(name, len, "self"))
        return procfs_make_node(SELF, 0, NULL, 0, out);
    for (unsigned i = 0; i < procfs_nfiles; i++) {
        const struct entry *e = &procfs_files[i];
        if (same(name, len, e->name))
            return procfs_make_node(FILE, 0, e, i, out);
        if (dir_len(e) == len && memcmp(name, e->name, len) == 0)
            return procfs_make_node(SUBDIR, 0, e, i, out);
    }
    return ENOENT;
}

static int lookup_subdir(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    size_t dlen = dir_len(dir->entry);

    for (unsigned i = 0; i < procfs_nfiles; i++) {
        const struct entry *e = &procfs_files[i];
        if (dir_len(e) == dlen && memcmp(e->name, dir->entry->name, dlen) == 0 &&
            same(name, len, e->name + dlen + 1))
            return procfs_make_node(FILE, 0, e, i, out);
    }
    return ENOENT;
}

static int make_link(int pid, const char *name, unsigned index, struct vnode **out)
{
    int err = procfs_make_node(LINK, pid, NULL, index, out);
    if (!err)
        strlcpy(node_of(*out)->name, name, sizeof(node_of(*out)->name));
    return err;
}

static int lookup_pid(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    if (!procfs_pids->exists(dir->pid))
        return ENOENT;
    for (unsigned i = 0; i < array_len(pid_links); i++)
        if (same(name, len, pid_links[i]))
            return make_link(dir->pid, pid_links[i], i, out);
    if (same(name, len, "fd"))
        return procfs_make_node(FD_DIR, dir->pid, NULL, 0, out);
    for (unsigned i = 0; i < procfs_npid_files; i++)
        if (same(name, len, procfs_pid_files[i].name))
            return procfs_make_node(FILE, dir->pid, &procfs_pid_files[i], i, out);
    return ENOENT;
}

static int lookup_fd(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    int fd = number(name, len);
    char link[16];

    if (fd < 0 || procfs_pids->next_fd(dir->pid, fd) != fd)
        return ENOENT;
    ksnprintf(link, sizeof(link), "fd/%d", fd);
    return make_link(dir->pid, link, (unsigned)array_len(pid_links) + (unsigned)fd, out);
}

static int dir_lookup(struct vnode *v, const char *name, size_t len, struct vnode **out)
{
    const struct node *dir = node_of(v);

    if (same(name, len, ".."))
        return dir->kind == FD_DIR ? procfs_make_node(PID_DIR, dir->pid, NULL, 0, out)
                                   : procfs_make_node(ROOT, 0, NULL, 0, out);
    switch (dir->kind) {
    case SUBDIR:
        return lookup_subdir(dir, name, len, out);
    case PID_DIR:
        return lookup_pid(dir, name, len, out);
    case FD_DIR:
        return lookup_fd(dir, name, len, out);
    default:
        return lookup_root(name, len, out);
    }
}

// ---- listing: cookies number the fixed names first, then processes or descriptors ----

#define DYNAMIC 1000 // cookies from here on: a process or descriptor number + DYNAMIC

// The i-th fixed name of a directory, or NULL; *type as d_type. A directory of global files is
// listed once, at its first file.
static const char *fixed_name(const struct node *dir, unsigned i, unsigned *type, char *buf,
                              size_t size)
{
    const char *name = NULL;
    size_t dlen;

    *type = DT_REG;
    buf[0] = '\0';
    if (dir->kind == PID_DIR) {
        *type = i < procfs_npid_files                          ? DT_REG
                : i - procfs_npid_files < array_len(pid_links) ? DT_LNK
                                                               : DT_DIR;
        return i < procfs_npid_files                           ? procfs_pid_files[i].name
               : i - procfs_npid_files < array_len(pid_links)  ? pid_links[i - procfs_npid_files]
               : i - procfs_npid_files == array_len(pid_links) ? "fd"
                                                               : NULL;
    }
    if (dir->kind == FD_DIR || i > procfs_nfiles)
        return NULL;
    if (i == procfs_nfiles) {
        *type = DT_LNK;
        return dir->kind == ROOT ? "self" : NULL;
    }
    name = procfs_files[i].name;
    dlen = dir_len(&procfs_files[i]);
    if (dir->kind == SUBDIR) {
        size_t mine = dir_len(dir->entry);
        return dlen == mine && memcmp(name, dir->entry->name, mine) == 0 ? name + mine + 1 : buf;
    }
    if (dlen == 0)
        return name;
    for (unsigned j = 0; j < i; j++)
        if (dir_len(&procfs_files[j]) == dlen && memcmp(procfs_files[j].name, name, dlen) == 0)
            return buf;
    *type = DT_DIR;
    strlcpy(buf, name, min(size, dlen + 1));
    return buf;
}

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

    while (!err && (n = next_dynamic(dir, (int)(*cookie - DYNAMIC))) >= 0) {
        bool pid = dir->kind == ROOT;
        size_t len = (size_t)ksnprintf(name, sizeof(name), "%d", n);
        err = fn(arg, name, len, procfs_ino(pid ? PID_DIR : LINK, pid ? n : dir->pid, (unsigned)n),
                 pid ? DT_DIR : DT_LNK, n + 1 + DYNAMIC);
        if (!err)
            *cookie = n + 1 + DYNAMIC;
    }
    return err;
}

static int dir_readdir(struct vnode *v, off_t *cookie, readdir_fn fn, void *arg)
{
    const struct node *dir = node_of(v);
    char buf[32];
    int err = 0;

    for (; !err && *cookie < DYNAMIC; *cookie += !err) {
        unsigned i = (unsigned)*cookie, type = DT_DIR;
        const char *name = i == 0   ? "."
                           : i == 1 ? ".."
                                    : fixed_name(dir, i - 2, &type, buf, sizeof(buf));
        if (!name) {
            *cookie = DYNAMIC;
            break;
        }
        if (*name)
            err = fn(arg, name, strlen(name), procfs_ino(FILE, dir->pid, i), (uint8_t)type, i + 1);
    }
    return err ? err : list_dynamic(dir, cookie, fn, arg);
}

const struct vnode_ops procfs_dir_ops = {
    .lookup = dir_lookup,
    .readdir = dir_readdir,
    .getattr = procfs_getattr,
    .inactive = procfs_inactive,
};
