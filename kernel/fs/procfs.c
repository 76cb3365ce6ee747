// SPDX-License-Identifier: BSD-2-Clause
//
// /proc's mechanism. A vnode is made for each lookup and freed with its last reference; a file's
// text is generated when it is read from the start, and kept for the reads that follow.
//
// Locks: the registry is constant after start-up; a node's text is guarded by its vnode's lock.

#include "fs/procfs.h"

#include "fs/uio.h"
#include "fs/vfs_mounts.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define MAX_FILES 96u
#define TEXT_MIN  PAGE_SIZE
#define TEXT_MAX  (1ul << 20)
#define STORE_MAX 512u          // the most that one write may bring

enum { S_IFREG = 0100000, S_IFDIR = 0040000, S_IFLNK = 0120000 };
enum { DT_DIR = 4, DT_REG = 8, DT_LNK = 10 };

// What a registration says.
struct entry {
    const char *name;           // also with one directory before it: "vm/pv"
    procfs_show_fn show;
    procfs_store_fn store;
};

static struct entry global_files[MAX_FILES], pid_files[MAX_FILES];
static unsigned nglobal, npid;
static const struct procfs_pids *pids;
static struct mount *proc_mount;
static struct pool node_pool;

enum node_kind { ROOT, SUBDIR, PID_DIR, FD_DIR, FILE, LINK, SELF };

struct node {
    struct vnode v;
    enum node_kind kind;
    int pid;                    // of PID_DIR and below; 0 else
    const struct entry *entry;  // of FILE; of SUBDIR: any file in it
    char name[16];              // of LINK: what procfs_pids.link is asked for
    char *text;                 // (v.lock) generated, or NULL
    size_t text_size, text_len; // (v.lock) allocated, used
};

static const struct vnode_ops dir_ops, file_ops, link_ops;
static const char *const pid_links[] = {"exe", "cwd", "root"};

static void add(struct entry *table, unsigned *n, struct entry e)
{
    KASSERT(*n < MAX_FILES, "/proc/%s: too many files", e.name);
    table[(*n)++] = e;
}

void procfs_register(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    add(global_files, &nglobal, (struct entry){name, show, store});
}

void procfs_register_pid(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    add(pid_files, &npid, (struct entry){name, show, store});
}

void procfs_set_pids(const struct procfs_pids *ops)
{
    pids = ops;
}

static struct node *node_of(struct vnode *v)
{
    return v->data;
}

// ---- nodes ----

// A number that is the same for the same file at every lookup.
static uint64_t node_ino(enum node_kind kind, int pid, unsigned index)
{
    return ((uint64_t)pid << 16 | (uint64_t)kind << 12 | index) + 1;
}

static int make_node(enum node_kind kind, int pid, const struct entry *entry, unsigned index,
                     struct vnode **out)
{
    struct node *n = pool_get(&node_pool, PR_WAITOK | PR_ZERO);
    bool dir = kind == ROOT || kind == SUBDIR || kind == PID_DIR || kind == FD_DIR;

    if (!n)
        return ENOMEM;
    n->kind = kind;
    n->pid = pid;
    n->entry = entry;
    vnode_init(&n->v, dir ? VDIR : kind == FILE ? VREG : VLNK,
               dir           ? &dir_ops
               : kind == FILE ? &file_ops
                              : &link_ops,
               proc_mount, n, node_ino(kind, pid, index));
    *out = &n->v;
    return 0;
}

static void node_inactive(struct vnode *v)
{
    struct node *n = node_of(v);

    if (!vnode_drop_last(v))
        return;
    slab_free(n->text);
    vm_object_destroy(&v->object);
    pool_put(&node_pool, n);
}

static int node_getattr(struct vnode *v, struct vattr *va)
{
    const struct node *n = node_of(v);
    uint32_t mode = v->type == VDIR   ? S_IFDIR | 0555
                    : v->type == VLNK ? S_IFLNK | 0777
                                      : S_IFREG | (n->entry->store ? 0644u : 0444u);

    *va = (struct vattr){.ino = v->ino, .mode = mode, .nlink = v->type == VDIR ? 2 : 1};
    return 0;
}

