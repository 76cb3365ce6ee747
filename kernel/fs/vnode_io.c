// SPDX-License-Identifier: BSD-2-Clause
//
// Reading, writing and truncating regular files through the page cache: the pages that mmap shows.
// The vnode's lock is held throughout, also across user copies; a page's contents are copied
// without faulting first, and only if that fails with the page wired (read) or after the user's
// memory was faulted in (write), so that no page lock is ever held across a fault.

#include "fs/vnode.h"

#include "fs/file.h"
#include "fs/uio.h"
#include "fs/vnode_pager.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/vm_page.h"
#include "sync/scoped.h"
#include "sync/waitq.h"
#include "pmap/pmap.h"

#define FILE_SIZE_MAX (1ul << 43)

uint64_t (*vnode_size_limit)(uint64_t pos);

// The length up to which a file may be written, by one who wants its byte pos.
static uint64_t most_bytes(uint64_t pos)
{
    if (__builtin_expect(!vnode_size_limit, 1))
        return FILE_SIZE_MAX;
    return min(vnode_size_limit(pos), FILE_SIZE_MAX);
}

// The rest of the page in which uio stands, as far as it wants it.
static size_t chunk(const struct uio *uio)
{
    return min(PAGE_SIZE - ((size_t)uio->offset & PAGE_MASK), uio->resid);
}

// A transfer of many pages ends when its thread is killed: others wait for the file's locks.
static int next_page(const struct uio *uio)
{
    return uio->resid > 0 && waitq_killed() ? EINTR : 0;
}

// A page, busy, waiting for memory if need be. The object is locked; on error it is too.
static int get_page(struct vnode *v, pgno_t pgno, vm_prot_t access, bool overwrite,
                    struct vm_page **pg)
{
    int error;

    while ((error = vnode_page_get(v, pgno, access, overwrite, access & PROT_WRITE, pg)) ==
           ENOMEM) {
        mutex_unlock(&v->object.lock);
        error = vm_page_wait();
        mutex_lock(&v->object.lock);
        if (error)
            break;
    }
    return error;
}

// Copies n bytes of one page out.
static int read_page(struct vnode *v, struct uio *uio, size_t n)
{
    struct vm_object *o = &v->object;
    pgno_t pgno = (uint64_t)uio->offset >> PAGE_SHIFT;
    size_t at = (size_t)uio->offset & PAGE_MASK, moved = 0;

    SCOPED_MUTEX(&o->lock);
    struct vm_page *pg = vm_object_lookup(o, pgno);
    if (!pg || (pg->flags & PG_BUSY)) {
        int error = get_page(v, pgno, PROT_READ, false, &pg);
        if (error)
            return error;
        vm_page_unbusy(pg);
    }
    char *data = (char *)page_to_dmap(pg) + at;
    or_relaxed(&pg->attrs, PGA_REFERENCED);
    if (uio_move_nofault(uio, data, n, &moved) == 0)
        return 0;
    vm_page_wire(pg);
    mutex_unlock(&o->lock);
    int error = uio_move(uio, data + moved, n - moved);
    mutex_lock(&o->lock);
    vm_page_unwire(pg);
    return error;
}

int vnode_read(struct vnode *v, struct uio *uio)
{
    int error = 0;

    SCOPED_READ(&v->lock);
    while (!error && uio->resid > 0 && (uint64_t)uio->offset < v->size) {
        error = read_page(v, uio, min(chunk(uio), v->size - (uint64_t)uio->offset));
        error = error ? error : next_page(uio);
    }
    return error;
}

int vnode_read_kernel(struct vnode *v, void *buf, size_t len, off_t offset, size_t *nread)
{
    struct uio_vec vec = {.base = (vaddr_t)buf, .len = len};
    struct uio uio = {.vec = &vec, .nvec = 1, .resid = len, .offset = offset};
    int error = vnode_read(v, &uio);

    *nread = len - uio.resid;
    return error;
}

// Copies up to n bytes into one page and extends the file over them.
static int write_page(struct vnode *v, struct uio *uio, size_t n)
{
    struct vm_object *o = &v->object;
    pgno_t pgno = (uint64_t)uio->offset >> PAGE_SHIFT;
    size_t at = (size_t)uio->offset & PAGE_MASK, moved;
    bool beyond = pgno << PAGE_SHIFT >= v->size;
    bool whole = beyond && at == 0 && n == PAGE_SIZE; // need not be read, nor cleared
    struct vm_page *pg;

    int error = beyond ? uio_fault_in(uio, n) : 0;
    if (error)
        return error;
    mutex_lock(&o->lock);
    error = get_page(v, pgno, PROT_WRITE, whole, &pg);
    mutex_unlock(&o->lock);
    if (error)
        return error;
    char *data = page_to_dmap(pg);
    error = uio_move_nofault(uio, data + at, n, &moved);
    if (error && whole)
        memset(data + moved, 0, PAGE_SIZE - moved);
    mutex_lock(&o->lock);
    if (moved > 0)
        v->size = max(v->size, (uint64_t)uio->offset);
    vm_object_dirty(o, pg);
    or_relaxed(&pg->attrs, PGA_REFERENCED);
    vm_page_unbusy(pg);
    mutex_unlock(&o->lock);
    return error ? uio_fault_in(uio, n - moved) : 0;
}

