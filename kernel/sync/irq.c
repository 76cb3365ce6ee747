// SPDX-License-Identifier: BSD-2-Clause
//
// The hook that serves other CPUs' requests while this one spins. Tests on a host replace it.
#include "sync/irq.h"

static void (*poll_hook)(void);

void spin_poll_set(void (*poll)(void))
{
    poll_hook = poll;
}

void spin_poll(void)
{
    if (poll_hook)
        poll_hook();
}
