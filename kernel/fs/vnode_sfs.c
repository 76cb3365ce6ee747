// SPDX-License-Identifier: BSD-2-Clause
//
// The table of the on-disk file system's vnodes, and its mount; see vnode_sfs.h. The operations are
// in vnode_sfs_ops.c.

#include "fs/vnode_sfs.h"

#include "fs/sfs.h"
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
};

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

// Makes the vnode of an inode that has none. table_lock held.
static struct vnode *make_vnode(struct mount *m, struct sfs_inode *ip)
{
    struct sfs_vnode *sv = pool_get(&vnode_pool, PR_WAITOK);
    struct sfs_attr a;

    if (!sv)
        return NULL;
    sfs_getattr(ip, &a);
    enum vnode_type type = type_of(a.mode);
    vnode_init(&sv->v, type, sfs_vops(type), m, ip, ip->ino);
    sv->v.size = a.size;
    list_push_back(&all_vnodes, &sv->all);
    stats.vnodes++;
    ip->vnode = &sv->v;
    return &sv->v;
}

// The vnode of an inode, referenced; takes the inode's reference over.
int sfs_vnode_get(struct mount *m, struct sfs_inode *ip, struct vnode **out)
{
    mutex_lock(&table_lock);
    struct vnode *v = ip->vnode;
    bool known = v;
    if (!v) {
        v = make_vnode(m, ip);
    } else {
        if (!list_empty(&v->link)) {
            list_remove(&v->link);
            stats.unused--;
        }
        vnode_ref(v);
    }
    mutex_unlock(&table_lock);
    if (known || !v)
        sfs_iput(ip); // a vnode holds one reference to its inode
    *out = v;
    return v ? 0 : ENOMEM;
}

// Parts vnode and inode: nobody finds the vnode any more. table_lock held, no references.
static void detach(struct vnode *v)
{
    sfs_inode_of(v)->vnode = NULL;
    list_remove(&container_of(v, struct sfs_vnode, v)->all);
    stats.vnodes--;
}

static void destroy(struct vnode *v)
{
    struct sfs_inode *ip = sfs_inode_of(v);

    vnode_fini(v);
    pool_put(&vnode_pool, container_of(v, struct sfs_vnode, v));
    sfs_iput(ip);
}

static void keep_unused(struct vnode *v)
{
    list_push_front(&unused, &v->link);
    stats.unused++;
}

// Cleans and ends an unused vnode; the caller holds the only reference, unless another one comes.
static void retire(struct vnode *v)
{
    mutex_lock(&v->object.lock);
    if (v->type == VREG)
        v->object.ops->put(&v->object, 0, ~0ul, PUT_CLEAN | PUT_FREE);
    mutex_unlock(&v->object.lock);
    mutex_lock(&table_lock);
    bool gone = vnode_drop_last(v);
    if (gone && v->object.npages > 0) { // could not be written: keep it
        keep_unused(v);
        gone = false;
    }
    if (gone) {
        detach(v);
        stats.retired++;
    }
    mutex_unlock(&table_lock);
    if (gone)
        destroy(v);
}

void sfs_vnode_inactive(struct vnode *v)
{
    struct vnode *victim = NULL;
    struct sfs_attr a;

    mutex_lock(&table_lock);
    if (!vnode_drop_last(v)) {
        mutex_unlock(&table_lock);
        return;
    }
    sfs_getattr(sfs_inode_of(v), &a);
    if (a.nlink == 0) {
        detach(v);
        mutex_unlock(&table_lock);
        destroy(v);
        return;
    }
    keep_unused(v);
    if (stats.unused > unused_max) {
        victim = list_last(&unused, struct vnode, link);
        list_remove(&victim->link);
        stats.unused--;
        vnode_ref(victim);
    }
    mutex_unlock(&table_lock);
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
        vnode_ref(&sv->v); // keeps it on the list while the lock is released
        if (!list_empty(&sv->v.link)) {
            list_remove(&sv->v.link);
            stats.unused--;
        }
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
