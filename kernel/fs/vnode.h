// SPDX-License-Identifier: BSD-2-Clause
//
// Vnodes: one in-memory object for each file in use, whatever file system it lives in. A vnode
// embeds its vm_object: a regular file's pages are its page cache, used by read, write and mmap
// alike. After SunOS's vnodes (Kleiman 1986) with UVM's embedding.
//
// Locks: (v) the vnode's rwlock: read for lookup, read, stat; write for write, truncate and name
// changes; held across user copies, so it comes before the map lock, and pagers never take it. (r)
// atomic. Nesting: parent directory before child, otherwise by address.
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"
#include "sync/rwlock.h"
#include "vm/vm_object.h"

struct mount;
struct pollset;
struct vnode;
struct vnode_backing;

// Linux's d_type, which is st_mode's bits from VTYPE_SHIFT on.
enum vnode_type { VFIFO = 1, VCHR = 2, VDIR = 4, VBLK = 6, VREG = 8, VLNK = 10, VSOCK = 12 };
#define VTYPE_SHIFT 12

// Attributes, Linux's meaning and units.
struct vattr {
    uint64_t dev, ino;
    uint32_t mode;              // type and permission bits, as st_mode
    uint32_t nlink, uid, gid;
    uint64_t rdev;
    uint64_t size, blocks;      // bytes; 512-byte blocks
    uint64_t atime_ns, mtime_ns, ctime_ns;
};
enum vattr_set { VA_MODE = 1, VA_UID = 2, VA_GID = 4, VA_ATIME = 8, VA_MTIME = 16 };

// A name in a directory, as namei gives it: of 0 to NAME_MAX bytes, none of them '/' or 0.
struct vname {
    struct vnode *dir;          // referenced
    const char *str;            // not terminated
    size_t len;                 // 0: the path is the root's
    bool must_be_dir;           // a slash followed it
    char *buf;                  // memory that has the name, or NULL: it is in the caller's path
};

// What a read or write moves: user or kernel memory, consumed from the front.
struct uio {
    struct uio_vec {
        vaddr_t base;
        size_t len;
    } *vec;                     // advanced as bytes are moved
    unsigned nvec;
    size_t resid;               // bytes still to move
    off_t offset;               // in the file; advanced
    unsigned flags;             // the open file's, O_*
    bool write;                 // from memory to the file
    bool user;                  // the vectors are user addresses
};

// For readdir: called per name, must not sleep; nonzero ends the listing (that entry is not
// consumed) and is what readdir returns.
typedef int (*readdir_fn)(void *arg, const char *name, size_t namelen, uint64_t ino, uint8_t d_type,
                          off_t next);

// Operations; v locked as the letter says (R read, W write, - not). All return errnos; NULL ones
// give the errno in brackets.
struct vnode_ops {
    // R [ENOTDIR]; out referenced, unlocked
    int (*lookup)(struct vnode *dir, const char *name, size_t len, struct vnode **out);
    // W dir [EPERM]; a new file, directory, or symlink, by mode's type; EEXIST. out referenced
    int (*create)(const struct vname *n, uint32_t mode, const char *target, struct vnode **out);
    int (*link)(const struct vname *n, struct vnode *v);        // W dir and v [EPERM]; EEXIST
    // W dir and v [EPERM]; v bears the name; ENOTEMPTY
    int (*remove)(const struct vname *n, struct vnode *v);
    // W both dirs, v and over [EPERM]; over: replaced, or NULL; or the two change places
    int (*rename)(const struct vname *from, struct vnode *v, const struct vname *to,
                  struct vnode *over, bool exchange);
    // R [ENOTDIR]
    int (*readdir)(struct vnode *dir, off_t *cookie, readdir_fn fn, void *arg);
    int (*readlink)(struct vnode *v, char *buf, size_t size, size_t *len);      // - [EINVAL]
    // - [read the link] /proc's links to vnodes
    int (*follow)(struct vnode *v, struct vnode **target);
    // - [ENOENT] where a file was last found
    int (*parent)(struct vnode *v, struct vnode **dir);
    // R; what vnode_getattr has not filled in: type, ino, dev, and one link or a directory's two
    int (*getattr)(struct vnode *v, struct vattr *va);
    int (*setattr)(struct vnode *v, const struct vattr *va, unsigned which);    // W [EPERM]
    int (*open)(struct vnode *v, unsigned flags);               // - [ok]
    void (*close)(struct vnode *v, unsigned flags);             // -
    // - [EINVAL]; devices and streams lock what they need
    int (*read)(struct vnode *v, struct uio *uio);
    int (*write)(struct vnode *v, struct uio *uio);
    int (*ioctl)(struct vnode *v, unsigned long cmd, vaddr_t arg);      // - [ENOTTY]
    // - [always ready]; POLL* bits ready now
    unsigned (*poll)(struct vnode *v, struct pollset *ps);
    int (*fsync)(struct vnode *v);                              // - [ok]
    // - drops the last reference, unless another one appeared meanwhile, and may free v
    void (*inactive)(struct vnode *v);
    const struct vnode_backing *backing;        // of regular files: vnode_pager.h
};

