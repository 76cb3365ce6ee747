// SPDX-License-Identifier: BSD-2-Clause
//
// The disk format of sfs, shared by the kernel, mkfs and fsck. Little-endian, 4 KiB blocks:
//
//   super | state | inode map | block map | inode table | journal | data blocks
//
// The superblock is written by mkfs alone; what changes is in the state block, which like all
// metadata goes through the journal. doc/filesystem.md explains the why.
#pragma once

#include "lib/types.h"

#define SFS_MAGIC       0x314b534944534653ul    // "SFSDISK1"
#define SFS_STATE_MAGIC 0x3145544154534653ul    // "SFSTATE1"
#define SFS_VERSION     1u
#define SFS_BLOCK       4096u
#define SFS_ROOT_INO    1u                      // inode 0 is never used
#define SFS_NAME_MAX    255u
#define SFS_LINK_MAX    65000u
#define SFS_SYMLINK_MAX (SFS_BLOCK - 1)

// Where things are, in blocks.
struct sfs_layout {
    uint32_t nblocks;           // whole file system
    uint32_t ninodes;           // inode numbers are 0 .. ninodes-1
    uint32_t state;             // struct sfs_state
    uint32_t inode_map;         // a bit per inode, 1 = in use
    uint32_t block_map;         // a bit per block of the file system, 1 = in use
    uint32_t inode_table;       // struct sfs_dinode each
    uint32_t journal;           // journal header, then the log
    uint32_t data;              // first block that files may use; ends at nblocks
};

struct sfs_super {              // block 0
    uint64_t magic;             // SFS_MAGIC
    uint32_t version;           // SFS_VERSION
    uint32_t block_size;        // SFS_BLOCK
    struct sfs_layout layout;
    uint64_t checksum;          // sfs_checksum of the whole block with this field 0
};

struct sfs_state {
    uint64_t magic;             // SFS_STATE_MAGIC
    uint32_t orphan_head;       // first inode to be truncated or freed at mount; 0 = none
};

// Block pointers: 0 is a hole. A block with the FRESH bit belongs to the file but was never
// written since; it reads as zeros. So a crash never shows what a block held before.
#define SFS_PTR_FRESH 0x80000000u
#define SFS_PTR_BLOCK 0x7fffffffu

#define SFS_NDIRECT  12u
#define SFS_NLEVELS  3u                                 // single, double, triple indirect
#define SFS_PER_IND  (SFS_BLOCK / 4)                    // pointers in an indirect block
#define SFS_NPTRS    (SFS_NDIRECT + SFS_NLEVELS)
#define SFS_FAST_LINK (SFS_NPTRS * 4)                   // a shorter symlink is kept in the inode

// Blocks that a file can have, and the size that follows.
#define SFS_FILE_BLOCKS                                                                            \
    (SFS_NDIRECT + SFS_PER_IND + (uint64_t)SFS_PER_IND * SFS_PER_IND +                             \
     (uint64_t)SFS_PER_IND * SFS_PER_IND * SFS_PER_IND)
#define SFS_FILE_MAX (SFS_FILE_BLOCKS * SFS_BLOCK)

struct sfs_dinode {
    uint16_t mode;              // type and permissions as in Linux's st_mode; 0 = free
    uint16_t unused;            // 0
    uint32_t nlink;             // 0 only while it is an orphan
    uint32_t uid;
    uint32_t gid;
    uint64_t size;              // bytes; a symlink's length
    uint32_t nblocks;           // data and indirect blocks it owns
    uint32_t rdev;              // device number of a device file
    int64_t atime;              // times in ns since 1970
    int64_t mtime;
    int64_t ctime;
    uint32_t generation;        // counts the uses of this inode number
    uint32_t next_orphan;       // inode number, 0 = end of list
    union {
        uint32_t ptr[SFS_NPTRS];        // direct, single, double, triple
        char link[SFS_FAST_LINK];       // target of a short symlink, ended by 0
    };
    uint32_t unused2;           // 0
};
_Static_assert(sizeof(struct sfs_dinode) == 128, "an inode is 128 bytes");

#define SFS_INODES_PER_BLOCK ((uint32_t)(SFS_BLOCK / sizeof(struct sfs_dinode)))
#define SFS_BITS_PER_BLOCK   (SFS_BLOCK * 8)

// Directory blocks are filled with records that do not cross a block; a record's space beyond its
// name is free for a new one. The first two of a directory are "." and "..".
struct sfs_dirent {
    uint32_t ino;               // 0 = free
    uint16_t reclen;            // bytes to the next record; multiple of 4
    uint8_t namelen;            // bytes in name, not terminated
    uint8_t type;               // mode >> 12, as in Linux's d_type
    char name[];
};
#define SFS_DIRENT_SIZE(namelen) ((sizeof(struct sfs_dirent) + (namelen) + 3) & ~3ul)

// The journal: block 0 of its area is the header, the rest the log. A transaction is a
// descriptor, then the new contents of the blocks it names. Recovery replays from log block 1
// while descriptors follow each other with the right sequence numbers and checksums.
#define SFS_JOURNAL_MAGIC 0x314c4e524a534653ul          // header: "SFSJRNL1"
#define SFS_TXN_MAGIC     0x31314e5854534653ul          // descriptor: "SFSTXN11"

struct sfs_journal_header {     // within one sector: written whole or not at all
    uint64_t magic;             // SFS_JOURNAL_MAGIC
    uint64_t seq;               // sequence number of the transaction at log block 1
    uint64_t checksum;          // of the two fields above
};

#define SFS_TXN_BLOCKS ((SFS_BLOCK - 32) / 4)           // blocks that a descriptor can name
#define SFS_JOURNAL_MIN 128u                            // blocks, header included

struct sfs_txn {
    uint64_t magic;             // SFS_TXN_MAGIC
    uint64_t seq;
    uint64_t checksum;          // of this block with this field 0, then of the blocks that follow
    uint32_t count;             // blocks that follow
    uint32_t unused;            // 0
    uint32_t block[SFS_TXN_BLOCKS];     // where each belongs
};
_Static_assert(sizeof(struct sfs_txn) == SFS_BLOCK, "a descriptor fills a block");

// A 64-bit checksum against torn and lost writes, not against forgery: FNV-1a's step over words,
// folded so that high bits reach low ones. Start with sum 0; len is a multiple of 8.
static inline uint64_t sfs_checksum(uint64_t sum, const void *data, size_t len)
{
    const uint64_t *word = data;

    sum ^= 0xcbf29ce484222325ul;
    for (size_t i = 0; i < len / 8; i++) {
        sum = (sum ^ word[i]) * 0x100000001b3ul;
        sum ^= sum >> 32;
    }
    return sum;
}

// The layout of a file system of a given size, inode count and journal length, in blocks.
static inline struct sfs_layout sfs_layout(uint32_t nblocks, uint32_t ninodes, uint32_t njournal)
{
    struct sfs_layout l = {.nblocks = nblocks, .ninodes = ninodes, .state = 1, .inode_map = 2};

    l.block_map = l.inode_map + (ninodes + SFS_BITS_PER_BLOCK - 1) / SFS_BITS_PER_BLOCK;
    l.inode_table = l.block_map + (nblocks + SFS_BITS_PER_BLOCK - 1) / SFS_BITS_PER_BLOCK;
    l.journal = l.inode_table + (ninodes + SFS_INODES_PER_BLOCK - 1) / SFS_INODES_PER_BLOCK;
    l.data = l.journal + njournal;
    return l;
}
