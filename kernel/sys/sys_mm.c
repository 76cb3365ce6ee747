// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on memory: the mmap family.
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "sys/syscall.h"
#include "vm/vm_space.h"

static struct vm_space *space(void)
{
    return process_current()->space;
}

// All of mmap's flags that are older than MAP_SHARED_VALIDATE, which refuses the others.
#define LEGACY_MAP_FLAGS 0x7c07f973u

// What a mapping of f may be allowed: a shared one cannot be more than the file's mode.
static int file_max_prot(const struct file *f, unsigned flags, vm_prot_t prot, vm_prot_t *max_prot)
{
    unsigned mode = f->flags & O_ACCMODE, type = flags & LINUX_MAP_TYPE;
    bool shared = type != LINUX_MAP_PRIVATE;

    if (type == 0 || type > LINUX_MAP_SHARED_VALIDATE)
        return EINVAL;
    if (mode == O_WRONLY)
        return EACCES;
    if (!vnode_can_map(f->vnode) && !vnode_is_zero(f->vnode))
        return ENODEV;
    *max_prot = shared && mode != O_RDWR ? PROT_ALL & ~PROT_WRITE : PROT_ALL;
    return prot & ~*max_prot ? EACCES : 0;
}

static int map_file(vaddr_t va, size_t len, unsigned prot, unsigned flags, int fd, uint64_t offset)
{
    struct file *f SCOPED_FILE = fd_file(fd);
    vm_prot_t max_prot = PROT_NONE;

    if (!f)
        return EBADF;
    int error = len ? file_max_prot(f, flags, prot, &max_prot) : EINVAL;
    if ((flags & LINUX_MAP_TYPE) == LINUX_MAP_SHARED_VALIDATE) {
        error = flags & ~LEGACY_MAP_FLAGS ? EOPNOTSUPP : error;
        flags &= ~(unsigned)LINUX_MAP_PRIVATE; // leaves LINUX_MAP_SHARED
    }
    struct vm_object *o = vnode_is_zero(f->vnode) ? NULL : &f->vnode->object;
    if (!error) {
        flags = f->flags & O_ACCMODE ? flags | MMAP_WRITER : flags & ~MMAP_WRITER;
        if (o)
            vm_object_ref(o);
        error = vm_mmap(space(), &va, len, prot, max_prot, flags, o, offset);
        if (error && o)
            vm_object_unref(o);
    }
    return error ? error : answer((long)va);
}

static int sys_mmap(vaddr_t va, size_t len, unsigned prot, unsigned flags, int fd, uint64_t offset)
{
    if (offset & PAGE_MASK)
        return EINVAL;
    prot &= PROT_ALL;
    if (!(flags & LINUX_MAP_ANONYMOUS))
        return map_file(va, len, prot, flags, fd, offset);
    int error = vm_mmap(space(), &va, len, prot, PROT_ALL, flags, NULL, 0);
    return error ? error : answer((long)va);
}

static int sys_munmap(vaddr_t va, size_t len)
{
    return vm_munmap(space(), va, len);
}

static int sys_mprotect(vaddr_t va, size_t len, unsigned prot)
{
    if (prot & ~(unsigned)PROT_ALL)
        return EINVAL;
    return vm_mprotect(space(), va, len, prot);
}

static int sys_mremap(vaddr_t va, size_t old_len, size_t new_len, unsigned flags, vaddr_t new_va)
{
    int error = vm_mremap(space(), va, old_len, new_len, flags, &new_va);

    return error ? error : answer((long)new_va);
}

static int sys_msync(vaddr_t va, size_t len, unsigned flags)
{
    return vm_msync(space(), va, len, flags);
}

static int sys_madvise(vaddr_t va, size_t len, int advice)
{
    return vm_madvise(space(), va, len, advice);
}

static int sys_mincore(vaddr_t va, size_t len, vaddr_t vec_va)
{
    uint8_t vec[256];

    if (!page_aligned(va))
        return EINVAL;
    if (len > (size_t)1 << 47)
        return ENOMEM;
    size_t npages = page_round(len) >> PAGE_SHIFT;
    for (size_t done = 0; done < npages;) {
        size_t n = min(npages - done, sizeof(vec));
        int error = vm_mincore(space(), va + (done << PAGE_SHIFT), n, vec);
        if (!error)
            error = copyout(vec_va + done, vec, n);
        if (error)
            return error;
        done += n;
    }
    return 0;
}

static int sys_mlock(vaddr_t va, size_t len)
{
    return vm_mlock(space(), va, len, true);
}

static int sys_munlock(vaddr_t va, size_t len)
{
    return vm_mlock(space(), va, len, false);
}

static int sys_brk(vaddr_t new_end)
{
    return answer((long)vm_brk(space(), new_end));
}

// clang-format off
const struct call mm_calls[] = {
    CALL(9, mmap), CALL(10, mprotect), CALL(11, munmap), CALL(12, brk), CALL(25, mremap),
    CALL(26, msync), CALL(27, mincore), CALL(28, madvise), CALL(149, mlock), CALL(150, munlock),
    {0},
};
// clang-format on
