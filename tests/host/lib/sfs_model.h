// SPDX-License-Identifier: BSD-2-Clause
//
// A simple model of a file system, beside a real sfs on a memory device: random operations go to
// both, and results, names and contents must agree. After a crash the model knows what must be
// there: all that was synced, and of what came later a state that was there at some time.
//
// Files are written in whole blocks, each filled with a tag that tells file, block and version,
// so that a sector read back says whose it is.
#pragma once

#include "fs/sfs/sfs_impl.h"
#include "lib/memdev.h"
#include "lib/rng.h"

#define MODEL_NODES  96
#define MODEL_NAMES  192
#define MODEL_BLOCKS 48         // blocks per file that may hold data
#define MODEL_STATES 512        // states of the names since the last sync

// Modes of the types of files.
enum {
    SFS_IFMT = 0170000,
    SFS_IFIFO = VFIFO << VTYPE_SHIFT,
    SFS_IFDIR = VDIR << VTYPE_SHIFT,
    SFS_IFREG = VREG << VTYPE_SHIFT,
    SFS_IFLNK = VLNK << VTYPE_SHIFT,
};

// The operations on names, with a name in pieces.
static inline int model_create(struct vnode *dir, const char *name, size_t len, uint32_t mode,
                               struct vnode **out)
{
    return sfs_create(&(struct vname){dir, name, len, false, NULL}, mode, NULL, out);
}
static inline int model_link(struct vnode *dir, const char *name, size_t len, struct vnode *v)
{
    return sfs_link(&(struct vname){dir, name, len, false, NULL}, v);
}
static inline int model_remove(struct vnode *dir, const char *name, size_t len, struct vnode *v)
{
    return sfs_remove(&(struct vname){dir, name, len, false, NULL}, v);
}

struct model_block {
    uint32_t fblk;
    uint64_t tag;               // 0 = hole
    uint64_t synced;            // tag at the last sync
    bool touched;               // changed since
};

struct model_node {
    bool used;
    uint32_t ino, generation;   // the real one
    uint32_t mode;
    uint32_t nlink;             // 0: held open only
    int parent;                 // a directory's
    uint64_t size, synced_size;
    bool resized;               // size may have changed since the last sync
    bool cut;                   // it may have shrunk
    char target[128];           // symlink
    unsigned nblocks;
    struct model_block block[MODEL_BLOCKS];
};

struct model_name {
    int dir, node;              // dir < 0: unused
    char name[256];
};

struct model_tree {             // plain data: copied to go back
    struct model_node node[MODEL_NODES];    // 0 is the root
    struct model_name name[MODEL_NAMES];
};

struct model {
    struct model_tree t;
    struct memdev *dev;
    struct sfs *fs;
    struct rng rng;
    struct vnode *held[MODEL_NODES];    // open, by node
    uint64_t state[MODEL_STATES];           // hashes of the names since the last sync
    unsigned nstates;
    uint32_t journal_start;     // block of the journal's header
    unsigned nbufs;
    uint64_t version;           // of the next block written
    unsigned max_file_blocks;   // range of file blocks; 0: also huge offsets
    unsigned done, refused;     // operations that succeeded, failed
};

extern const struct sfs_env model_env;
extern long model_alloc_countdown;      // > 0: the allocation that takes it to 0 fails
extern long model_allocated;            // allocations not freed

// Formats dev and mounts it.
void model_start(struct model *m, struct memdev *dev, uint64_t seed);

// One random operation. Returns 0 if the real result is the model's, or ENOSPC or ENOMEM (then
// nothing must have changed); else EIO or EROFS, after which only model_check_crash makes sense.
int model_step(struct model *m);
int model_sync(struct model *m);
int model_remount(struct model *m);             // close all, unmount, mount
void model_stop(struct model *m);               // close all, unmount; errors do not matter

// Compares all of the mounted file system with the model.
void model_check(struct model *m);

// Mounts what a crash left on dev, and checks it: all that was synced is there, fsck finds nothing.
void model_check_crash(struct model *m, struct memdev *dev);

// fsck of a copy of an image, which must find nothing.
void model_fsck(const struct memdev *dev);
