// SPDX-License-Identifier: BSD-2-Clause
/*
 * disk_full: fills the disk, which should be small, and tells what then still works, what is
 * refused, and that all works again once a file is gone.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define KEPT   (3 * PAGE)
#define SPARSE (64 * PAGE)

static char *map;

/* Writes until that is refused, at last byte by byte of a block; the length then. */
static size_t fill(int fd)
{
    static char data[64 * 1024];
    size_t total = 0;
    memset(data, 'x', sizeof data);
    for (size_t piece = sizeof data; piece > 0; piece /= 16)
        for (ssize_t n; (n = write(fd, data, piece)) > 0;)
            total += (size_t)n;
    return total;
}

static void write_into_hole(void)
{
    map[7 * PAGE] = 1;
}

static void write_into_block(void)
{
    map[1] = 2;
}

static void try_what_needs_a_block(void)
{
    T(mkdir("folder", 0777));
    t_child("write into a mapped hole", write_into_hole);
}

int main(void)
{
    static char data[KEPT], back[KEPT];
    t_begin();
    t_fill(data, KEPT, 1);
    int kept = T(open("kept", O_CREAT | O_RDWR, 0666));
    T(write(kept, data, KEPT));
    int sparse = T(open("sparse", O_CREAT | O_RDWR, 0666));
    T(ftruncate(sparse, SPARSE));
    map = T_PTR(mmap(NULL, SPARSE, PROT_READ | PROT_WRITE, MAP_SHARED, sparse, 0));
    map[0] = 1;
    int big = T(open("big", O_CREAT | O_RDWR, 0666));
    size_t n = fill(big);
    CHECK(n > 1 << 20);
    T(write(big, data, KEPT));
    struct stat st;
    T(fstat(big, &st));
    CHECK((size_t)st.st_size == n);
    try_what_needs_a_block();
    t_child("write into a mapped block", write_into_block);
    CHECK(map[7 * PAGE] == 0 && map[1] == 2);
    t_fill(data, KEPT, 2);
    T(pwrite(kept, data, KEPT, 0));
    T(fsync(kept));
    T(fsync(sparse));
    T(pread(kept, back, KEPT, 0));
    CHECK(t_same(back, KEPT, 2));
    T(unlink("big"));
    T(close(big));
    try_what_needs_a_block();
    CHECK(map[7 * PAGE] == 1);
    T(rmdir("folder"));
    return 0;
}