// Clears the rest of the last page before the file grows over it: a program may have written
// there through a mapping, and the device's bytes there are undefined. A hole has nothing to clear.
static int clear_last_page(struct vnode *v)
{
    struct vm_object *o = &v->object;
    size_t used = v->size & PAGE_MASK;
    struct vm_page *pg;

    if (used == 0)
        return 0;
    SCOPED_MUTEX(&o->lock);
    int error = get_page(v, v->size >> PAGE_SHIFT, PROT_READ, false, &pg);
    if (error)
        return error;
    if (pg->flags & PG_BACKED) {
        memset((char *)page_to_dmap(pg) + used, 0, PAGE_SIZE - used);
        vm_object_dirty(o, pg);
    }
    vm_page_unbusy(pg);
    return 0;
}

// Clears the rest of the page in which the file now ends, if it is in memory: mappings show it. One
// that is not reads as zeroes there when it comes in.
static void clear_tail(struct vm_object *o, uint64_t size)
{
    struct vm_page *pg;

    if ((size & PAGE_MASK) == 0)
        return;
    while ((pg = vm_object_lookup(o, size >> PAGE_SHIFT)) && (pg->flags & PG_BUSY)) {
        vm_page_busy_wait(pg, &o->lock);
        mutex_lock(&o->lock);
    }
    if (pg)
        memset((char *)page_to_dmap(pg) + (size & PAGE_MASK), 0, PAGE_SIZE - (size & PAGE_MASK));
}

// Throws the pages beyond the end of the file away. The object is locked.
static void discard_beyond(struct vnode *v)
{
    struct vm_object *o = &v->object;
    o->ops->put(o, page_round(v->size) >> PAGE_SHIFT, ~0ul, PUT_FREE | PUT_DISCARD);
}

int vnode_write(struct vnode *v, struct uio *uio)
{
    size_t start = uio->resid, beyond = 0;
    int error = 0;

    if (start == 0)
        return 0;
    SCOPED_WRITE(&v->lock);
    uint64_t old_size = v->size;
    if (uio->flags & O_APPEND)
        uio->offset = (off_t)v->size;
    uint64_t at = (uint64_t)uio->offset, most = most_bytes(at);
    if (at >= most)
        error = EFBIG;
    else if (start > most - at)
        beyond = start - (most - at);
    if (!error && at > v->size)
        error = clear_last_page(v);
    uio->resid -= beyond; // a part of what is wanted is written
    while (!error && uio->resid > 0) {
        error = write_page(v, uio, chunk(uio));
        error = error ? error : next_page(uio);
    }
    uio->resid += beyond;
    if (v->size > old_size)
        v->ops->backing->grow(v, v->size);
    else if (uio->resid < start)
        v->ops->backing->touch(v, VA_MTIME);
    if (error) { // a page may have been made beyond the end and not been written
        SCOPED_MUTEX(&v->object.lock);
        discard_beyond(v);
        v->ahead = true;
    }
    return error;
}

// Makes the file shorter. Faults beyond the new end fail from the moment that the size is set, so
// the blocks are freed when nothing shows them any more.
static int shrink(struct vnode *v, uint64_t size)
{
    struct vm_object *o = &v->object;

    mutex_lock(&o->lock);
    v->size = size;
    v->shrinks++;
    discard_beyond(v);
    clear_tail(o, size);
    mutex_unlock(&o->lock);
    return v->ops->backing->truncate(v, size);
}

static int lengthen(struct vnode *v, uint64_t size)
{
    int error = clear_last_page(v);

    if (!error)
        error = v->ops->backing->truncate(v, size);
    if (error)
        return error;
    SCOPED_MUTEX(&v->object.lock);
    v->size = size;
    return 0;
}

int vnode_truncate(struct vnode *v, uint64_t size)
{
    if (v->type != VREG)
        return v->type == VDIR ? EISDIR : EINVAL;
    if (!v->ops->backing)
        return 0; // a generated file: it has no length to set
    if (size > FILE_SIZE_MAX)
        return EFBIG;
    SCOPED_WRITE(&v->lock);
    if (size <= v->size)
        return shrink(v, size);
    return size <= most_bytes(size - 1) ? lengthen(v, size) : EFBIG;
}

void vnode_trim(struct vnode *v)
{
    if (!load_relaxed(&v->ahead))
        return;
    SCOPED_WRITE(&v->lock);
    mutex_lock(&v->object.lock);
    v->ahead = false;
    v->shrinks++;
    discard_beyond(v);
    mutex_unlock(&v->object.lock);
    if (v->ops->backing->trim(v) == 0)
        return;
    SCOPED_MUTEX(&v->object.lock);
    v->ahead = true; // the next to close it tries again
}
