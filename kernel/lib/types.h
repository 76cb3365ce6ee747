// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's basic types, the page's geometry, atomic operations. A name ending in _va is a
// virtual address, _pa a physical one, pgno a page number within its container, npages a count of
// pages.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/atomic.h"

typedef uintptr_t vaddr_t;      // virtual address, bytes
typedef uint64_t paddr_t;       // physical address, bytes
typedef uint64_t pgno_t;        // page number within an object, a file or an amap
typedef int64_t off_t;          // byte offset in a file
typedef int64_t ssize_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ul << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define page_trunc(a)   ((a) & ~PAGE_MASK)
#define page_round(a)   (((a) + PAGE_MASK) & ~PAGE_MASK)
#define page_aligned(a) (((a) & PAGE_MASK) == 0)

#define UNUSED __attribute__((unused))  // of a parameter: others of the same type use it

// What a function returns must be looked at.
#define MUST_CHECK __attribute__((warn_unused_result))

// A function off the usual way that saves what it uses, so that its callers need save nothing for
// it. In programs of the host, whose processor may be any, it is an ordinary one.
#if defined(__x86_64__) && !defined(__SSE__)
#define OFF_THE_WAY __attribute__((noinline, cold, no_caller_saved_registers))
#else
#define OFF_THE_WAY __attribute__((noinline, cold))
#endif

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define array_len(a)                    (sizeof(a) / sizeof((a)[0]))
#define min(a, b)                       ((a) < (b) ? (a) : (b))
#define max(a, b)                       ((a) > (b) ? (a) : (b))

// Protections, as in Linux's PROT_*; used by maps and pmap alike.
enum vm_prot {
    PROT_NONE = 0,
    PROT_READ = 1,
    PROT_WRITE = 2,
    PROT_EXEC = 4,
    PROT_RW = PROT_READ | PROT_WRITE,
    PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC,
};
typedef unsigned vm_prot_t;
