// SPDX-License-Identifier: BSD-2-Clause
//
// Checks an image in memory, with a reading of the format of its own: it shares nothing with the
// kernel's code but sfs_format.h. It allocates about 4 bytes per block and 8 per inode.
#pragma once

#include <stdio.h>
#include "fs/sfs/sfs_format.h"

struct check {
    uint8_t *image;             // may be changed: the journal is replayed in it
    uint64_t size;              // bytes
    FILE *out;                  // where problems are named, one a line
    unsigned problems;          // found so far
    struct sfs_layout l;
    uint32_t *owner;            // per block: inode that has it, 0 = none
    uint32_t *names;            // per inode: directory entries that mean it
    uint32_t *parent;           // per inode: a directory's parent, once it was reached
    uint8_t *orphan;            // per inode: on the list of orphans
    unsigned transactions;      // replayed
    uint64_t used_blocks;       // by files
    uint32_t used_inodes;
};

// Does it all; returns the number of problems.
unsigned check_image(struct check *c, uint8_t *image, uint64_t size, FILE *out);

// ---- Between check.c, check_files.c and check_dirs.c ----

void problem(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void *check_block(struct check *c, uint64_t block)
{
    return c->image + block * SFS_BLOCK;
}

static inline struct sfs_dinode *check_inode(struct check *c, uint32_t ino)
{
    return (struct sfs_dinode *)check_block(c, c->l.inode_table) + ino;
}

static inline bool check_bit(struct check *c, uint32_t map, uint32_t bit)
{
    return ((uint8_t *)check_block(c, map))[bit / 8] >> (bit % 8) & 1;
}

static inline bool check_is_data(const struct check *c, uint32_t block)
{
    return block >= c->l.data && block < c->l.nblocks;
}

enum { TYPE_FIFO = 1, TYPE_CHR = 2, TYPE_DIR = 4, TYPE_BLK = 6, TYPE_REG = 8, TYPE_LINK = 10,
       TYPE_SOCK = 12 };

static inline unsigned check_type(const struct sfs_dinode *d)
{
    return d->mode >> 12;
}

static inline bool check_has_map(const struct sfs_dinode *d)
{
    return check_type(d) == TYPE_REG || check_type(d) == TYPE_DIR ||
           (check_type(d) == TYPE_LINK && d->size >= SFS_FAST_LINK);
}

void check_files(struct check *c);      // inodes, their blocks, the bitmaps
void check_dirs(struct check *c);       // the tree of names, link counts

// The pointer to a file block, mark included, 0 for a hole; the map has been checked.
uint32_t check_pointer(struct check *c, const struct sfs_dinode *d, uint64_t fblk);
