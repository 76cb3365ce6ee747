// SPDX-License-Identifier: BSD-2-Clause
// Functions for GNU make, loaded by mk/boot.mk. $(become command) replaces make by the command: it
// lets `make run` end with the exit status of the guest's command, where make ends with 2. Returns
// only when the command cannot be started. Called from a recipe, once its prerequisites are built
// and make has no child left.
//
// $(lock file) waits until no other make holds the file's lock, and holds it until make ends or
// becomes something else: two that build in one folder write each other's files. Where make loads
// no objects, nobody waits.
//
// $(progress text) tells on standard error what is being built, since standard output is the
// command's alone: on a terminal in one line that is written over, elsewhere once for all.

#include <errno.h>
#include <fcntl.h>
#include <gnumake.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

#define CLEAR_LINE "\r\033[K"

static unsigned ntold;

static void to_stderr(const char *text)
{
    if (write(2, text, strlen(text)) < 0)
        ntold = 0;
}

static char *progress(const char *function, unsigned int argc, char **argv)
{
    char line[512];
    struct winsize size;

    (void)function;
    (void)argc;
    if (!isatty(2)) {
        if (ntold++ == 0)
            to_stderr("strata: building; V=1 shows how\n");
        return NULL;
    }
    int width = ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    snprintf(line, sizeof line, "%5u  %s", ++ntold, argv[0]);
    for (char *c = line; *c; c++)
        if (*c == '\t')
            *c = ' ';
    if ((size_t)width < sizeof line)
        line[width - 1] = '\0';
    // The cursor stays in front, so that a compiler's words do not begin behind this.
    char text[sizeof line + 16];
    snprintf(text, sizeof text, CLEAR_LINE "%s\r", line);
    to_stderr(text);
    return NULL;
}

// What a recipe starts is part of this make, which holds the lock.
#define HELD "STRATA_LOCK"

static char *lock(const char *function, unsigned int argc, char **argv)
{
    char *held = getenv(HELD), text[512];

    (void)function;
    (void)argc;
    if (held && strcmp(held, argv[0]) == 0)
        return NULL;
    int fd = open(argv[0], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    snprintf(text, sizeof text, "export " HELD " := %s", argv[0]);
    gmk_eval(text, NULL);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return NULL;
    to_stderr("strata: another make is building here: waiting until it is done\n");
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
        ;
    return NULL;
}

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
    unsetenv(HELD);
    if (ntold && isatty(2))
        to_stderr(CLEAR_LINE);
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
    gmk_add_function("lock", lock, 1, 1, GMK_FUNC_DEFAULT);
    gmk_add_function("progress", progress, 1, 1, GMK_FUNC_DEFAULT);
    return 1;
}
