// SPDX-License-Identifier: BSD-2-Clause
//
// See vfs_machine.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "amd64/usercopy.h"
#include "fs/sfs/sfs.h"
#include "fs/sfs/vnode_sfs.h"
#include "fs/syncer.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "mkfs/check.h"
#include "mkfs/format.h"
#include "pmap/pmap.h"
#include "tests/host/lib/vfs_machine.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_space.h"

struct memdev disk;
static __thread struct vm_space *space;

// There is no syncer: tests sync when they want it.
void syncer_changed(void)
{
}

void syncer_again(void)
{
}

// ---- user memory ----

struct vm_space *user_space(void)
{
    return space;
}

void user_begin(void)
{
    vaddr_t va = USER_BASE;

    space = vm_space_create();
    CHECK(space, "no memory");
    int error = vm_mmap(space, &va, USER_PAGES * PAGE_SIZE, PROT_RW, PROT_ALL,
                        LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED | LINUX_MAP_PRIVATE, NULL, 0);
    CHECK(error == 0, "mmap: %d", error);
}

void user_end(void)
{
    vm_space_unref(space);
    space = NULL;
}

void user_evict(void)
{
    CHECK(vm_madvise(space, USER_BASE, USER_PAGES * PAGE_SIZE, 4) == 0, "DONTNEED");
}

int user_map_file(struct vnode *v, vaddr_t va, unsigned npages)
{
    vm_object_ref(&v->object);
    return vm_mmap(space, &va, npages * PAGE_SIZE, PROT_RW, PROT_ALL,
                   LINUX_MAP_SHARED | LINUX_MAP_FIXED, &v->object, 0);
}

// The memory at va; without faulting only if it is there already.
static char *reach(vaddr_t va, vm_prot_t access, bool nofault)
{
    uint64_t *word;
    paddr_t pa;
    vm_prot_t prot;

    if (nofault)
        return pmap_extract(space->pmap, va, &pa, &prot) && !(access & ~prot) ? phys_to_dmap(pa)
                                                                              : NULL;
    return user_access(space, va, access, &word) == 0 ? (char *)word : NULL;
}

static int copy(char *kernel, vaddr_t va, size_t n, bool out, bool nofault, size_t *done)
{
    size_t moved = 0;

    while (moved < n) {
        size_t len = min(n - moved, PAGE_SIZE - ((va + moved) & PAGE_MASK));
        char *user = reach(va + moved, out ? PROT_WRITE : PROT_READ, nofault);
        if (!user)
            break;
        memcpy(out ? user : kernel + moved, out ? kernel + moved : user, len);
        moved += len;
    }
    if (done)
        *done = moved;
    return moved == n ? 0 : EFAULT;
}

int copyin(void *dst, vaddr_t user_src, size_t n)
{
    assert_may_sleep("copyin");
    return copy(dst, user_src, n, false, false, NULL);
}

int copyout(vaddr_t user_dst, const void *src, size_t n)
{
    assert_may_sleep("copyout");
    return copy((char *)src, user_dst, n, true, false, NULL);
}

int copyin_nofault(void *dst, vaddr_t user_src, size_t n, size_t *done)
{
    return copy(dst, user_src, n, false, true, done);
}

int copyout_nofault(vaddr_t user_dst, const void *src, size_t n, size_t *done)
{
    return copy((char *)src, user_dst, n, true, true, done);
}

int fetch_user_u32(vaddr_t user_addr, uint32_t *value)
{
    return copyin(value, user_addr, sizeof(*value));
}

int cmpxchg_user_u32(vaddr_t user_addr, uint32_t expect, uint32_t desired, uint32_t *old)
{
    *old = expect;
    return copyout(user_addr, &desired, sizeof(desired));
}

void user_fill(size_t offset, const void *data, size_t n)
{
    CHECK(copyout(USER_BASE + offset, data, n) == 0, "user memory at %zu+%zu", offset, n);
}

void user_fetch(size_t offset, void *data, size_t n)
{
    CHECK(copyin(data, USER_BASE + offset, n) == 0, "user memory at %zu+%zu", offset, n);
}

// ---- the disk ----

uint64_t clock_realtime_ns(void)
{
    static uint64_t now;
    return __atomic_add_fetch(&now, 1000, __ATOMIC_RELAXED);
}

static void *plain_alloc(size_t size)
{
    return slab_alloc(size, KM_WAITOK | KM_ZERO);
}

static void plain_free(void *p, size_t size)
{
    (void)size;
    slab_free(p);
}

void vfs_start(unsigned npages, uint64_t nblocks, unsigned max_unused)
{
    const struct sfs_env env = {.alloc = plain_alloc, .free = plain_free, .now = clock_realtime_ns};
    struct format sizes = {.ninodes = 256};
    struct mount *m;

    machine_start(npages);
    memdev_init(&disk, nblocks);
    CHECK(format(&disk.dev, &env, &sizes) == 0, "format");
    CHECK(sfs_vnode_mount(&disk.dev, SFS_MIN_BUFS, max_unused, &m) == 0, "mount");
    root_vnode = m->root;
    mount_add(m);
    vfs_init();
    file_init();
}

void vfs_check(void)
{
    size_t size = disk.dev.nblocks * BDEV_BLOCK;
    uint8_t *image = malloc(size);
    struct check c;

    CHECK(vfs_sync() == 0, "sync");
    memcpy(image, disk.data, size);
    CHECK(check_image(&c, image, size, stderr) == 0, "fsck finds %u problems", c.problems);
    free(image);
    machine_check();
}

// ---- calls ----

int vopen(const char *path, unsigned flags, struct file **f)
{
    return file_open(root_vnode, path, flags, 0644, f);
}

int vwrite(struct file *f, const void *data, size_t n, off_t at)
{
    struct uio_vec vec = {USER_BASE, n};
    size_t moved;

    user_fill(0, data, n);
    int err = file_transfer(f, &vec, 1, &at, true, &moved);
    return err ? err : moved == n ? 0 : EIO;
}

int vread(struct file *f, void *data, size_t n, off_t at, size_t *got)
{
    struct uio_vec vec = {USER_BASE, n};
    int err = file_transfer(f, &vec, 1, &at, false, got);

    if (!err)
        user_fetch(0, data, *got);
    return err;
}
