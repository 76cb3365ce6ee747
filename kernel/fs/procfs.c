// SPDX-License-Identifier: BSD-2-Clause
//
// /proc's mechanism. What can be found under fixed names is a row of one table, which says in what
// kind of directory it is; processes and their descriptors are found by number. A vnode is made for
// each lookup and freed with its last reference; a file's text is generated when it is read from
// the start, and kept for the reads that follow.
//
// Locks: the table is constant after start-up; a node's text is guarded by its vnode's lock.

#include "fs/procfs.h"

#include "fs/file.h"
#include "fs/uio.h"
#include "fs/vfs_mounts.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "sync/scoped.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define ENTRIES_MAX  128u
#define TEXT_MIN     PAGE_SIZE
#define TEXT_MAX     (1ul << 20)
#define STORE_MAX    512u // the most that one write may bring
#define FIRST_COOKIE 2    // of the table's rows: before them are "." and ".."
#define DYNAMIC      1000 // cookies from here on: a process or descriptor number + DYNAMIC
_Static_assert(FIRST_COOKIE + ENTRIES_MAX < DYNAMIC, "cookies of fixed names");

enum kind { ROOT, VM_DIR, PID_DIR, FD_DIR, FILE, LINK, SELF };

struct entry {
    enum kind in, kind;
    const char *name;
    procfs_show_fn show; // of FILE
    procfs_store_fn store;
};

struct node {
    struct vnode v;
    enum kind kind;
    int pid;                    // of PID_DIR and below; 0 else
    const struct entry *entry;  // where it was found, or NULL: by number
    char name[16];              // of LINK: what procfs_pids.link is asked for
    char *text;                 // (v.lock) generated, or NULL
    size_t text_size, text_len; // (v.lock) allocated, used
};

static struct entry entries[ENTRIES_MAX] = {
    {ROOT, SELF, "self", NULL, NULL},    {ROOT, VM_DIR, "vm", NULL, NULL},
    {PID_DIR, LINK, "exe", NULL, NULL},  {PID_DIR, LINK, "cwd", NULL, NULL},
    {PID_DIR, LINK, "root", NULL, NULL}, {PID_DIR, FD_DIR, "fd", NULL, NULL},
};
static unsigned nentries = 6;
static const struct procfs_pids *pids;
static struct mount *proc_mount;
static struct pool node_pool;

static const struct vnode_ops dir_ops, file_ops, link_ops;

static struct node *node_of(struct vnode *v)
{
    return container_of(v, struct node, v);
}

static enum vnode_type type_of(enum kind kind)
{
    return kind == FILE ? VREG : kind == LINK || kind == SELF ? VLNK : VDIR;
}

static void add(struct entry e)
{
    KASSERT(nentries < ENTRIES_MAX, "/proc/%s: too many files", e.name);
    entries[nentries++] = e;
}

void procfs_register(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    bool vm = strncmp(name, "vm/", 3) == 0;

    add((struct entry){vm ? VM_DIR : ROOT, FILE, vm ? name + 3 : name, show, store});
}

void procfs_register_pid(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    add((struct entry){PID_DIR, FILE, name, show, store});
}

void procfs_set_pids(const struct procfs_pids *ops)
{
    pids = ops;
}

// ---- nodes ----

// A number that is the same for the same file at every lookup; index: the table's row, or that of
// a descriptor behind it.
static uint64_t ino_of(enum kind kind, int pid, unsigned index)
{
    return ((uint64_t)pid << 16 | (uint64_t)kind << 12 | index) + 1;
}

// A new vnode, referenced; ENOMEM.
static int make_node(enum kind kind, int pid, const struct entry *e, unsigned index,
                     struct vnode **out)
{
    struct node *n = pool_get(&node_pool, PR_WAITOK | PR_ZERO);
    enum vnode_type type = type_of(kind);

    if (!n)
        return ENOMEM;
    n->kind = kind;
    n->pid = pid;
    n->entry = e;
    if (e)
        strlcpy(n->name, e->name, sizeof(n->name));
    vnode_init(&n->v, type,
               type == VDIR   ? &dir_ops
               : type == VREG ? &file_ops
                              : &link_ops,
               proc_mount, ino_of(kind, pid, index));
    *out = &n->v;
    return 0;
}

