// SPDX-License-Identifier: BSD-2-Clause
// A function for GNU make, loaded by mk/boot.mk: $(become command) replaces make by the command.
// It lets `make run` end with the exit status of the guest's command, where make ends with 2.
// Returns only when the command cannot be started. Called from a recipe, once its prerequisites
// are built and make has no child left.

#include <gnumake.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

static void set_from_make(const char *name)
{
    char reference[128];
    snprintf(reference, sizeof reference, "$(%s)", name);
    char *value = gmk_expand(reference);
    setenv(name, value, 1);
    gmk_free(value);
}

// Make's own environment lacks what the Makefile exports to recipes: the names in EXPORTED.
static void export_variables(void)
{
    char *names = gmk_expand("$(EXPORTED)");
    for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " "))
        set_from_make(name);
    gmk_free(names);
}

static char *become(const char *function, unsigned int argc, char **argv)
{
    (void)function;
    (void)argc;
    export_variables();
    unsetenv("MAKEFLAGS");
    unsetenv("MAKELEVEL");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/bin/sh", "sh", "-c", argv[0], (char *)NULL);
    perror("strata: /bin/sh");
    return NULL;
}

int become_setup(void)
{
    gmk_add_function("become", become, 1, 1, GMK_FUNC_DEFAULT);
    return 1;
}
