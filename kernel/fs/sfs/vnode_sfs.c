// SPDX-License-Identifier: BSD-2-Clause
//
// The table of the on-disk file system's vnodes, and its mount; see vnode_sfs.h. The operations are
// in vnode_sfs_ops.c.

#include "fs/sfs/vnode_sfs.h"

#include "fs/sfs/sfs.h"
#include "lib/errno.h"
#include "mem/pool.h"

static struct mutex table_lock;
static struct list all_vnodes = LIST_INIT(all_vnodes); // (table_lock) struct sfs_vnode.all
static struct list unused = LIST_INIT(unused);         // (table_lock) vnode.link, latest first
static struct sfs_vnode_stats stats;                   // (table_lock)
static unsigned unused_max;
static struct pool vnode_pool;

struct sfs_vnode {
    struct vnode v;
    struct list all; // (table_lock)
    struct sfs_inode
        *parent; // (table_lock) directory in which it was last found, with a reference, or NULL
};

static struct sfs_vnode *sfs_vnode_of(struct vnode *v)
{
    return container_of(v, struct sfs_vnode, v);
}

static enum vnode_type type_of(uint32_t mode)
{
    switch (mode & SFS_IFMT) {
    case SFS_IFDIR:
        return VDIR;
    case SFS_IFLNK:
        return VLNK;
    case SFS_IFREG:
        return VREG;
    case SFS_IFBLK:
        return VBLK;
    case SFS_IFIFO:
        return VFIFO;
    default:
        return VCHR;
    }
}

// ---- inodes to vnodes ----

// Makes sv the vnode of an inode that has none. table_lock held.
static struct vnode *enter(struct sfs_vnode *sv, struct mount *m, struct sfs_inode *ip)
{
    struct sfs_attr a;

    sfs_getattr(ip, &a);
    enum vnode_type type = type_of(a.mode);
    vnode_init(&sv->v, type, sfs_vops(type), m, ip, ip->ino);
    sv->v.size = a.size;
    sv->parent = NULL;
    list_push_front(&all_vnodes, &sv->all); // sync, on its way through the list, need not meet it
    stats.vnodes++;
    ip->vnode = &sv->v;
    return &sv->v;
}

// Another reference to a vnode that is in the table. table_lock held.
static void take(struct vnode *v)
{
    vnode_ref(v);
    if (!list_empty(&v->link)) {
        list_remove(&v->link);
        stats.unused--;
    }
}

int sfs_vnode_get(struct mount *m, struct sfs_inode *ip, struct vnode **out)
{
    struct sfs_vnode *new = NULL;

    mutex_lock(&table_lock);
    if (!ip->vnode) { // memory may have to be waited for: not with the lock, which its freeing
                      // needs
        mutex_unlock(&table_lock);
        new = pool_get(&vnode_pool, PR_WAITOK);
        mutex_lock(&table_lock);
    }
    struct vnode *v = ip->vnode;
    bool known = v;
    if (known) {
        take(v);
    } else if (new) {
        v = enter(new, m, ip);
        new = NULL;
    }
    mutex_unlock(&table_lock);
    if (new)
        pool_put(&vnode_pool, new);
    if (known || !v)
        sfs_iput(ip); // a vnode holds one reference to its inode
    *out = v;
    return v ? 0 : ENOMEM;
}

void sfs_vnode_found_in(struct vnode *v, struct sfs_inode *dir)
{
    struct sfs_inode **parent = &sfs_vnode_of(v)->parent;

    if (v->type == VDIR || __atomic_load_n(parent, __ATOMIC_RELAXED) == dir)
        return; // directories have ".."
    sfs_iref(dir);
    mutex_lock(&table_lock);
    struct sfs_inode *old = *parent;
    __atomic_store_n(parent, dir, __ATOMIC_RELAXED);
    mutex_unlock(&table_lock);
    if (old)
        sfs_iput(old);
}

int sfs_vop_parent(struct vnode *v, struct vnode **dir)
{
    mutex_lock(&table_lock);
    struct sfs_inode *ip = sfs_vnode_of(v)->parent;
    if (ip)
        sfs_iref(ip);
    mutex_unlock(&table_lock);
    return ip ? sfs_vnode_get(v->mount, ip, dir) : ENOENT;
}

// ---- the end of vnodes ----

static void keep_unused(struct vnode *v)
{
    list_push_front(&unused, &v->link);
    stats.unused++;
}