static int make_entry(const struct entry *e, int pid, struct vnode **out)
{
    return make_node(e->kind, pid, e, (unsigned)(e - entries), out);
}

static int make_process(int pid, struct vnode **out)
{
    return make_node(PID_DIR, pid, NULL, 0, out);
}

static void proc_inactive(struct vnode *v)
{
    struct node *n = node_of(v);

    if (!vnode_drop_last(v))
        return;
    slab_free(n->text);
    vm_object_destroy(&v->object);
    pool_put(&node_pool, n);
}

static int proc_getattr(struct vnode *v, struct vattr *va)
{
    const struct entry *e = node_of(v)->entry;

    va->mode |= v->type == VDIR ? 0555 : v->type == VLNK ? 0777 : e->store ? 0644 : 0444;
    return 0;
}

// ---- links ----

static int link_readlink(struct vnode *v, char *buf, size_t size, size_t *len)
{
    struct node *n = node_of(v);
    struct vnode *target SCOPED_VNODE = NULL;

    if (n->kind == SELF) {
        int pid = pids ? pids->self() : 0;
        *len = min((size_t)ksnprintf(buf, size, "%d", pid), size);
        return pid ? 0 : ENOENT;
    }
    int error = pids->link(n->pid, n->name, &target, buf, size);
    if (!error)
        *len = strlen(buf);
    return error;
}

static int link_follow(struct vnode *v, struct vnode **target)
{
    struct node *n = node_of(v);
    char text[2];

    *target = NULL;
    if (n->kind == SELF)
        return ENOENT; // an ordinary link
    int error = pids->link(n->pid, n->name, target, text, sizeof(text));
    return error && error != ERANGE ? error : *target ? 0 : ENOENT;
}

// ---- files ----

// Generates the text, in a larger buffer until it fits. The vnode is locked for writing.
static int generate(struct node *n)
{
    size_t size = max(n->text_size, TEXT_MIN);

    for (;; size *= 4) {
        struct strbuf sb;
        if (n->text_size < size) {
            slab_free(n->text);
            n->text_size = 0;
            n->text = slab_alloc(size, KM_WAITOK);
            if (!n->text)
                return ENOMEM;
            n->text_size = size;
        }
        strbuf_init(&sb, n->text, n->text_size);
        int error = n->entry->show(n->pid, &sb);
        n->text_len = error ? 0 : sb.len;
        if (error || !sb.full || size >= TEXT_MAX)
            return error;
    }
}

static int file_read(struct vnode *v, struct uio *uio)
{
    struct node *n = node_of(v);

    SCOPED_WRITE(&v->lock);
    int error = uio->offset == 0 || !n->text ? generate(n) : 0;
    if (error || (uint64_t)uio->offset >= n->text_len)
        return error;
    return uio_move(uio, n->text + uio->offset, min(uio->resid, n->text_len - (size_t)uio->offset));
}

static int file_write(struct vnode *v, struct uio *uio)
{
    const struct node *n = node_of(v);
    char text[STORE_MAX];
    size_t len = uio->resid;

    if (!n->entry->store)
        return EACCES;
    if (len >= STORE_MAX)
        return EINVAL;
    int error = uio_move(uio, text, len);
    text[len] = '\0';
    return error ? error : n->entry->store(n->pid, text);
}

static int file_open_vnode(struct vnode *v, unsigned flags)
{
    return (flags & O_ACCMODE) && !node_of(v)->entry->store ? EACCES : 0;
}

// ---- directories ----

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

static uint64_t fd_ino(int pid, int fd)
{
    return ino_of(LINK, pid, ENTRIES_MAX + (unsigned)fd);
}

static int look_up_fd(const struct node *dir, int fd, struct vnode **out)
{
    if (fd < 0 || pids->next_fd(dir->pid, fd) != fd)
        return ENOENT;
    int error = make_node(LINK, dir->pid, NULL, ENTRIES_MAX + (unsigned)fd, out);
    if (!error)
        ksnprintf(node_of(*out)->name, sizeof(node_of(*out)->name), "fd/%d", fd);
    return error;
}