// ---- directories ----

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
        return pids && pids->exists(pid) ? make_node(PID_DIR, pid, NULL, 0, out) : ENOENT;
    if (same(name, len, "self"))
        return make_node(SELF, 0, NULL, 0, out);
    for (unsigned i = 0; i < nglobal; i++) {
        const struct entry *e = &global_files[i];
        if (same(name, len, e->name))
            return make_node(FILE, 0, e, i, out);
        if (dir_len(e) == len && memcmp(name, e->name, len) == 0)
            return make_node(SUBDIR, 0, e, i, out);
    }
    return ENOENT;
}

static int lookup_subdir(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    size_t dlen = dir_len(dir->entry);

    for (unsigned i = 0; i < nglobal; i++) {
        const struct entry *e = &global_files[i];
        if (dir_len(e) == dlen && memcmp(e->name, dir->entry->name, dlen) == 0 &&
            same(name, len, e->name + dlen + 1))
            return make_node(FILE, 0, e, i, out);
    }
    return ENOENT;
}

static int make_link(int pid, const char *name, unsigned index, struct vnode **out)
{
    int err = make_node(LINK, pid, NULL, index, out);
    if (!err)
        strlcpy(node_of(*out)->name, name, sizeof(node_of(*out)->name));
    return err;
}

static int lookup_pid(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    if (!pids->exists(dir->pid))
        return ENOENT;
    for (unsigned i = 0; i < array_len(pid_links); i++)
        if (same(name, len, pid_links[i]))
            return make_link(dir->pid, pid_links[i], i, out);
    if (same(name, len, "fd"))
        return make_node(FD_DIR, dir->pid, NULL, 0, out);
    for (unsigned i = 0; i < npid; i++)
        if (same(name, len, pid_files[i].name))
            return make_node(FILE, dir->pid, &pid_files[i], i, out);
    return ENOENT;
}

static int lookup_fd(const struct node *dir, const char *name, size_t len, struct vnode **out)
{
    int fd = number(name, len);
    char link[16];

    if (fd < 0 || pids->next_fd(dir->pid, fd) != fd)
        return ENOENT;
    ksnprintf(link, sizeof(link), "fd/%d", fd);
    return make_link(dir->pid, link, (unsigned)array_len(pid_links) + (unsigned)fd, out);
}

static int dir_lookup(struct vnode *v, const char *name, size_t len, struct vnode **out)
{
    const struct node *dir = node_of(v);

    if (same(name, len, ".."))
        return dir->kind == FD_DIR ? make_node(PID_DIR, dir->pid, NULL, 0, out)
                                   : make_node(ROOT, 0, NULL, 0, out);
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

#define DYNAMIC 1000            // cookies from here on: a process or descriptor number + DYNAMIC

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
        *type = i < npid ? DT_REG : i - npid < array_len(pid_links) ? DT_LNK : DT_DIR;
        return i < npid ? pid_files[i].name
               : i - npid < array_len(pid_links) ? pid_links[i - npid]
               : i - npid == array_len(pid_links) ? "fd" : NULL;
    }
    if (dir->kind == FD_DIR || i > nglobal)
        return NULL;
    if (i == nglobal) {
        *type = DT_LNK;
        return dir->kind == ROOT ? "self" : NULL;
    }
    name = global_files[i].name;
    dlen = dir_len(&global_files[i]);
    if (dir->kind == SUBDIR) {
        size_t mine = dir_len(dir->entry);
        return dlen == mine && memcmp(name, dir->entry->name, mine) == 0 ? name + mine + 1 : buf;
    }
    if (dlen == 0)
        return name;
    for (unsigned j = 0; j < i; j++)
        if (dir_len(&global_files[j]) == dlen && memcmp(global_files[j].name, name, dlen) == 0)
            return buf;
    *type = DT_DIR;
    strlcpy(buf, name, min(size, dlen + 1));
    return buf;
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
    char name[16];
    int err = 0, n;

    while (!err && (n = next_dynamic(dir, (int)(*cookie - DYNAMIC))) >= 0) {
        bool pid = dir->kind == ROOT;
        size_t len = (size_t)ksnprintf(name, sizeof(name), "%d", n);
        err = fn(arg, name, len, node_ino(pid ? PID_DIR : LINK, pid ? n : dir->pid, (unsigned)n),
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
            err = fn(arg, name, strlen(name), node_ino(FILE, dir->pid, i), (uint8_t)type, i + 1);
    }
    return err ? err : list_dynamic(dir, cookie, fn, arg);
}

