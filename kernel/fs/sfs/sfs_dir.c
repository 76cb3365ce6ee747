// SPDX-License-Identifier: BSD-2-Clause
//
// Directory blocks: finding, adding and removing records. The directory's vnode lock guards its
// contents. Every record is checked before it is believed, so a damaged block gives EIO.
#include "fs/sfs/sfs_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"

static uint32_t dir_blocks(const struct sfs_inode *dir)
{
    return dir->d.size / SFS_BLOCK;
}

// Pins block number `index' of a directory.
static int get_block(struct sfs_inode *dir, uint32_t index, struct buf **b)
{
    struct vnode_map map;

    mutex_lock(&dir->lock);
    int error = sfs_map_find(dir, index, 1, &map);
    mutex_unlock(&dir->lock);
    if (error)
        return error;
    if (map.block == 0 || map.fresh)
        return sfs_damaged(dir->fs, "directory %lu: no block %u", dir->v.ino, index);
    return buf_get(&dir->fs->cache, map.block, b);
}

static int bad_record(struct sfs_inode *dir, const struct buf *b, unsigned off)
{
    return sfs_damaged(dir->fs, "directory %lu: record at %u of block %lu", dir->v.ino, off,
                       b->block);
}

// The record at an offset of a block, or NULL if there is no valid one.
static struct sfs_dirent *record(struct sfs_inode *dir, const struct buf *b, unsigned off)
{
    struct sfs_dirent *e = (struct sfs_dirent *)(b->data + off);

    if (SFS_BLOCK - off >= sizeof(*e) && e->reclen >= sizeof(*e) && e->reclen % 4 == 0 &&
        e->reclen <= SFS_BLOCK - off && e->ino < dir->fs->layout.ninodes &&
        (e->ino == 0 || (e->namelen > 0 && SFS_DIRENT_SIZE(e->namelen) <= e->reclen)))
        return e;
    bad_record(dir, b, off);
    return NULL;
}

// Looks for a name in one block; ENOENT, EIO. Most of a lookup's time is spent here: a record is
// checked only as far as the loop needs it (an inode's number by who uses it), names are first
// compared in length and last byte.
static int find_in_block(struct sfs_inode *dir, const char *name, size_t len, struct sfs_slot *slot)
{
    unsigned off = 0;

    slot->prev = 0;
    while (off <= SFS_BLOCK - sizeof(struct sfs_dirent)) {
        struct sfs_dirent *e = (struct sfs_dirent *)(slot->b->data + off);
        unsigned reclen = e->reclen;
        if (reclen < sizeof(*e) || reclen % 4 != 0 || reclen > SFS_BLOCK - off)
            return bad_record(dir, slot->b, off);
        if (e->namelen == len && e->ino && sizeof(*e) + len <= reclen &&
            e->name[len - 1] == name[len - 1] && memcmp(e->name, name, len) == 0) {
            slot->off = off;
            slot->ino = e->ino;
            slot->type = e->type;
            return 0;
        }
        slot->prev = off;
        off += reclen;
    }
    return off == SFS_BLOCK ? ENOENT : bad_record(dir, slot->b, off);
}

int sfs_dir_find(struct sfs_inode *dir, const char *name, size_t len, struct sfs_slot *slot)
{
    for (slot->block = 0; slot->block < dir_blocks(dir); slot->block++) {
        int error = get_block(dir, slot->block, &slot->b);
        if (error)
            return error;
        error = find_in_block(dir, name, len, slot);
        if (!error)
            return 0;
        buf_put(slot->b);
        if (error != ENOENT)
            return error;
    }
    return ENOENT;
}

static void fill_record(struct sfs_dirent *e, const char *name, size_t len, uint32_t ino,
                        unsigned type)
{
    e->ino = ino;
    e->namelen = len;
    e->type = type;
    memcpy(e->name, name, len);
    memset(e->name + len, 0, SFS_DIRENT_SIZE(len) - sizeof(*e) - len);
}

// The space of a record that a new one could have.
static unsigned room_in(const struct sfs_dirent *e)
{
    return e->ino ? e->reclen - SFS_DIRENT_SIZE(e->namelen) : e->reclen;
}

// Puts a new record into a block if there is room; ENOSPC, EIO.
static int add_to_block(struct sfs_op *op, struct sfs_inode *dir, struct buf *b, const char *name,
                        size_t len, uint32_t ino, unsigned type)
{
    for (unsigned off = 0; off < SFS_BLOCK;) {
        struct sfs_dirent *e = record(dir, b, off);
        if (!e)
            return EIO;
        if (room_in(e) >= SFS_DIRENT_SIZE(len)) {
            journal_dirty(&op->h, b);
            if (e->ino) {
                unsigned used = SFS_DIRENT_SIZE(e->namelen), rest = e->reclen - used;
                e->reclen = used;
                e = (struct sfs_dirent *)((char *)e + used);
                e->reclen = rest;
            }
            fill_record(e, name, len, ino, type);
            return 0;
        }
        off += e->reclen;
    }
    return ENOSPC;
}

