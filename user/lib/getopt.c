// SPDX-License-Identifier: BSD-2-Clause
/*
 * getopt as POSIX has it: options come before operands.
 */
#include <err.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1, opterr = 1, optopt;

static int bad(const char *what)
{
    if (opterr)
        warnx("%s -- '%c'", what, optopt);
    return '?';
}

int getopt(int argc, char *const argv[], const char *options)
{
    static int at = 1; /* index into argv[optind] */
    const char *arg = optind < argc ? argv[optind] : NULL;
    if (!arg || arg[0] != '-' || arg[1] == '\0')
        return -1;
    if (strcmp(arg, "--") == 0) {
        optind++;
        return -1;
    }
    optopt = arg[at++];
    const char *known = optopt == ':' ? NULL : strchr(options, optopt);
    const char *rest = arg + at;
    bool takes_arg = known && known[1] == ':';
    if (*rest == '\0' || takes_arg) {
        optind++;
        at = 1;
    }
    if (!known)
        return bad("unknown option");
    if (!takes_arg)
        return optopt;
    optarg = (char *)(*rest ? rest : optind < argc ? argv[optind++] : NULL);
    return optarg ? optopt : bad("option needs an argument");
}
