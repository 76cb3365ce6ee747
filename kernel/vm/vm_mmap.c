// SPDX-License-Identifier: BSD-2-Clause
//
// mmap, munmap, mprotect, mlock: Linux's rules about addresses, lengths and rights, in front of
// the map's own operations. mremap is in vm_mremap.c, advice and queries in vm_madvise.c.
//
// Locking: vm_space.h.

#include "vm/vm_space.h"

#include "lib/errno.h"
#include "mem/memlayout.h"
#include "pmap/ptshare.h"
#include "vm/amap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

// ---- mmap ----

#define MAP_32BIT_END (2ul << 30)

// Where the mapping is to go: fills in va, below and flags.
static int mmap_place(struct vm_space *vs, vaddr_t hint, unsigned linux_flags,
                      struct vm_map_req *req)
{
    if (req->len > USER_MAX)
        return ENOMEM;
    if (linux_flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) {
        if (!user_range(hint, req->len))
            return ENOMEM;
        if (!page_aligned(hint))
            return EINVAL;
        if (hint < USER_MIN)
            return EPERM;
        req->flags = MAP_FIXED_ADDR;
        if (linux_flags & LINUX_MAP_FIXED_NOREPLACE)
            req->flags |= MAP_NOREPLACE;
    } else if (!user_range(hint, req->len)) {
        hint = 0;
    }
    req->below = vs->mmap_top;
    if (linux_flags & LINUX_MAP_32BIT && !req->flags) {
        hint = user_range(hint, req->len) && hint + req->len <= MAP_32BIT_END ? hint : 0;
        req->below = MAP_32BIT_END;
    }
    req->va = page_trunc(hint);
    return 0;
}

// Which kind of mapping: fills in rights, inheritance and entry flags.
static int mmap_kind(unsigned linux_flags, bool anonymous, vm_prot_t max_prot,
                     struct vm_map_req *req)
{
    unsigned type = linux_flags & LINUX_MAP_TYPE;
    bool grows = linux_flags & LINUX_MAP_GROWSDOWN;

    if ((type != LINUX_MAP_SHARED && type != LINUX_MAP_PRIVATE) ||
        (grows && (!anonymous || type == LINUX_MAP_SHARED)) || linux_flags & LINUX_MAP_HUGETLB)
        return EINVAL;
    if (!anonymous && !(max_prot & PROT_READ))
        return EACCES;
    req->attr.max_prot = type == LINUX_MAP_PRIVATE ? PROT_ALL : max_prot;
    if (req->attr.prot & ~req->attr.max_prot)
        return EACCES;
    req->attr.inherit = type == LINUX_MAP_SHARED ? INHERIT_SHARE : INHERIT_COPY;
    req->entry_flags = type == LINUX_MAP_SHARED ? 0 : ME_COW;
    if (!anonymous && linux_flags & MMAP_WRITER)
        req->entry_flags |= ME_WRITER;
    if (grows) {
        req->entry_flags |= ME_STACK;
        req->attr.offset = USER_MIN;
    }
    return 0;
}

// What is to be behind shared anonymous memory: an amap, or an object. 0 or ENOMEM.
static int shared_anonymous(struct vm_map_req *req)
{
    pgno_t npages = req->len >> PAGE_SHIFT;
    int error = amap_create_shared(npages, &req->amap);

    if (!error)
        req->entry_flags |= ME_COW; // as whatever has an amap; INHERIT_SHARE makes it shared
    if (error != EOPNOTSUPP)
        return error;
    req->attr.object = anon_object_create(npages);
    return req->attr.object ? 0 : ENOMEM;
}

// Maps it. A large part of a file for which any place is good is put, if there is room, where all
// who map it can use the same page tables.
static int map_well(struct vm_map *map, struct vm_map_req *req, bool anywhere)
{
    bool shareable = anywhere && !(req->entry_flags & (ME_COW | ME_STACK)) &&
                     req->len >= PTSHARE_SPAN && req->attr.offset % PTSHARE_SPAN == 0;

    req->align = shareable ? PTSHARE_SPAN : 0;
    int error = vm_map_map(map, req);
    if (error != ENOMEM || !shareable)
        return error;
    req->align = 0;
    return vm_map_map(map, req);
}

int vm_mmap(struct vm_space *vs, vaddr_t *va, size_t len, vm_prot_t prot, vm_prot_t max_prot,
            unsigned linux_flags, struct vm_object *object, uint64_t offset)
{
    struct vm_map_req req = {
        .len = page_round(len),
        .attr = {.prot = prot & PROT_ALL, .offset = offset},
    };
    bool anonymous = !object;

    if (!page_aligned(offset) || !len)
        return EINVAL;
    if (!req.len)
        return ENOMEM;
    if (offset > VM_OFFSET_MAX - req.len)
        return EOVERFLOW;
    if (anonymous)
        req.attr.offset = 0;
    int error = mmap_place(vs, *va, linux_flags, &req);
    if (!error)
        error = mmap_kind(linux_flags, anonymous, max_prot, &req);
    if (error)
        return error;
    req.attr.object = object;
    if (anonymous && !(req.entry_flags & ME_COW)) {
        error = shared_anonymous(&req);
        if (error)
            return error;
        object = req.attr.object;
    }
    req.wired = !!(linux_flags & LINUX_MAP_LOCKED);
    int64_t claim = req.entry_flags & ME_WRITER ? (int64_t)(req.len >> PAGE_SHIFT) : 0;
    if (claim)
        vm_object_claim(object, claim);
    error = map_well(&vs->map, &req, !anonymous && *va == 0);
    if (error) {
        if (claim)
            vm_object_claim(object, -claim);
        if (anonymous && object)
            vm_object_unref(object);
        if (req.amap)
            amap_unref(req.amap, 0, req.len >> PAGE_SHIFT);
        return error;
    }
    *va = req.va;
    if (req.wired || (linux_flags & LINUX_MAP_POPULATE && !(linux_flags & LINUX_MAP_NONBLOCK)))
        vm_fault_populate(&vs->map, req.va, req.va + req.len);
    return 0;
}

int vm_munmap(struct vm_space *vs, vaddr_t va, size_t len)
{
    if (!page_aligned(va) || !len || !user_range(va, len))
        return EINVAL;
    return vm_map_unmap(&vs->map, va, va + page_round(len));
}

// ---- rights and wiring ----

int vm_mprotect(struct vm_space *vs, vaddr_t va, size_t len, vm_prot_t prot)
{
    if (!page_aligned(va) || prot & ~PROT_ALL)
        return EINVAL;
    if (!len)
        return 0;
    if (!user_range(va, page_round(len)) || !page_round(len))
        return ENOMEM;
    return vm_map_protect(&vs->map, va, va + page_round(len), prot);
}

int vm_mlock(struct vm_space *vs, vaddr_t va, size_t len, bool lock)
{
    vaddr_t start_va = page_trunc(va), end_va = page_round(va + len);

    if (va + len < va || end_va < va)
        return EINVAL;
    if (start_va == end_va)
        return 0;
    if (end_va > USER_MAX)
        return ENOMEM;
    int error = vm_map_wire(&vs->map, start_va, end_va, lock);
    if (!error && lock)
        error = vm_fault_populate(&vs->map, start_va, end_va);
    return error;
}
