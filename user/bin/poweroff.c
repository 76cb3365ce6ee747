// SPDX-License-Identifier: BSD-2-Clause
/*
 * poweroff: writes everything back and switches the machine off.
 */
#include <err.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
    sync();
    reboot(RB_POWER_OFF);
    err(1, "reboot");
}
