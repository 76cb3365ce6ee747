// SPDX-License-Identifier: BSD-2-Clause
/*
 * Signals to the shell itself: traps, what an interactive shell ignores, and what a child gets
 * back.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../common/signame.h"
#include "shell.h"

#define EXIT_TRAP 0 /* in the place of a signal number */
#define NTRAPS    32

static char *traps[NTRAPS]; /* "" ignores, NULL is the default */
static volatile sig_atomic_t pending[NTRAPS];
static volatile sig_atomic_t any_pending; /* a signal number */

static const int interactive_ignored[] = {SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

static void on_signal(int sig)
{
    pending[sig] = 1;
    any_pending = sig;
}

/* Calls are not restarted, so that wait and read notice. */
static void set_handler(int sig, void (*handler)(int))
{
    struct sigaction sa = {0};
    sa.sa_handler = handler;
    sigaction(sig, &sa, NULL);
}

void signals_init(void)
{
    if (!sh.interactive)
        return;
    set_handler(SIGINT, on_signal);
    for (size_t i = 0; i < sizeof interactive_ignored / sizeof(int); i++)
        set_handler(interactive_ignored[i], SIG_IGN);
}

void signals_subshell(bool background)
{
    for (int sig = 0; sig < NTRAPS; sig++) {
        if (traps[sig] && traps[sig][0]) {
            free(traps[sig]);
            traps[sig] = NULL;
            if (sig != EXIT_TRAP)
                set_handler(sig, SIG_DFL);
        }
        pending[sig] = 0;
    }
    any_pending = 0;
    if (sh.interactive) {
        set_handler(SIGINT, SIG_DFL);
        for (size_t i = 0; i < sizeof interactive_ignored / sizeof(int); i++)
            set_handler(interactive_ignored[i], SIG_DFL);
    }
    if (background) {
        set_handler(SIGINT, SIG_IGN);
        set_handler(SIGQUIT, SIG_IGN);
    }
}

void interrupt_check(void)
{
    if (!pending[SIGINT] || traps[SIGINT])
        return;
    pending[SIGINT] = 0;
    any_pending = 0;
    sh.status = 128 + SIGINT;
    fputc('\n', stderr);
    siglongjmp(*sh.on_error, 1);
}

int trap_pending(void)
{
    return any_pending;
}

void traps_run(void)
{
    if (!any_pending)
        return;
    any_pending = 0;
    for (int sig = 1; sig < NTRAPS; sig++) {
        if (!pending[sig])
            continue;
        pending[sig] = 0;
        if (traps[sig]) {
            int status = sh.status;
            run_string(traps[sig]);
            sh.status = status;
        }
    }
}

void trap_exit(void)
{
    char *command = traps[EXIT_TRAP];
    traps[EXIT_TRAP] = NULL;
    if (command && command[0])
        run_string(command);
    free(command);
}

bool traps_set(void)
{
    for (int sig = 0; sig < NTRAPS; sig++)
        if (traps[sig] && traps[sig][0])
            return true;
    return false;
}

static int trap_number(const char *name)
{
    int sig = strcmp(name, "EXIT") == 0 ? EXIT_TRAP : signal_number(name);
    return sig < NTRAPS ? sig : -1;
}

static void set_trap(int sig, const char *action)
{
    free(traps[sig]);
    traps[sig] = action ? xstrdup(action) : NULL;
    if (sig == EXIT_TRAP)
        return;
    bool caught = action ? action[0] != '\0' : sh.interactive && sig == SIGINT;
    set_handler(sig, caught ? on_signal : action ? SIG_IGN : SIG_DFL);
}

/* trap [action] signal...: no action or - is the default, an empty one ignores. */
int builtin_trap(int argc, char **argv)
{
    if (argc == 1) {
        for (int sig = 0; sig < NTRAPS; sig++)
            if (traps[sig])
                printf("trap -- '%s' %s\n", traps[sig], sig ? signal_name(sig) : "EXIT");
        return 0;
    }
    const char *action = argc > 2 && strcmp(argv[1], "-") != 0 ? argv[1] : NULL;
    for (int i = argc > 2 ? 2 : 1; i < argc; i++) {
        int sig = trap_number(argv[i]);
        if (sig < 0) {
            warnx("trap: %s: no such signal", argv[i]);
            return 1;
        }
        set_trap(sig, action);
    }
    return 0;
}
