// SPDX-License-Identifier: BSD-2-Clause
//
// Advisory locks on files: the record locks of fcntl, POSIX's and OFD's, which share one space of
// bytes, and flock's on whole files, in a space of their own.
//
//     bytes     0       100      200      300
//     owner A   [ read  ][ write  ]
//     owner B                      [ write ... to the end
//     B wants   [ write ]               waits for A's first
//
// Owners: a POSIX lock's is the descriptor table, which is the process's, so that fork inherits
// none, exec keeps them and each close of the file drops them; an OFD or flock lock's is the struct
// file.
//
// Invariants: an owner's locks in a space do not overlap, and those of one type do not touch; no
// two granted locks conflict; what keeps a waiter off is a granted lock. A vnode lists its locks by
// owner, each owner's by position.
//
// Memory: who locks, or may cut a lock in two, brings the records before it takes the mutex; who
// drops whole locks needs none. A waiter brings the records for its grant along: whoever takes its
// obstacle away grants, in the order in which they came, so no newcomer overtakes a waiter that
// could have the lock.
//
// A typical sequence is file_lock_set(write), file_lock_set(unlock), and file_lock_release at
// close.
//
// Locks: one mutex (LOCK_FILE_LOCK) for all, since a search for a deadlock goes from file to file.
// It is not held while a thread waits for a lock, nor while memory is allocated.
#pragma once

#include "fs/vnode.h"
#include "lib/atomic.h"

struct strbuf;

enum { F_RDLCK, F_WRLCK, F_UNLCK };     // types, as Linux has them
enum file_lock_kind { FILE_LOCK_POSIX, FILE_LOCK_OFD, FILE_LOCK_FLOCK };
#define FILE_LOCK_END INT64_MAX         // the last byte of a lock without an end
#define FILE_LOCKS_MAX 8192ul           // records in the system: bounds memory and each walk

// A lock, or the wish for one.
struct file_lock {
    struct list link;           // (mutex) on the vnode's list
    struct list all_link;       // (mutex) on the list of all, oldest first
    struct vnode *vnode;        // who holds or wants the lock has it open
    const void *owner;
    off_t start, end;           // the first and the last byte
    int pid;                    // to report; -1 for OFD
    uint8_t kind;               // enum file_lock_kind
    uint8_t type;               // F_*
};

// Locks or unlocks (by type) want's range. EAGAIN: wait is false and another owner is in the way;
// EDEADLK: to wait would close a circle; EINTR; ENOLCK: too many locks, or no memory. An flock is
// first given up if it is of the other type. No locks held; may sleep.
int file_lock_set(const struct file_lock *want, bool wait);
// *want becomes the lock that is in its way, or of type F_UNLCK.
void file_lock_get(struct file_lock *want);
// Drops all locks of an owner: never needs memory. May sleep.
void file_lock_release(struct vnode *v, const void *owner);

// Whether it is worth while: only the owner need know, and it knows what it locked.
static inline bool file_lock_any(const struct vnode *v)
{
    return load_relaxed(&v->locks.next) != &v->locks;
}

int file_lock_show(int pid, struct strbuf *out);    // /proc/locks
// the invariants, unless a change is under way; as page_check
unsigned file_lock_check(struct strbuf *out);