struct vnode {
    struct vm_object object;    // the page cache; only VREG and mappable devices use it
    struct rwlock lock;
    const struct vnode_ops *ops;    // constant
    enum vnode_type type;       // constant
    struct mount *mount;        // constant
    uint64_t ino;               // constant
    uint64_t size;              // (v), and the object's lock for growth seen by faults: bytes of a
                                // VREG
    uint32_t nrefs;             // (r)
    // (r) > 0: how often it is open for writing, and pages mapped through such files; < 0: how
    // often it runs
    int64_t writers;
    // root of the file system mounted here, or NULL; constant after start-up
    struct vnode *covered_by;
    // (object's lock) truncations so far: block maps from before one are stale
    uint32_t shrinks;
    // (object's lock) blocks may have been allocated beyond the end of the file
    bool ahead;
    struct list link;           // for the file system: its list of unused vnodes
    // (file_lock.c's mutex) granted file locks: who has one has the file open
    struct list locks;
};

static inline void vnode_ref(struct vnode *v)
{
    add_relaxed(&v->nrefs, 1);
}
// may sleep, and free the whole file: best with no vnode locked
void vnode_unref(struct vnode *v);

// A reference, or NULL, that is dropped at the end of the block in which it is declared.
#define SCOPED_VNODE __attribute__((cleanup(vnode_drop)))
static inline void vnode_drop(struct vnode **v)
{
    if (*v)
        vnode_unref(*v);
}

// Regular files through the page cache: what a file system's read and write of VREG come to. Take
// the vnode's lock.
int vnode_read(struct vnode *v, struct uio *uio);
// O_APPEND honoured; ENOSPC, EFBIG
int vnode_write(struct vnode *v, struct uio *uio);
int vnode_truncate(struct vnode *v, uint64_t size);
// The length that the running thread may give a file (RLIMIT_FSIZE), whom byte `pos' beyond it
// costs a signal. NULL: nobody has had a limit yet.
extern uint64_t (*vnode_size_limit)(uint64_t pos);
// frees what was allocated beyond the end; for who closes the file after writing
void vnode_trim(struct vnode *v);
int vnode_getattr(struct vnode *v, struct vattr *va);
int vnode_fsync(struct vnode *v);

// A file is written (open for it, or mapped through a file that was: the mapping's claim outlives
// the file's and follows it through splits, forks and moves) or runs as a program, never both at
// once: ETXTBSY. To claim what is claimed in the same way cannot fail.
int vnode_begin_write(struct vnode *v);
void vnode_end_write(struct vnode *v);  // the last one trims a regular file
void vnode_map_claim(struct vnode *v, int64_t npages);  // vm_object.h's claim
int vnode_begin_run(struct vnode *v);
void vnode_end_run(struct vnode *v);

// True if the file's pages can be mapped (ENODEV else); of /dev/zero, which is mapped as no file.
bool vnode_can_map(const struct vnode *v);
bool vnode_is_zero(const struct vnode *v);

// Reads into kernel memory (exec); 0 with *nread.
int vnode_read_kernel(struct vnode *v, void *buf, size_t len, off_t offset, size_t *nread);

// ---- names ----

enum namei_flags { NAMEI_FOLLOW = 1, NAMEI_PARENT = 2, NAMEI_DIRECTORY = 4 };
// Walks path (kernel memory, < PATH_MAX) from `cwd' or the root; at most 40 symlinks. 0 with *out
// referenced, unlocked; ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES. With NAMEI_PARENT: the
// directory that holds the last component, as *out and last->dir, and that component in *last; also
// with NAMEI_FOLLOW: if it is a link, what that says.
#define PATH_MAX 4096
// PATH_MAX bytes for a path, from a pool; NULL: no memory. May sleep.
MUST_CHECK char *path_get(void);
void path_put(char *path);      // NULL: nothing
static inline void path_drop(char **path)
{
    path_put(*path);
}
#define SCOPED_PATH __attribute__((cleanup(path_drop)))  // put at the end of the block
#define NAME_MAX 255
int namei(struct vnode *cwd, const char *path, unsigned flags, struct vnode **out,
          struct vname *last);

// A name is dropped at the end of the block in which it is declared, and set to {0}.
#define SCOPED_NAME __attribute__((cleanup(vname_drop)))
void vname_drop(struct vname *n);

static inline bool name_is_dot(const char *name, size_t len)
{
    return len == 1 && name[0] == '.';
}
static inline bool name_is_dotdot(const char *name, size_t len)
{
    return len == 2 && name[0] == '.' && name[1] == '.';
}

// The absolute path, for getcwd and /proc; ENOENT if it was removed, ERANGE. For files that have
// several names, one of them.
int vnode_path(struct vnode *v, char *buf, size_t size);

// What the calls of the same names do; paths relative to `at'. They do all the locking.
int vfs_mkdir(struct vnode *at, const char *path, uint32_t mode);
int vfs_rmdir(struct vnode *at, const char *path);
int vfs_unlink(struct vnode *at, const char *path);
int vfs_symlink(const char *target, struct vnode *at, const char *path);
int vfs_link(struct vnode *from_at, const char *from, bool follow, struct vnode *to_at,
             const char *to);
int vfs_truncate(struct vnode *v, uint64_t size);   // v need not be open for writing
enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2 };     // Linux's; one of them, or 0
int vfs_rename(struct vnode *from_at, const char *from, struct vnode *to_at, const char *to,
               unsigned flags);

// For statfs.
struct fs_usage {
    uint64_t magic, block_size, blocks, free, files, free_files;
};
int vfs_statfs(struct vnode *v, struct fs_usage *usage);
// For /proc/mounts: calls fn for each mount.
void vfs_for_each_mount(void (*fn)(const char *type, const char *path, void *arg), void *arg);

extern struct vnode *root_vnode;                // constant after start-up
// The disk's file system on /, procfs on /proc, devices on /dev. On failure *trouble says what is
// wrong with the disk, if it is that.
int vfs_mount_root(const char **trouble);
int vfs_sync(void);                             // everything to the device
