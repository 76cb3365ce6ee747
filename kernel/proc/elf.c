// SPDX-License-Identifier: BSD-2-Clause
//
// ELF files (System V ABI, gABI 4.1 and the amd64 supplement): checking the headers, mapping the
// segments. The file is not trusted: every number is checked before it is used. What is accepted is
// what Linux accepts, but for programs that name an interpreter.
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "proc/exec.h"
#include "vm/vm_space.h"

#define PIE_BASE  0x555555554000ul // where position-independent programs go
#define PHDRS_MAX 65536u           // bytes, as on Linux

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

// As on Linux, the machine tells the class and the byte order.
static int check_header(const struct elf_header *h)
{
    if (memcmp(h->ident, "\177ELF", 4) != 0)
        return ENOEXEC;
    if ((h->type != ET_EXEC && h->type != ET_DYN) || h->machine != EM_X86_64)
        return ENOEXEC;
    if (h->phentsize != sizeof(struct elf_phdr) || h->phnum == 0 ||
        h->phnum * sizeof(struct elf_phdr) > PHDRS_MAX)
        return ENOEXEC;
    return 0;
}

static int check_segment(const struct elf_phdr *ph, vaddr_t base)
{
    if (ph->memsz < ph->filesz || (ph->filesz && (ph->offset ^ ph->vaddr) & PAGE_MASK))
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

// The rest of the file page in which [va, mem_end) begins is to be zeroed: to its end, on which
// programs rely, but only if there are zeroes at all. It is left for later, because only a loaded
// space can be written to. A segment that is mapped over such a page brings its own.
static int note_clear(struct elf_image *image, vaddr_t va)
{
    if (image->nclear == array_len(image->clear))
        return ENOEXEC;
    image->clear[image->nclear++] = (struct elf_clear){va, page_round(va) - va};
    return 0;
}

static void forget_clears(struct elf_image *image, vaddr_t start, vaddr_t end)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < image->nclear; i++) {
        if (image->clear[i].va < start || image->clear[i].va >= end)
            image->clear[kept++] = image->clear[i];
    }
    image->nclear = kept;
}

// Maps one segment: pages of the file, then pages of zeroes.
static int map_segment(struct vnode *v, const struct elf_phdr *ph, vaddr_t base,
                       struct vm_space *vs, struct elf_image *image)
{
    vaddr_t start = base + page_trunc(ph->vaddr);
    vaddr_t file_end = base + ph->vaddr + ph->filesz, mem_end = base + ph->vaddr + ph->memsz;
    vaddr_t zero_start = ph->filesz ? page_round(file_end) : start;
    vm_prot_t prot = segment_prot(ph);
    int error;

    if (ph->filesz) {
        vm_object_ref(&v->object);
        error = vm_mmap(vs, &start, zero_start - start, prot, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, &v->object, page_trunc(ph->offset));
        if (error) {
            vm_object_unref(&v->object);
            return error;
        }
    }
    if (page_round(mem_end) > zero_start) {
        error = vm_mmap(vs, &zero_start, page_round(mem_end) - zero_start, prot, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | LINUX_MAP_ANONYMOUS, NULL, 0);
        if (error)
            return error;
    }
    forget_clears(image, start, page_round(mem_end));
    image->end_va = max(image->end_va, page_round(mem_end));
    bool clear = ph->filesz && ph->memsz > ph->filesz && !page_aligned(file_end);
    return clear && prot & PROT_WRITE ? note_clear(image, file_end) : 0;
}

// Program header i. Most are in the head that has been read already.
static int read_phdr(struct vnode *v, const struct elf_header *h, unsigned i, const char *head,
                     size_t head_len, struct elf_phdr *ph)
{
    size_t len = sizeof(*ph), at = i * len, nread;

    if (h->phoff > INT64_MAX - PHDRS_MAX)
        return ENOEXEC;
    at += h->phoff;
    if (at + len <= head_len) {
        memcpy(ph, head + at, len);
        return 0;
    }
    int error = vnode_read_kernel(v, ph, len, (off_t)at, &nread);
    return error ? error : nread < len ? ENOEXEC : 0;
}

static int map_segments(struct vnode *v, const struct elf_header *h, const char *head,
                        size_t head_len, struct vm_space *vs, struct elf_image *image)
{
    vaddr_t base = h->type == ET_DYN ? PIE_BASE : 0;
    struct elf_phdr ph;
    bool loaded = false;

    for (unsigned i = 0; i < h->phnum; i++) {
        int error = read_phdr(v, h, i, head, head_len, &ph);
        if (error || ph.type == PT_INTERP)
            return error ? error : ENOEXEC; // dynamic programs are not supported
        if (ph.type != PT_LOAD || ph.memsz == 0)
            continue;
        error = check_segment(&ph, base);
        if (!error)
            error = map_segment(v, &ph, base, vs, image);
        if (error)
            return error;
        if (h->phoff >= ph.offset && h->phoff - ph.offset < ph.filesz)
            image->phdr_va = base + ph.vaddr + (h->phoff - ph.offset);
        loaded = true;
    }
    image->entry_va = base + h->entry;
    image->phnum = h->phnum;
    return loaded && h->entry < USER_MAX - base ? 0 : ENOEXEC;
}

int elf_load(struct vnode *v, const char *head, size_t head_len, struct vm_space *vs,
             struct elf_image *image)
{
    struct elf_header h;

    if (head_len < sizeof(h))
        return ENOEXEC;
    memcpy(&h, head, sizeof(h));
    *image = (struct elf_image){0};
    int error = check_header(&h);
    return error ? error : map_segments(v, &h, head, head_len, vs, image);
}
