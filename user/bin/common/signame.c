// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of signal names.
 */
#include "signame.h"
#include <ctype.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [SIGHUP] = "HUP",   [SIGINT] = "INT",   [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
    [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT", [SIGBUS] = "BUS",   [SIGFPE] = "FPE",
    [SIGKILL] = "KILL", [SIGUSR1] = "USR1", [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
    [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM", [SIGCHLD] = "CHLD",
    [SIGCONT] = "CONT", [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN",
    [SIGTTOU] = "TTOU",
};

#define NNAMES ((int)(sizeof names / sizeof names[0]))

const char *signal_name(int sig)
{
    return sig > 0 && sig < NNAMES ? names[sig] : NULL;
}

int signal_number(const char *name)
{
    if (isdigit((unsigned char)name[0]))
        return atoi(name) < NSIG ? atoi(name) : -1;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int sig = 1; sig < NNAMES; sig++)
        if (names[sig] && strcmp(names[sig], name) == 0)
            return sig;
    return -1;
}
