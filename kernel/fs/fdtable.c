// SPDX-License-Identifier: BSD-2-Clause
//
// Descriptor tables: an array of open files that grows by doubling, and two bitmaps, of the slots
// in use and of those that exec closes. The table's mutex guards everything but nrefs (atomic);
// files are closed after it is released.

#include "fs/file.h"

#include "fs/file_lock.h"
#include "lib/atomic.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "sync/scoped.h"
#include "vm/kmem.h"
#include "vm/slab.h"

#define FIRST_SLOTS 32u

struct fdtable {
    struct mutex lock;
    uint32_t nrefs;      // atomic
    unsigned nslots;     // in `files', <= OPEN_MAX
    struct file **files; // NULL where unused
    uint64_t used[BITMAP_WORDS(OPEN_MAX)];
    uint64_t cloexec[BITMAP_WORDS(OPEN_MAX)];
};

static struct pool fdtable_pool;

void fdtable_init(void)
{
    pool_init(&fdtable_pool, "fdtable", sizeof(struct fdtable), 0, NULL);
}

static int table_alloc(unsigned nslots, struct fdtable **out)
{
    struct fdtable *t = pool_get(&fdtable_pool, PR_WAITOK | PR_ZERO);
    if (!t)
        return ENOMEM;
    t->files = slab_alloc(nslots * sizeof(t->files[0]), KM_ZERO);
    if (!t->files) {
        pool_put(&fdtable_pool, t);
        return ENOMEM;
    }
    mutex_init(&t->lock, "fdtable", LOCK_FDTABLE, 0);
    t->nrefs = 1;
    t->nslots = nslots;
    *out = t;
    return 0;
}

int fdtable_create(struct fdtable **out)
{
    return table_alloc(FIRST_SLOTS, out);
}

// The first descriptor in use from fd on; nslots: none. The lock is held, or the table is dying.
static size_t next_used(const struct fdtable *t, size_t fd)
{
    return bitmap_find_set(t->used, t->nslots, fd);
}

int fdtable_copy(struct fdtable *t, struct fdtable **out)
{
    struct fdtable *copy;
    unsigned nslots = load_relaxed(&t->nslots);
    int error = table_alloc(nslots, &copy);

    if (error)
        return error;
    mutex_lock(&t->lock);
    if (t->nslots != nslots) { // it grew meanwhile
        mutex_unlock(&t->lock);
        fdtable_unref(copy);
        return fdtable_copy(t, out);
    }
    memcpy(copy->used, t->used, sizeof(t->used));
    memcpy(copy->cloexec, t->cloexec, sizeof(t->cloexec));
    for (size_t fd = next_used(t, 0); fd < nslots; fd = next_used(t, fd + 1)) {
        copy->files[fd] = t->files[fd];
        file_ref(copy->files[fd]);
    }
    mutex_unlock(&t->lock);
    *out = copy;
    return 0;
}

void fdtable_ref(struct fdtable *t)
{
    add_relaxed(&t->nrefs, 1);
}

// Gives up what a slot held. Each close of a file drops the process's record locks on it.
static void close_file(const struct fdtable *t, struct file *f)
{
    if (file_lock_any(f->vnode) && !(f->flags & O_PATH))
        file_lock_release(f->vnode, t);
    file_unref(f);
}

void fdtable_unref(struct fdtable *t)
{
    if (sub_acq_rel(&t->nrefs, 1) > 0)
        return;
    for (size_t fd = next_used(t, 0); fd < t->nslots; fd = next_used(t, fd + 1))
        close_file(t, t->files[fd]);
    slab_free(t->files);
    pool_put(&fdtable_pool, t);
}

// What a slot holds, or NULL. The lock is held.
static struct file *slot(const struct fdtable *t, int fd)
{
    return (unsigned)fd < t->nslots ? t->files[fd] : NULL;
}

struct file *fdtable_get(struct fdtable *t, int fd)
{
    SCOPED_MUTEX(&t->lock);
    struct file *f = slot(t, fd);
    if (f)
        file_ref(f);
    return f;
}

