// SPDX-License-Identifier: BSD-2-Clause
//
// THE lock order. A thread may take a lock only if its rank is greater than the rank of every
// lock it holds; the checker (lock_check.h) enforces this table at every acquisition. A try-lock
// may go upward. Two locks of one rank: only where the class is marked `nested', and then in the
// order the comment gives.
//
// Sleeping locks come first: nothing that may sleep is taken below a spinlock.
#pragma once

enum lock_rank {
    LOCK_NONE = 0,
    // Sleeping locks.
    LOCK_FILE_POS,      // an open file's offset (mutex)
    LOCK_RENAME,        // one per file system: makes directory moves single file (mutex)
    LOCK_VNODE,         // a vnode's data and names (rwlock); nested: parent before child, else by
                        // address
    LOCK_PROC,          // a process: its threads, limits, credentials (mutex)
    LOCK_PROC_TREE,     // parents, children, groups, sessions (mutex)
    LOCK_FDTABLE,       // a process's descriptor table (mutex)
    LOCK_TTY,           // a terminal's line discipline (mutex)
    LOCK_PIPE,          // a pipe's buffer; held across user copies only by nofault copies (mutex)
    LOCK_FUTEX,         // a futex bucket (mutex)
    LOCK_FILE_LOCK,     // all advisory locks on files (mutex)
    LOCK_MAP,           // a user vm_map (rwlock); nested: parent before child at fork
    LOCK_AMAP,          // (mutex)
    LOCK_ANON,          // (mutex)
    LOCK_OBJECT,        // a vm_object (mutex)
    LOCK_INODE,         // a file's block map and size on disk; taken by pagers with no object
                        // locked (mutex)
    LOCK_FS_INODES,     // a file system's table of inodes in memory (mutex)
    LOCK_FS_ALLOC,      // block and inode bitmaps (mutex)
    LOCK_JOURNAL,       // the running transaction (mutex)
    LOCK_BUF,           // the cache of metadata buffers (mutex)
    LOCK_SWAP,          // swap slots (mutex)
    LOCK_KERNEL_MAP,    // kernel_map and its submaps (rwlock); nested: kernel_map before submap
    LOCK_SLAB,          // zones of the variable-size allocator (mutex)
    // Spinlocks; interrupts are off while one is held.
    LOCK_SPIN_FIRST,
    LOCK_VM_LISTS = LOCK_SPIN_FIRST,    // the lists of all maps and of all amaps, for the checks
    LOCK_SIGNAL,        // a process's pending signals and actions
    LOCK_VNODE_REF,     // a vnode's or open file's cheap state
    LOCK_PAGE_QUEUES,   // active and inactive queues
    LOCK_PMAP_LIST,     // all pmaps
    LOCK_PMAP,          // one user pmap; nested: by address
    LOCK_PMAP_SHARED,   // a pmap whose tables others link
    LOCK_KERNEL_PMAP,   // the kernel's pmap
    LOCK_PV,            // the reverse map
    LOCK_POOL_LIST,     // all pools
    LOCK_POOL,          // one pool
    LOCK_POOL_BACKEND,  // a pool_allocator's list
    LOCK_PAGES,         // free pages
    LOCK_DISK,          // the disk driver's rings
    LOCK_TIMER,         // a CPU's timer queue
    LOCK_TTY_RING,      // characters received and not yet handled
    LOCK_WAITQ,         // a wait queue
    LOCK_SCHED,         // run queues and thread states; nested: by CPU number
    LOCK_CONSOLE,       // uart and record channel
    LOCK_RANKS,
};
