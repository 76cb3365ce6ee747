// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process has only so many mappings: then mmap, and what would split one, answers ENOMEM; what
 * takes mappings away does not.
 */
#include <sys/mman.h>
#include "t.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void)
{
    long n = 0;
    char *p, *last = NULL, *three = mmap(NULL, 3 * PAGE, PROT_NONE, ANON, -1, 0);
    t_begin();
    /* Neighbours with other rights never become one. */
    do {
        p = mmap(NULL, PAGE, n % 2 ? PROT_READ : RW, ANON, -1, 0);
        last = p == MAP_FAILED ? last : p;
    } while (p != MAP_FAILED && ++n < 2000000);
    CHECK(n > 65000 && n < 2000000);
    T_PTR(mmap(NULL, PAGE, n % 2 ? PROT_READ : RW, ANON, -1, 0));
    T(munmap(three + PAGE, PAGE));
    T(mprotect(three + PAGE, PAGE, PROT_READ));
    T_PTR(mremap(three, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    T(munmap(three + 2 * PAGE, PAGE));
    T(munmap(three, PAGE));
    T(munmap(last, 64 * PAGE));
    T_PTR(mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0));
    return 0;
}
