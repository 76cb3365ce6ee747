// SPDX-License-Identifier: BSD-2-Clause
/*
 * wired [held] FILE: a shared mapping that is locked in memory stays writable while it is written
 * to the disk: a store after msync does not fault, and goes to the disk, too. held: does not end.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

/* Page faults since the boot. */
static unsigned long faults(void)
{
    static char text[512];
    int fd = open("/proc/vm/fault", O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    return strtoul(text + strlen("faults "), NULL, 10);
}

static void store(char *map, const char *text)
{
    unsigned long before = faults();
    memcpy(map, text, strlen(text));
    say("a store: %lu faults\n", faults() - before);
}

int main(int argc, char **argv)
{
    t_begin();
    int fd = open(argv[argc - 1], O_CREAT | O_RDWR, 0666);
    CHECK(write(fd, "nothing\n", 8) == 8);
    char *map = T_PTR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    T(mlock(map, PAGE));
    faults();
    store(map, "first\n\n");
    T(msync(map, PAGE, MS_SYNC));
    store(map, "second\n");
    if (argc > 2) { /* until somebody ends it */
        pause();
    }
    T(munlock(map, PAGE));
    T(msync(map, PAGE, MS_SYNC));
    store(map, "second\n"); /* not locked any more */
    return 0;
}
