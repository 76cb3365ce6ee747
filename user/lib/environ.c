// SPDX-License-Identifier: BSD-2-Clause
/*
 * The environment: an array that starts as the kernel's and is copied at the first change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **owned; /* our copy, once there is one */

static char **find(const char *name, size_t n)
{
    char **e = environ;
    while (*e && (strncmp(*e, name, n) != 0 || (*e)[n] != '='))
        e++;
    return e;
}

char *getenv(const char *name)
{
    size_t n = strlen(name);
    char *entry = environ ? *find(name, n) : NULL;
    return entry ? entry + n + 1 : NULL;
}

/* Makes room for one more entry. */
static int grow(void)
{
    size_t n = 0;
    while (environ[n])
        n++;
    char **copy = malloc((n + 2) * sizeof *copy);
    if (!copy)
        return -1;
    memcpy(copy, environ, (n + 1) * sizeof *copy);
    copy[n + 1] = NULL;
    free(owned);
    environ = owned = copy;
    return 0;
}

int setenv(const char *name, const char *value, int overwrite)
{
    size_t n = strlen(name);
    if (n == 0 || strchr(name, '=')) {
        errno = EINVAL;
        return -1;
    }
    if (!overwrite && *find(name, n))
        return 0;
    char *entry = malloc(n + strlen(value) + 2);
    if (!entry || (!*find(name, n) && grow() != 0)) {
        free(entry);
        return -1;
    }
    strcpy(stpcpy(stpcpy(entry, name), "="), value);
    *find(name, n) = entry; /* the old string may be the kernel's: it is not freed */
    return 0;
}

int unsetenv(const char *name)
{
    for (char **e = find(name, strlen(name)); *e; e++)
        e[0] = e[1];
    return 0;
}
