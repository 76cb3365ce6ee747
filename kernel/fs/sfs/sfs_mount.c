// SPDX-License-Identifier: BSD-2-Clause
//
// The file system as a whole: mount, unmount, sync. Mounting trusts nothing: the superblock must
// have its checksum and describe exactly the layout that its three sizes give.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "sync/scoped.h"

// Says what is wrong with a superblock; NULL if nothing.
static const char *complaint(const struct bdev *dev, struct sfs_super *super)
{
    const struct sfs_layout *l = &super->layout;
    uint64_t stored = super->checksum;

    if (super->magic != SFS_MAGIC)
        return "not an sfs file system";
    if (super->version != SFS_VERSION || super->block_size != SFS_BLOCK)
        return "an sfs of another version";
    super->checksum = 0;
    if (sfs_checksum(0, super, SFS_BLOCK) != stored)
        return "the superblock is damaged (checksum)";
    if (l->nblocks > SFS_PTR_BLOCK || l->data < l->journal || l->data >= l->nblocks ||
        l->data - l->journal < SFS_JOURNAL_MIN)
        return "the superblock is damaged (sizes)";
    struct sfs_layout want = sfs_layout(l->nblocks, l->ninodes, l->data - l->journal);
    if (memcmp(&want, l, sizeof(want)) != 0)
        return "the superblock is damaged (layout)";
    if (l->nblocks > dev->nblocks)
        return "the device is smaller than the file system";
    return NULL;
}

static int read_super(struct sfs *fs)
{
    struct sfs_super *super = fs->env->alloc(SFS_BLOCK);
    void *page = super;

    if (!super)
        return ENOMEM;
    int error = bdev_read(fs->dev, 0, &page, 1);
    const char *what = error ? "the superblock cannot be read" : complaint(fs->dev, super);
    if (what)
        bdev_report(fs->dev, "%s", what);
    if (!error && what)
        error = super->magic != SFS_MAGIC || super->version != SFS_VERSION ? EINVAL : EIO;
    fs->layout = super->layout;
    fs->env->free(super, SFS_BLOCK);
    return error;
}

// Truncates or frees what is on the disk's list of orphans. The one in memory holds just the inode
// in work, which is the disk's first.
static int recover_orphans(struct sfs *fs)
{
    struct sfs_inode *ip;
    uint32_t ino;

    for (uint32_t n = 0; n < fs->layout.ninodes; n++) {
        int error = sfs_orphan_first(fs, &ino);
        if (error || ino == 0)
            return error;
        error = sfs_iget_any(fs, ino, true, &ip);
        if (error)
            return error;
        mutex_lock(&fs->alloc_lock);
        list_push_front(&fs->orphans, &ip->orphan_link);
        mutex_unlock(&fs->alloc_lock);
        error = sfs_orphan_finish(ip, ip->d.nlink == 0);
        sfs_iput(&ip->v);
        if (error)
            return error;
    }
    return sfs_damaged(fs, "the list of orphans has no end");
}

static int mount_inside(struct sfs *fs, unsigned nbufs)
{
    int error = read_super(fs);

    if (!error)
        error = buf_cache_init(&fs->cache, fs->dev, fs->env, nbufs);
    if (!error) // buffers beyond the largest transaction keep readers going
        error = journal_open(&fs->journal, &fs->cache, &fs->layout, nbufs - nbufs / 4);
    if (!error)
        error = sfs_alloc_init(fs);
    if (error)
        return error;
    KASSERT(fs->journal.max_count >= SFS_RES_MAX, "%u blocks", fs->journal.max_count);
    fs->journal.checkpointed = sfs_alloc_checkpointed;
    fs->journal.arg = fs;
    return recover_orphans(fs);
}

// Frees the memory, as far as the mount got.
static void destroy(struct sfs *fs)
{
    sfs_inodes_destroy(fs);
    sfs_alloc_destroy(fs);
    journal_close(&fs->journal);
    buf_cache_destroy(&fs->cache);
    fs->env->free(fs, sizeof(*fs));
}

int sfs_mount(struct bdev *dev, const struct sfs_env *env, unsigned nbufs, struct sfs **out)
{
    struct sfs *fs = env->alloc(sizeof(*fs));

    if (!fs)
        return ENOMEM;
    fs->dev = dev;
    fs->env = env;
    sfs_inodes_init(fs);
    int error = mount_inside(fs, max(nbufs, SFS_MIN_BUFS));
    if (error) {
        bdev_report(dev, "cannot be mounted: error %d", error);
        destroy(fs);
    } else {
        *out = fs;
    }
    return error;
}

// Those that become lazy meanwhile come to the list's end and are written too.
static int write_lazy(struct sfs *fs)
{
    int error = 0;

    while (!error) {
        mutex_lock(&fs->inodes_lock);
        struct sfs_inode *ip = list_first(&fs->lazy, struct sfs_inode, lazy_link);
        if (ip)
            sfs_inode_take(ip);
        mutex_unlock(&fs->inodes_lock);
        if (!ip)
            break;
        error = sfs_write_lazy(ip);
        sfs_iput(&ip->v);
    }
    return error;
}

// Writes the dirty pages of all files that have a name.
static int clean_pages(struct sfs *fs)
{
    struct vnode *held = NULL;
    int first_error = 0;

    mutex_lock(&fs->inodes_lock);
    for (unsigned i = 0; i < SFS_INODE_CHAINS; i++) {
        list_for_each (ip, &fs->inodes[i], struct sfs_inode, hash) {
            if (ip->v.object.npages == 0 || ip->d.nlink == 0)
                continue;
            sfs_inode_take(ip); // keeps it in the table while the lock is released
            mutex_unlock(&fs->inodes_lock);
            if (held)
                sfs_iput(held);
            held = &ip->v;
            int error = vnode_put_pages(held, PUT_CLEAN | PUT_SYNC);
            first_error = first_error ? first_error : error;
            mutex_lock(&fs->inodes_lock);
        }
    }
    mutex_unlock(&fs->inodes_lock);
    if (held)
        sfs_iput(held);
    return first_error;
}

int sfs_unmount(struct sfs *fs)
{
    int error = write_lazy(fs);

    if (!error)
        error = journal_commit(&fs->journal, true);
    destroy(fs);
    return error;
}

int sfs_sync(struct sfs *fs)
{
    int pages_error = clean_pages(fs), error = write_lazy(fs);

    if (!error)
        error = journal_commit(&fs->journal, false);
    return pages_error ? pages_error : error;
}

int sfs_fsync(struct vnode *v)
{
    struct sfs_inode *ip = sfs_inode_of(v);
    int pages_error = vnode_put_pages(v, PUT_CLEAN | PUT_SYNC), error = sfs_write_lazy(ip);

    if (!error)
        error = journal_commit(&ip->fs->journal, false);
    return pages_error ? pages_error : error;
}

void sfs_statfs(struct sfs *fs, struct fs_usage *usage)
{
    SCOPED_MUTEX(&fs->alloc_lock);
    *usage = (struct fs_usage){
        .magic = 0x73667331, // "sfs1"
        .block_size = SFS_BLOCK,
        .blocks = fs->layout.nblocks - fs->layout.data,
        .free = fs->nfree + fs->npending,
        .files = fs->layout.ninodes,
        .free_files = fs->nfree_inodes,
    };
}
