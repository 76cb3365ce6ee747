// SPDX-License-Identifier: BSD-2-Clause
//
// Anons: one page of private memory, in a frame or in a swap slot, shared by the amap slots that
// hold it. Lab 4 owns its implementation, with amap.c and fault_case.c. After UVM (Cranor 1998).
// First form: an anon belongs to exactly one amap slot (nrefs is always 1).
//
// Locks: (n) the anon's mutex, after the amap's. Its page's owner lock is the anon's.
// A new anon is born locked; on an error: drop the reference, unlock, then it is freed.
#pragma once

#include "lib/types.h"
#include "sync/mutex.h"

struct vm_page;

struct vm_anon {
    struct mutex lock;
    uint32_t nrefs;             // (n) amap slots that hold it
    struct vm_page *page;       // (n) its frame, or NULL: then it is in swap
    uint32_t swap_slot;         // (n) 0: none
};

void anon_init(void);
// A new locked anon with one reference and no page; NULL: no memory. Never sleeps.
struct vm_anon *anon_alloc(void);
void anon_ref(struct vm_anon *an);              // locked
// Drops one reference and unlocks; the last frees page and slot. Never allocates. A busy page is released when its I/O ends.
void anon_unref_unlock(struct vm_anon *an);

// Makes the page resident: 0 with it in an->page, not busy, an still locked. May release the lock to read swap. EIO,
// ENOMEM (caller drops its locks, waits, retries), EAGAIN (the lock was released: look the amap up again), EINTR.
int anon_get_page(struct vm_anon *an);

uint64_t anon_count(void);