// Decides about a vnode whose last reference has gone: true if it is out of the table, so that
// nobody finds it any more, and is to be destroyed. Else it stays, unused: because that is wanted,
// or because pages could not be written. table_lock held.
static bool leaves(struct vnode *v, bool keep)
{
    if (!sfs_unlinked(sfs_inode_of(v)) && (keep || v->object.npages > 0)) {
        keep_unused(v);
        return false;
    }
    sfs_inode_of(v)->vnode = NULL;
    list_remove(&sfs_vnode_of(v)->all);
    stats.vnodes--;
    return true;
}

static void destroy(struct vnode *v)
{
    struct sfs_inode *ip = sfs_inode_of(v), *parent = sfs_vnode_of(v)->parent;

    vnode_fini(v);
    pool_put(&vnode_pool, sfs_vnode_of(v));
    sfs_iput(ip);
    if (parent)
        sfs_iput(parent);
}

// Cleans and ends an unused vnode; the caller holds the only reference, unless another one comes.
static void retire(struct vnode *v)
{
    mutex_lock(&v->object.lock);
    if (v->type == VREG)
        v->object.ops->put(&v->object, 0, ~0ul, PUT_CLEAN | PUT_FREE);
    mutex_unlock(&v->object.lock);
    mutex_lock(&table_lock);
    bool gone = vnode_drop_last(v) && leaves(v, false);
    stats.retired += gone;
    mutex_unlock(&table_lock);
    if (gone)
        destroy(v);
}

void sfs_vnode_inactive(struct vnode *v)
{
    struct vnode *victim = NULL;

    mutex_lock(&table_lock);
    bool gone = vnode_drop_last(v) && leaves(v, true);
    if (stats.unused > unused_max) {
        victim = list_last(&unused, struct vnode, link);
        take(victim);
    }
    mutex_unlock(&table_lock);
    if (gone)
        destroy(v);
    if (victim)
        retire(victim);
}

void sfs_vnode_get_stats(struct sfs_vnode_stats *st)
{
    mutex_lock(&table_lock);
    *st = stats;
    mutex_unlock(&table_lock);
}

// ---- the file system as a whole ----

int sfs_vnode_clean(struct vnode *v)
{
    mutex_lock(&v->object.lock);
    int err = v->object.npages ? v->object.ops->put(&v->object, 0, ~0ul, PUT_CLEAN | PUT_SYNC) : 0;
    mutex_unlock(&v->object.lock);
    return err;
}

// Writes the dirty pages of all files, then what sfs itself keeps.
static int sfs_mount_sync(struct mount *m)
{
    struct vnode *held = NULL;
    int err = 0;

    mutex_lock(&table_lock);
    list_for_each (sv, &all_vnodes, struct sfs_vnode, all) {
        if (sv->v.type != VREG || sv->v.object.npages == 0)
            continue;
        take(&sv->v); // keeps it on the list while the lock is released
        mutex_unlock(&table_lock);
        if (held)
            vnode_unref(held);
        held = &sv->v;
        int e = sfs_vnode_clean(held);
        err = err ? err : e;
        mutex_lock(&table_lock);
    }
    mutex_unlock(&table_lock);
    if (held)
        vnode_unref(held);
    int e = sfs_sync(sfs_inode_of(m->root)->fs);
    return err ? err : e;
}

static int sfs_mount_statfs(struct mount *m, struct fs_usage *usage)
{
    struct sfs_statfs st;

    sfs_statfs(sfs_inode_of(m->root)->fs, &st);
    *usage = (struct fs_usage){
        .magic = 0x73667331, // "sfs1"
        .block_size = BDEV_BLOCK,
        .blocks = st.blocks,
        .free = st.bfree,
        .files = st.files,
        .free_files = st.ffree,
    };
    return 0;
}

int sfs_vnode_mount(struct sfs *fs, struct mount *m, unsigned max_unused)
{
    struct sfs_inode *ip;

    mutex_init(&table_lock, "vnode table", LOCK_FS_LIST, 0);
    pool_init(&vnode_pool, "vnode", sizeof(struct sfs_vnode), 0, NULL);
    unused_max = max_unused;
    m->type = "sfs";
    m->sync = sfs_mount_sync;
    m->statfs = sfs_mount_statfs;
    int err = sfs_iget(fs, SFS_ROOT_INO, &ip);
    return err ? err : sfs_vnode_get(m, ip, &m->root);
}