// Gives the directory a further block, empty and pinned.
static int grow(struct sfs_op *op, struct sfs_inode *dir, struct buf **b)
{
    struct vnode_map map;

    mutex_lock(&dir->lock);
    int error = sfs_map_alloc(op, dir, dir_blocks(dir), 1, false, &map);
    if (!error)
        error = buf_get_new(&dir->fs->cache, map.block, b);
    if (!error) {
        journal_dirty(&op->h, *b);
        ((struct sfs_dirent *)(*b)->data)->reclen = SFS_BLOCK;
        dir->d.size += SFS_BLOCK;
        error = sfs_update(op, dir);
        if (error)
            buf_put(*b);
    }
    mutex_unlock(&dir->lock);
    return error;
}

int sfs_dir_add(struct sfs_op *op, struct sfs_inode *dir, const char *name, size_t len,
                uint32_t ino, unsigned type)
{
    struct buf *b;
    int error = ENOSPC;

    for (uint32_t i = dir->dir_free; i < dir_blocks(dir) && error == ENOSPC; i++) {
        error = get_block(dir, i, &b);
        if (error)
            return error;
        error = add_to_block(op, dir, b, name, len, ino, type);
        buf_put(b);
        dir->dir_free = i;
    }
    if (error != ENOSPC)
        return error;
    error = grow(op, dir, &b);
    if (error)
        return error;
    error = add_to_block(op, dir, b, name, len, ino, type);
    buf_put(b);
    return error;
}

void sfs_dir_remove(struct sfs_op *op, struct sfs_inode *dir, const struct sfs_slot *slot)
{
    struct sfs_dirent *e = (struct sfs_dirent *)(slot->b->data + slot->off);
    struct sfs_dirent *prev = (struct sfs_dirent *)(slot->b->data + slot->prev);

    journal_dirty(&op->h, slot->b);
    e->ino = 0;
    if (prev != e)
        prev->reclen += e->reclen;
    dir->dir_free = min(dir->dir_free, slot->block);
}

void sfs_dir_replace(struct sfs_op *op, const struct sfs_slot *slot, uint32_t ino, unsigned type)
{
    struct sfs_dirent *e = (struct sfs_dirent *)(slot->b->data + slot->off);

    journal_dirty(&op->h, slot->b);
    e->ino = ino;
    e->type = type;
}

int sfs_dir_init(struct sfs_op *op, struct sfs_inode *dir, uint32_t parent)
{
    int error = sfs_dir_add(op, dir, ".", 1, dir->v.ino, VDIR);

    return error ? error : sfs_dir_add(op, dir, "..", 2, parent, VDIR);
}

// Of a name that means dir itself: true unless it is "." or the root's "..", so no sound directory
// has it. Who follows it on the way up never arrives; who locks what it names locks dir twice.
static bool means_itself(const struct sfs_inode *dir, const char *name, size_t len)
{
    return !name_is_dot(name, len) && !(dir->v.ino == SFS_ROOT_INO && name_is_dotdot(name, len));
}

int sfs_dir_lookup(struct sfs_inode *dir, const char *name, size_t len, uint32_t *ino)
{
    struct sfs_slot slot;
    int error = sfs_dir_find(dir, name, len, &slot);

    if (error)
        return error;
    *ino = slot.ino;
    buf_put(slot.b);
    if (slot.ino == dir->v.ino && means_itself(dir, name, len))
        return sfs_damaged(dir->fs, "directory %lu: a name in it means itself", dir->v.ino);
    return 0;
}

// ---- listing ----

// Tells of the records of one block from *pos on; what fn returns other than 0 ends it.
static int list_block(struct sfs_inode *dir, const struct buf *b, off_t *pos, readdir_fn fn,
                      void *arg)
{
    off_t base = *pos - *pos % SFS_BLOCK;

    // From the block's start, since records may have been joined or split since the last call.
    for (unsigned off = 0; off < SFS_BLOCK;) {
        struct sfs_dirent *e = record(dir, b, off);
        if (!e)
            return EIO;
        off_t next = base + off + e->reclen;
        int end =
            e->ino && base + off >= *pos ? fn(arg, e->name, e->namelen, e->ino, e->type, next) : 0;
        if (end)
            return end;
        off += e->reclen;
        *pos = max(*pos, next);
    }
    return 0;
}

static int list(struct sfs_inode *dir, off_t *pos, readdir_fn fn, void *arg)
{
    int error = 0;

    while (!error && *pos / SFS_BLOCK < dir_blocks(dir)) {
        struct buf *b;
        error = get_block(dir, *pos / SFS_BLOCK, &b);
        if (error)
            break;
        error = list_block(dir, b, pos, fn, arg);
        buf_put(b);
    }
    return error;
}

int sfs_readdir(struct vnode *dir, off_t *cookie, readdir_fn fn, void *arg)
{
    int error = list(sfs_inode_of(dir), cookie, fn, arg);

    sfs_touch(dir, VA_ATIME);
    return error;
}

static int end_unless_dots(void *arg UNUSED, const char *name, size_t len, uint64_t ino UNUSED,
                           uint8_t type UNUSED, off_t next UNUSED)
{
    return name_is_dot(name, len) || name_is_dotdot(name, len) ? 0 : ENOTEMPTY;
}

int sfs_dir_is_empty(struct sfs_inode *dir)
{
    off_t pos = 0;

    return list(dir, &pos, end_unless_dots, NULL);
}
