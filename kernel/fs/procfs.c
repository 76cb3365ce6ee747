// SPDX-License-Identifier: BSD-2-Clause
//
// /proc's mechanism: the registry, files and links; the directories are in procfs_dir.c. A vnode is
// made for each lookup and freed with its last reference; a file's text is generated when it is
// read from the start, and kept for the reads that follow.
//
// Locks: the registry is constant after start-up; a node's text is guarded by its vnode's lock.

#include "fs/procfs_impl.h"

#include "fs/uio.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define TEXT_MIN  PAGE_SIZE
#define TEXT_MAX  (1ul << 20)
#define STORE_MAX 512u // the most that one write may bring

struct entry procfs_files[PROCFS_MAX_FILES], procfs_pid_files[PROCFS_MAX_FILES];
unsigned procfs_nfiles, procfs_npid_files;
const struct procfs_pids *procfs_pids;
static struct mount *proc_mount;
static struct pool node_pool;

static const struct vnode_ops file_ops, link_ops;

static void add(struct entry *table, unsigned *n, struct entry e)
{
    KASSERT(*n < PROCFS_MAX_FILES, "/proc/%s: too many files", e.name);
    table[(*n)++] = e;
}

void procfs_register(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    add(procfs_files, &procfs_nfiles, (struct entry){name, show, store});
}

void procfs_register_pid(const char *name, procfs_show_fn show, procfs_store_fn store)
{
    add(procfs_pid_files, &procfs_npid_files, (struct entry){name, show, store});
}

void procfs_set_pids(const struct procfs_pids *ops)
{
    procfs_pids = ops;
}

// ---- nodes ----

uint64_t procfs_ino(enum node_kind kind, int pid, unsigned index)
{
    return ((uint64_t)pid << 16 | (uint64_t)kind << 12 | index) + 1;
}

int procfs_make_node(enum node_kind kind, int pid, const struct entry *entry, unsigned index,
                     struct vnode **out)
{
    struct node *n = pool_get(&node_pool, PR_WAITOK | PR_ZERO);
    enum vnode_type type = procfs_type(kind);

    if (!n)
        return ENOMEM;
    n->kind = kind;
    n->pid = pid;
    n->entry = entry;
    vnode_init(&n->v, type,
               type == VDIR   ? &procfs_dir_ops
               : type == VREG ? &file_ops
                              : &link_ops,
               proc_mount, procfs_ino(kind, pid, index));
    *out = &n->v;
    return 0;
}

void procfs_inactive(struct vnode *v)
{
    struct node *n = node_of(v);

    if (!vnode_drop_last(v))
        return;
    slab_free(n->text);
    vm_object_destroy(&v->object);
    pool_put(&node_pool, n);
}

int procfs_getattr(struct vnode *v, struct vattr *va)
{
    const struct entry *e = node_of(v)->entry;

    va->mode |= v->type == VDIR ? 0555 : v->type == VLNK ? 0777 : e->store ? 0644 : 0444;
    return 0;
}

// ---- links ----

static int link_readlink(struct vnode *v, char *buf, size_t size, size_t *len)
{
    struct node *n = node_of(v);
    struct vnode *target = NULL;
    int err = 0;

    if (n->kind == SELF) {
        int pid = procfs_pids ? procfs_pids->self() : 0;
        *len = min((size_t)ksnprintf(buf, size, "%d", pid), size);
        return pid ? 0 : ENOENT;
    }
    err = procfs_pids->link(n->pid, n->name, &target, buf, size);
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
        return ENOENT; // an ordinary link
    *target = NULL;
    int err = procfs_pids->link(n->pid, n->name, target, text, sizeof(text));
    return err && err != ERANGE ? err : *target ? 0 : ENOENT;
}

static const struct vnode_ops link_ops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .parent = procfs_parent,
    .getattr = procfs_getattr,
    .inactive = procfs_inactive,
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
    .parent = procfs_parent,
    .getattr = procfs_getattr,
    .open = file_vop_open,
    .read = file_vop_read,
    .write = file_vop_write,
    .inactive = procfs_inactive,
};

void procfs_mount(struct mount *m)
{
    proc_mount = m;
    m->type = "proc";
    pool_init(&node_pool, "procfs node", sizeof(struct node), 0, NULL);
    if (procfs_make_node(ROOT, 0, NULL, 0, &m->root) != 0)
        panic("no memory for /proc at start-up");
}
