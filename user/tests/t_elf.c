// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF headers: each field of a small program's headers takes each of a list of values, and the
 * kernel runs what comes out or refuses it. How it refuses (an error of execve, or a signal before
 * the first instruction) is not looked at, as kernels differ in what they look at too late.
 *
 * The program exits with 40 plus: 1 if its data are wrong, 2 if what follows them is not zero to
 * the page's end, 4 if its zero pages are not zero.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "t.h"

#define BASE 0x10000000UL
#define DATA (BASE + 0x10000)

struct image {
    struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, phoff, shoff;
        uint32_t flags;
        uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    } h;
    struct {
        uint32_t type, flags;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } ph[3];
    uint8_t code[PAGE - 64 - 3 * 56];
    uint8_t data[2 * PAGE]; /* only the first 16 bytes belong to the segment */
};
_Static_assert(sizeof(struct image) == 3 * PAGE, "the data begin on a page");

// clang-format off
/* Position independent: the data are 0x10000 above the first byte of the program. */
static const uint8_t code[] = {
    0x48, 0x8d, 0x1d, 0, 0, 0, 0,       /* lea    the data(%rip), %rbx */
    0xbf, 40, 0, 0, 0,                  /* mov    $40, %edi */
    0x80, 0x3b, 'd',                    /* cmpb   $'d', (%rbx) */
    0x74, 0x02,                         /* je     1f */
    0xff, 0xc7,                         /* inc    %edi */
    0x31, 0xc0,                         /* 1: xor %eax, %eax */
    0x48, 0x8d, 0x4b, 0x10,             /* lea    16(%rbx), %rcx */
    0x0a, 0x01,                         /* 2: or  (%rcx), %al */
    0x48, 0xff, 0xc1,                   /* inc    %rcx */
    0x66, 0xf7, 0xc1, 0xff, 0x0f,       /* test   $0xfff, %cx */
    0x75, 0xf4,                         /* jnz    2b */
    0x84, 0xc0,                         /* test   %al, %al */
    0x74, 0x03,                         /* je     3f */
    0x83, 0xcf, 0x02,                   /* or     $2, %edi */
    0x80, 0x39, 0,                      /* 3: cmpb $0, (%rcx) */
    0x74, 0x03,                         /* je     4f */
    0x83, 0xcf, 0x04,                   /* or     $4, %edi */
    0xb8, 231, 0, 0, 0,                 /* 4: mov $231, %eax (exit_group) */
    0x0f, 0x05,                         /* syscall */
};
// clang-format on

static void build(struct image *im)
{
    unsigned at = offsetof(struct image, code);
    int32_t distance = (int32_t)(DATA - (BASE + at) - 7);

    memset(im, 0, sizeof *im);
    memcpy(im->h.ident, "\177ELF\2\1\1", 7);
    im->h.type = 2;
    im->h.machine = 62;
    im->h.version = 1;
    im->h.entry = BASE + at;
    im->h.phoff = 64;
    im->h.ehsize = 64;
    im->h.phentsize = 56;
    im->h.phnum = 3;
    im->ph[0].type = im->ph[1].type = 1;
    im->ph[0].flags = 5;
    im->ph[0].vaddr = im->ph[0].paddr = BASE;
    im->ph[0].filesz = im->ph[0].memsz = im->ph[0].align = PAGE;
    im->ph[1].flags = 6;
    im->ph[1].offset = PAGE;
    im->ph[1].vaddr = im->ph[1].paddr = DATA;
    im->ph[1].filesz = 16;
    im->ph[1].memsz = PAGE + 100;
    im->ph[1].align = PAGE;
    im->ph[2].type = 0x6474e551; /* PT_GNU_STACK */
    im->ph[2].flags = 6;
    memcpy(im->code, code, sizeof code);
    memcpy(im->code + 3, &distance, sizeof distance);
    memset(im->data, 'd', sizeof im->data);
}

/* Confined: what runs is either the program above or nothing that was meant. */
static void run(const struct image *im, const char *what, unsigned long value)
{
    const struct rlimit cpu = {1, 1}, none = {0, 0};
    int status, fd = open("prog", O_CREAT | O_WRONLY | O_TRUNC, 0777);

    if (fd < 0 || write(fd, im, sizeof *im) != (ssize_t)sizeof *im || close(fd) != 0)
        say("cannot write the program: %s\n", t_errname());
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_FSIZE, &none);
        alarm(20);
        execv("./prog", (char *[]){"prog", NULL});
        _exit(1);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 40)
        say("%s = %#lx: runs, %d\n", what, value, WEXITSTATUS(status));
    else
        say("%s = %#lx: no\n", what, value);
}

// clang-format off
static const unsigned long extremes[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 55, 56, 57, 63, 64, 65, 255, 0x1000 - 1, 0x1000, 0x1001, 0x2000,
    0x3000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffe000, 0x7fffffffefff,
    0x7ffffffff000, 0x800000000000, 0x7fffffffffffefff, 0x7ffffffffffff000, 0x8000000000000000,
    0xfffffffffffff000, 0xffffffffffffffff,
};

#define FIELD(f)   {#f, offsetof(struct image, f), sizeof(((struct image *)0)->f)}
#define SEGMENT(i) FIELD(ph[i].type), FIELD(ph[i].flags), FIELD(ph[i].offset), FIELD(ph[i].vaddr), \
                   FIELD(ph[i].paddr), FIELD(ph[i].filesz), FIELD(ph[i].memsz), FIELD(ph[i].align)

static const struct field {
    const char *name;
    size_t at, size;
} fields[] = {
    FIELD(h.ident[0]), FIELD(h.ident[3]), FIELD(h.ident[4]), FIELD(h.ident[5]), FIELD(h.ident[6]),
    FIELD(h.ident[7]), FIELD(h.ident[15]), FIELD(h.type), FIELD(h.machine), FIELD(h.version),
    FIELD(h.entry), FIELD(h.phoff), FIELD(h.shoff), FIELD(h.flags), FIELD(h.ehsize),
    FIELD(h.phentsize), FIELD(h.phnum), FIELD(h.shentsize), FIELD(h.shnum), FIELD(h.shstrndx),
    SEGMENT(0), SEGMENT(1), SEGMENT(2),
};
// clang-format on

static bool fits(unsigned long value, size_t size)
{
    return size == 8 || value >> (8 * size) == 0;
}

/* How many zeroes a kernel promises depends on its memory. */
static bool too_much(const struct field *f, unsigned long value)
{
    return strstr(f->name, "memsz") && value > 1 << 24 && value < 0x7f0000000000;
}

/* Data that may only be executed can be read here; under Linux that depends on whether the
 * processor has protection keys. */
static bool processor_decides(const struct image *im)
{
    return (im->ph[1].flags & 7) == 1;
}

/* The value itself, and the good one with it added. */
static void mutate(struct image *im, const struct field *f)
{
    char what[64];
    unsigned long good = 0;

    for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++)
        for (int add = 0; add < 2; add++) {
            build(im);
            memcpy(&good, (char *)im + f->at, f->size);
            unsigned long value = extremes[i] + (add ? good : 0);
            if (!fits(extremes[i], f->size) || !fits(value, f->size) || (add && !good) ||
                too_much(f, value))
                continue;
            memcpy((char *)im + f->at, &value, f->size);
            if (processor_decides(im))
                continue;
            snprintf(what, sizeof what, "%s", f->name);
            run(im, what, value);
        }
}

int main(void)
{
    static struct image im;

    t_begin();
    build(&im);
    run(&im, "nothing", 0);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        mutate(&im, &fields[i]);
    return 0;
}
