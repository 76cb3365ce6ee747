// SPDX-License-Identifier: BSD-2-Clause
/*
 * sync: waits until all that was written is on the disk.
 */
#include <unistd.h>

int main(void)
{
    sync();
    return 0;
}