static const struct vnode_ops dir_ops = {
    .lookup = dir_lookup,
    .readdir = dir_readdir,
    .getattr = node_getattr,
    .inactive = node_inactive,
};

// ---- links ----

static int link_readlink(struct vnode *v, char *buf, size_t size, size_t *len)
{
    struct node *n = node_of(v);
    struct vnode *target = NULL;
    int err = 0;

    if (n->kind == SELF) {
        int pid = pids ? pids->self() : 0;
        *len = min((size_t)ksnprintf(buf, size, "%d", pid), size);
        return pid ? 0 : ENOENT;
    }
    err = pids->link(n->pid, n->name, &target, buf, size);
    if (!err)
        *len = strlen(buf);
    if (target)
        vnode_unref(target);
    return err;
}

static int link_follow(struct vnode *v, struct vnode **target)
{
    struct node *n = node_of(v);
    char text[2];

    if (n->kind == SELF)
        return ENOENT;      // an ordinary link
    *target = NULL;
    int err = pids->link(n->pid, n->name, target, text, sizeof(text));
    return err && err != ERANGE ? err : *target ? 0 : ENOENT;
}

static const struct vnode_ops link_ops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .getattr = node_getattr,
    .inactive = node_inactive,
};

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
        int err = n->entry->show(n->pid, &sb);
        n->text_len = err ? 0 : sb.len;
        if (err || !sb.full || size >= TEXT_MAX)
            return err;
    }
}

static int file_vop_read(struct vnode *v, struct uio *uio, unsigned flags)
{
    struct node *n = node_of(v);
    int err = 0;

    (void)flags;
    rw_lock_write(&v->lock);
    if (uio->offset == 0 || !n->text)
        err = generate(n);
    if (!err && (uint64_t)uio->offset < n->text_len)
        err = uio_move(uio, n->text + uio->offset,
                       min(uio->resid, n->text_len - (size_t)uio->offset));
    rw_unlock_write(&v->lock);
    return err;
}

static int file_vop_write(struct vnode *v, struct uio *uio, unsigned flags)
{
    const struct node *n = node_of(v);
    char text[STORE_MAX];
    size_t len = uio->resid;

    (void)flags;
    if (!n->entry->store)
        return EACCES;
    if (len >= STORE_MAX)
        return EINVAL;
    int err = uio_move(uio, text, len);
    text[len] = '\0';
    return err ? err : n->entry->store(n->pid, text);
}

static int file_vop_open(struct vnode *v, unsigned flags)
{
    bool write = (flags & 3) != 0;
    return write && !node_of(v)->entry->store ? EACCES : 0;
}

static const struct vnode_ops file_ops = {
    .getattr = node_getattr,
    .open = file_vop_open,
    .read = file_vop_read,
    .write = file_vop_write,
    .inactive = node_inactive,
};

void procfs_mount(struct mount *m)
{
    proc_mount = m;
    m->type = "proc";
    pool_init(&node_pool, "procfs node", sizeof(struct node), 0, NULL);
    if (make_node(ROOT, 0, NULL, 0, &m->root) != 0)
        panic("no memory for /proc at start-up");
}
