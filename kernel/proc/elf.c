// SPDX-License-Identifier: BSD-2-Clause
//
// ELF files (System V ABI, gABI 4.1 and the amd64 supplement): checking the headers, mapping the
// segments. The file is not trusted: every number is checked before it is used.
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "proc/exec.h"
#include "vm/vm_space.h"

#define PIE_BASE  0x555555554000ul // where position-independent programs go
#define MAX_PHDRS 32

enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62 };
enum { PT_LOAD = 1, PT_INTERP = 3 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

static int check_header(const struct elf_header *h, size_t len)
{
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1}; // 64 bits, little-endian

    if (len < sizeof(*h) || memcmp(h->ident, ident, sizeof(ident)) != 0)
        return ENOEXEC;
    if ((h->type != ET_EXEC && h->type != ET_DYN) || h->machine != EM_X86_64)
        return ENOEXEC;
    if (h->phentsize != sizeof(struct elf_phdr) || h->phnum == 0 || h->phnum > MAX_PHDRS)
        return ENOEXEC;
    return 0;
}

static int check_segment(const struct elf_phdr *ph, vaddr_t base)
{
    if (ph->memsz < ph->filesz || (ph->offset & PAGE_MASK) != (ph->vaddr & PAGE_MASK))
        return ENOEXEC;
    if (ph->offset > INT64_MAX - ph->filesz - PAGE_SIZE)
        return ENOEXEC;
    if (ph->vaddr >= USER_MAX - base || ph->memsz > USER_MAX - base - ph->vaddr - PAGE_SIZE)
        return ENOEXEC;
    return base + page_trunc(ph->vaddr) < USER_MIN ? ENOEXEC : 0;
}

static vm_prot_t segment_prot(const struct elf_phdr *ph)
{
    return (ph->flags & PF_R ? PROT_READ : 0) | (ph->flags & PF_W ? PROT_WRITE : 0) |
           (ph->flags & PF_X ? PROT_EXEC : 0);
}

// Maps one segment: pages of the file, then pages of zeroes; the end of the last file page is
// left for later, because only a loaded space can be written to.
static int map_segment(struct vnode *v, const struct elf_phdr *ph, vaddr_t base,
                       struct vm_space *vs, struct elf_image *image)
{
    vaddr_t start = base + page_trunc(ph->vaddr);
    vaddr_t file_end = base + ph->vaddr + ph->filesz, mem_end = base + ph->vaddr + ph->memsz;
    vaddr_t zero_start = ph->filesz ? page_round(file_end) : start;
    vm_prot_t prot = segment_prot(ph);
    int err;

    if (ph->filesz) {
        vm_object_ref(&v->object);
        err = vm_mmap(vs, &start, zero_start - start, prot, PROT_ALL,
                      LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, &v->object, page_trunc(ph->offset));
        if (err) {
            vm_object_unref(&v->object);
            return err;
        }
    }
    if (page_round(mem_end) > zero_start) {
        err = vm_mmap(vs, &zero_start, page_round(mem_end) - zero_start, prot, PROT_ALL,
                      LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | LINUX_MAP_ANONYMOUS, NULL, 0);
        if (err)
            return err;
    }
    size_t rest = min(mem_end, page_round(file_end)) - file_end;
    if (ph->filesz && (prot & PROT_WRITE) && rest > 0) {
        if (image->nclear == array_len(image->clear))
            return ENOEXEC;
        image->clear[image->nclear++] = (struct elf_clear){file_end, rest};
    }
    image->end_va = max(image->end_va, page_round(mem_end));
    return 0;
}

static int read_phdrs(struct vnode *v, const struct elf_header *h, const char *head,
                      size_t head_len, struct elf_phdr *ph)
{
    size_t len = h->phnum * sizeof(*ph), nread;

    if (h->phoff <= head_len && len <= head_len - h->phoff) {
        memcpy(ph, head + h->phoff, len);
        return 0;
    }
    if (h->phoff > INT64_MAX - len)
        return ENOEXEC;
    int err = vnode_read_kernel(v, ph, len, (off_t)h->phoff, &nread);
    return err ? err : nread < len ? ENOEXEC : 0;
}

static int map_segments(struct vnode *v, const struct elf_header *h, const struct elf_phdr *phdrs,
                        struct vm_space *vs, struct elf_image *image)
{
    vaddr_t base = h->type == ET_DYN ? PIE_BASE : 0;
    bool loaded = false;

    for (unsigned i = 0; i < h->phnum; i++) {
        const struct elf_phdr *ph = &phdrs[i];
        if (ph->type == PT_INTERP)
            return ENOEXEC; // dynamic programs are not supported
        if (ph->type != PT_LOAD || ph->memsz == 0)
            continue;
        int err = check_segment(ph, base);
        if (!err)
            err = map_segment(v, ph, base, vs, image);
        if (err)
            return err;
        if (h->phoff >= ph->offset && h->phoff - ph->offset < ph->filesz)
            image->phdr_va = base + ph->vaddr + (h->phoff - ph->offset);
        loaded = true;
    }
    image->entry_va = base + h->entry;
    image->phnum = h->phnum;
    return loaded && h->entry < USER_MAX - base ? 0 : ENOEXEC;
}

int elf_load(struct vnode *v, const char *head, size_t head_len, struct vm_space *vs,
             struct elf_image *image)
{
    struct elf_phdr phdrs[MAX_PHDRS];
    struct elf_header h;

    int err = head_len < sizeof(h) ? ENOEXEC : 0;
    if (err)
        return err;
    memcpy(&h, head, sizeof(h));
    *image = (struct elf_image){0};
    err = check_header(&h, head_len);
    if (!err)
        err = read_phdrs(v, &h, head, head_len, phdrs);
    if (!err)
        err = map_segments(v, &h, phdrs, vs, image);
    return err;
}