static int proc_parent(struct vnode *v, struct vnode **out)
{
    const struct node *n = node_of(v);

    if (n->kind != PID_DIR && n->pid)
        return make_process(n->pid, out);
    for (unsigned i = 0; i < nentries; i++)
        if (n->kind == FILE && entries[i].kind == n->entry->in)
            return make_entry(&entries[i], 0, out);
    *out = v->mount->root;
    vnode_ref(*out);
    return 0;
}

static int dir_lookup(struct vnode *v, const char *name, size_t len, struct vnode **out)
{
    const struct node *dir = node_of(v);
    int n = number(name, len);

    if (dir->pid && !pids->exists(dir->pid))
        return ENOENT;
    if (name_is_dotdot(name, len))
        return proc_parent(v, out);
    if (dir->kind == FD_DIR)
        return look_up_fd(dir, n, out);
    if (dir->kind == ROOT && n > 0)
        return pids && pids->exists(n) ? make_process(n, out) : ENOENT;
    for (const struct entry *e = entries; e < entries + nentries; e++)
        if (e->in == dir->kind && strlen(e->name) == len && memcmp(e->name, name, len) == 0)
            return make_entry(e, dir->pid, out);
    return ENOENT;
}

// The next process or descriptor with a number >= from, or -1.
static int next_dynamic(const struct node *dir, int from)
{
    if (dir->kind == ROOT && pids) {
        int pid = pids->next(max(from, 1) - 1);
        return pid > 0 ? pid : -1;
    }
    return dir->kind == FD_DIR ? pids->next_fd(dir->pid, from) : -1;
}

static int list_dynamic(const struct node *dir, off_t *cookie, readdir_fn fn, void *arg)
{
    bool root = dir->kind == ROOT;
    char name[16];
    int error = 0, n;

    while (!error && *cookie < INT32_MAX &&
           (n = next_dynamic(dir, (int)(*cookie - DYNAMIC))) >= 0) {
        size_t len = (size_t)ksnprintf(name, sizeof(name), "%d", n);
        uint64_t ino = root ? ino_of(PID_DIR, n, 0) : fd_ino(dir->pid, n);
        error = fn(arg, name, len, ino, root ? VDIR : VLNK, n + 1 + DYNAMIC);
        if (!error)
            *cookie = n + 1 + DYNAMIC;
    }
    return error;
}

// Cookies number the dots first, then the table's rows, then processes or descriptors.
static int dir_readdir(struct vnode *v, off_t *cookie, readdir_fn fn, void *arg)
{
    const struct node *dir = node_of(v);
    uint64_t up = dir->kind == FD_DIR ? ino_of(PID_DIR, dir->pid, 0) : v->mount->root->ino;
    int error = *cookie < 0 ? EINVAL : 0;

    for (; !error && *cookie < FIRST_COOKIE; *cookie += !error) {
        size_t len = (size_t)*cookie + 1;
        error = fn(arg, "..", len, len == 1 ? v->ino : up, VDIR, *cookie + 1);
    }
    for (; !error && *cookie < FIRST_COOKIE + nentries; *cookie += !error) {
        unsigned i = (unsigned)*cookie - FIRST_COOKIE;
        const struct entry *e = &entries[i];
        if (e->in == dir->kind)
            error = fn(arg, e->name, strlen(e->name), ino_of(e->kind, dir->pid, i),
                       type_of(e->kind), *cookie + 1);
    }
    if (!error)
        *cookie = max(*cookie, (off_t)DYNAMIC);
    return error ? error : list_dynamic(dir, cookie, fn, arg);
}

static const struct vnode_ops dir_ops = {
    .lookup = dir_lookup,
    .readdir = dir_readdir,
    .getattr = proc_getattr,
    .inactive = proc_inactive,
};
static const struct vnode_ops file_ops = {
    .parent = proc_parent,
    .getattr = proc_getattr,
    .open = file_open_vnode,
    .read = file_read,
    .write = file_write,
    .inactive = proc_inactive,
};
static const struct vnode_ops link_ops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .parent = proc_parent,
    .getattr = proc_getattr,
    .inactive = proc_inactive,
};

void procfs_mount(struct mount *m)
{
    proc_mount = m;
    m->type = "proc";
    pool_init(&node_pool, "procfs node", sizeof(struct node), 0, NULL);
    if (make_node(ROOT, 0, NULL, 0, &m->root) != 0)
        panic("no memory for /proc at start-up");
}
