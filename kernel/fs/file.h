// SPDX-License-Identifier: BSD-2-Clause
//
// Open files and descriptor tables. A struct file is one open(2): a vnode or a pipe's end, an
// offset and flags, shared by dup and fork. A table maps descriptors to files.
//
// Locks: a table's mutex guards its slots; a file's offset mutex serialises moves of the offset.
// What waits for others (pipes, terminals) has no offset: no mutex is held across such a wait. (a)
// atomic, (!) constant.
#pragma once

#include "lib/types.h"
#include "sync/mutex.h"
#include "fs/vnode.h"

#define OPEN_MAX 1024           // descriptors a process may have at most

// Linux's open flags.
enum {
    O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_ACCMODE = 3, O_CREAT = 0100, O_EXCL = 0200,
    O_NOCTTY = 0400, O_TRUNC = 01000, O_APPEND = 02000, O_NONBLOCK = 04000,
    O_DIRECT = 040000,          // of a pipe: packets; else without meaning
    O_DIRECTORY = 0200000,
    O_NOFOLLOW = 0400000, O_CLOEXEC = 02000000, O_PATH = 010000000,
};

struct file {
    uint32_t nrefs;             // (a)
    uint32_t flags;             // O_*; (a) O_APPEND and O_NONBLOCK change
    struct vnode *vnode;        // (!) pipes have vnodes too
    struct mutex pos_lock;
    off_t offset;               // (pos_lock)
};

struct fdtable;

// Opens path relative to cwd: creates, truncates, checks. 0 with *out referenced.
int file_open(struct vnode *cwd, const char *path, unsigned flags, uint32_t mode,
              struct file **out);
// takes v's reference over; NULL: see next
struct file *file_alloc(struct vnode *v, unsigned flags);
int file_alloc_error(void);                     // why it gave none: ENFILE, too many in all; ENOMEM
void file_ref(struct file *f);
void file_unref(struct file *f);                // the last closes; may sleep

// A reference, or NULL, that is dropped at the end of the block in which it is declared.
#define SCOPED_FILE __attribute__((cleanup(file_drop)))
static inline void file_drop(struct file **f)
{
    if (*f)
        file_unref(*f);
}

// Reads, or writes, at the file's offset (pos NULL) or at *pos, which is not moved. 0 with *moved
// bytes; EBADF for the mode. A partial transfer is a success. Neither this nor seek and poll are
// for files opened by O_PATH.
int file_transfer(struct file *f, struct uio_vec *vec, unsigned nvec, const off_t *pos, bool write,
                  size_t *moved);
bool file_has_position(const struct file *f);   // else there is no offset to lock or to move
int file_seek(struct file *f, off_t offset, int whence, off_t *result);     // ESPIPE, EINVAL
// What SEEK_SET, SEEK_CUR and SEEK_END count from; EINVAL for others.
int file_base(struct file *f, int whence, off_t *base);

int fdtable_create(struct fdtable **out);
int fdtable_copy(struct fdtable *t, struct fdtable **out);      // fork
void fdtable_ref(struct fdtable *t);                            // CLONE_FILES
void fdtable_unref(struct fdtable *t);
void fdtable_close_on_exec(struct fdtable *t);
struct file *fdtable_get(struct fdtable *t, int fd);            // referenced, or NULL (EBADF)
// The lowest free descriptor from min_fd, below limit. Takes f over; EMFILE, ENOMEM: it does not.
int fdtable_install(struct fdtable *t, struct file *f, int min_fd, uint64_t limit, bool cloexec,
                    int *fd);
// dup2: closes what was there
int fdtable_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec);
int fdtable_close(struct fdtable *t, int fd);
int fdtable_get_cloexec(struct fdtable *t, int fd, bool *cloexec);
int fdtable_set_cloexec(struct fdtable *t, int fd, bool cloexec);
// the lowest open one >= fd, or -1; for /proc/<pid>/fd
int fdtable_next(struct fdtable *t, int fd);

// What the table and its files take of memory; of(vnode) is counted for each file.
size_t fdtable_bytes(struct fdtable *t, size_t (*of)(const struct vnode *v));
size_t pipe_bytes(const struct vnode *v);                       // of memory; 0: v is no pipe
int pipe_create(unsigned flags, struct file **rd, struct file **wr);

// ---- poll and select ----

enum { POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32 };

// A thread's waiters while it polls: an object's poll operation adds its queue, then reports its
// state.
struct pollset {
    struct waiter *waiters;     // room for max
    unsigned n, max;
};
void pollset_add(struct pollset *ps, struct waitq *q);          // ps NULL: nothing to do
unsigned file_poll(struct file *f, struct pollset *ps);