// Makes room for descriptor fd. The lock is held, and released while memory is allocated: look
// again.
static int grow(struct fdtable *t, unsigned fd)
{
    while (fd >= t->nslots) {
        unsigned nslots = t->nslots;
        while (nslots <= fd)
            nslots *= 2;
        mutex_unlock(&t->lock);
        struct file **files = slab_alloc(nslots * sizeof(files[0]), KM_ZERO);
        mutex_lock(&t->lock);
        if (!files)
            return ENOMEM;
        struct file **old = files;
        if (nslots > t->nslots) {
            memcpy(files, t->files, t->nslots * sizeof(files[0]));
            old = t->files;
            t->files = files;
            t->nslots = nslots;
        }
        slab_free(old);
    }
    return 0;
}

static void set_slot(struct fdtable *t, unsigned fd, struct file *f, bool cloexec)
{
    t->files[fd] = f;
    bitmap_set(t->used, fd);
    (cloexec ? bitmap_set : bitmap_clear)(t->cloexec, fd);
}

int fdtable_install(struct fdtable *t, struct file *f, int min_fd, uint64_t limit, bool cloexec,
                    int *fd)
{
    limit = min(limit, (uint64_t)OPEN_MAX);
    if (min_fd < 0 || min_fd >= OPEN_MAX)
        return EINVAL;
    SCOPED_MUTEX(&t->lock);
    for (;;) {
        size_t free = bitmap_find_clear(t->used, limit, (size_t)min_fd);
        if (free >= limit)
            return EMFILE;
        if (free < t->nslots) {
            set_slot(t, (unsigned)free, f, cloexec);
            *fd = (int)free;
            return 0;
        }
        int error = grow(t, (unsigned)free);
        if (error)
            return error;
    }
}

int fdtable_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec)
{
    struct file *old = NULL;

    if (fd < 0 || fd >= OPEN_MAX)
        return EBADF;
    mutex_lock(&t->lock);
    int error = grow(t, (unsigned)fd);
    if (!error) {
        old = t->files[fd];
        set_slot(t, (unsigned)fd, f, cloexec);
    }
    mutex_unlock(&t->lock);
    if (old)
        close_file(t, old);
    return error;
}

// Takes the file out of a slot, with its reference, and closes it; false: there is none. The lock
// is held, and released.
static bool close_slot(struct fdtable *t, size_t fd)
{
    struct file *f = fd < t->nslots ? t->files[fd] : NULL;

    if (f) {
        t->files[fd] = NULL;
        bitmap_clear(t->used, fd);
        bitmap_clear(t->cloexec, fd);
    }
    mutex_unlock(&t->lock);
    if (f)
        close_file(t, f);
    return f;
}

int fdtable_close(struct fdtable *t, int fd)
{
    mutex_lock(&t->lock);
    return close_slot(t, (unsigned)fd) ? 0 : EBADF;
}

void fdtable_close_on_exec(struct fdtable *t)
{
    do {
        mutex_lock(&t->lock);
    } while (close_slot(t, bitmap_find_set(t->cloexec, t->nslots, 0)));
}

int fdtable_get_cloexec(struct fdtable *t, int fd, bool *cloexec)
{
    SCOPED_MUTEX(&t->lock);
    if (!slot(t, fd))
        return EBADF;
    *cloexec = bitmap_test(t->cloexec, (size_t)fd);
    return 0;
}

int fdtable_set_cloexec(struct fdtable *t, int fd, bool cloexec)
{
    SCOPED_MUTEX(&t->lock);
    if (!slot(t, fd))
        return EBADF;
    (cloexec ? bitmap_set : bitmap_clear)(t->cloexec, (size_t)fd);
    return 0;
}

int fdtable_next(struct fdtable *t, int fd)
{
    SCOPED_MUTEX(&t->lock);
    size_t next = next_used(t, (size_t)max(fd, 0));
    return next < t->nslots ? (int)next : -1;
}

size_t fdtable_bytes(struct fdtable *t, size_t (*of)(const struct vnode *v))
{
    SCOPED_MUTEX(&t->lock);
    size_t nbytes = sizeof(*t) + t->nslots * sizeof(t->files[0]);
    for (size_t fd = next_used(t, 0); fd < t->nslots; fd = next_used(t, fd + 1))
        nbytes += sizeof(struct file) + of(t->files[fd]->vnode);
    return nbytes;
}
