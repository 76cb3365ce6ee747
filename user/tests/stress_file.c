// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_file [seed [rounds]]: random writes, reads, truncations, mappings, renames and removals
 * of a few files, compared with copies in memory.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "stress.h"

#define FILES 6
#define MAX   (96 * 1024)

static struct {
    bool exists;
    size_t size;
    unsigned char data[MAX];
} model[FILES];

static unsigned char buf[MAX];
static char name[16];

static const char *path(int i)
{
    snprintf(name, sizeof name, "file%d", i);
    return name;
}

static int open_file(int i, int round)
{
    int fd = open(path(i), O_RDWR | O_CREAT, 0666);
    MUST("open", round, 0, fd < 0);
    model[i].exists = true;
    return fd;
}

static void write_part(int i, int round)
{
    size_t at = stress_random(MAX), n = 1 + stress_random((uint32_t)(MAX - at));
    if (stress_random(3))
        n = n > 5000 ? 5000 : n;
    t_fill(buf, n, (unsigned)round);
    int fd = open_file(i, round);
    MUST("pwrite", round, n, pwrite(fd, buf, n, (off_t)at));
    memcpy(model[i].data + at, buf, n);
    if (at + n > model[i].size)
        model[i].size = at + n;
    close(fd);
}

static void resize(int i, int round)
{
    size_t size = stress_random(MAX);
    int fd = open_file(i, round);
    MUST("ftruncate", round, 0, ftruncate(fd, (off_t)size));
    if (size < model[i].size)
        memset(model[i].data + size, 0, model[i].size - size);
    model[i].size = size;
    if (stress_random(4) == 0)
        MUST("fsync", round, 0, fsync(fd));
    close(fd);
}

static void check(int i, int round)
{
    struct stat st;
    int r = stat(path(i), &st);
    MUST("stat", round, model[i].exists ? 0 : -1, r);
    if (r != 0)
        return;
    MUST("size", round, model[i].size, st.st_size);
    int fd = open(path(i), O_RDONLY);
    MUST("read", round, model[i].size, read(fd, buf, MAX));
    for (size_t k = 0; k < model[i].size; k++)
        if (buf[k] != model[i].data[k])
            stress_fail("byte", (long)k, model[i].data[k], buf[k]);
    close(fd);
}

/* Writes through a shared mapping of the whole file. */
static void write_mapped(int i, int round)
{
    size_t size = model[i].size;
    if (!model[i].exists || size == 0)
        return;
    int fd = open(path(i), O_RDWR);
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST("mmap", round, 0, p == MAP_FAILED);
    MUST("mapped", round, 0, memcmp(p, model[i].data, size));
    for (int k = 0; k < 10; k++) {
        size_t at = stress_random((uint32_t)size);
        p[at] = model[i].data[at] = (unsigned char)stress_random(256);
    }
    MUST("munmap", round, 0, munmap(p, size));
    close(fd);
}

static void move(int i, int k, int round)
{
    char from[16];
    strcpy(from, path(i));
    int r = rename(from, path(k));
    MUST("rename", round, model[i].exists ? 0 : -1, r);
    if (r != 0 || i == k)
        return;
    model[k] = model[i];
    memset(&model[i], 0, sizeof model[i]);
}

static void delete (int i, int round)
{
    MUST("unlink", round, model[i].exists ? 0 : -1, unlink(path(i)));
    memset(&model[i], 0, sizeof model[i]);
}

static void step(int round)
{
    int i = (int)stress_random(FILES);
    switch (stress_random(12)) {
    case 0:
        delete (i, round);
        break;
    case 1:
        move(i, (int)stress_random(FILES), round);
        break;
    case 2:
    case 3:
        resize(i, round);
        break;
    case 4:
    case 5:
        write_mapped(i, round);
        break;
    case 6:
    case 7:
        check(i, round);
        break;
    default:
        write_part(i, round);
    }
}

int main(int argc, char **argv)
{
    int rounds = stress_begin(argc, argv, 500);
    for (int r = 1; r <= rounds; r++)
        step(r);
    sync();
    for (int i = 0; i < FILES; i++)
        check(i, rounds);
    say("ok\n");
    return 0;
}
