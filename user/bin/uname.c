// SPDX-License-Identifier: BSD-2-Clause
/*
 * uname: the system's names. -a all, or -s -n -r -v -m.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *separator = "";

static void print(const char *s)
{
    printf("%s%s", separator, s);
    separator = " ";
}

int main(int argc, char **argv)
{
    struct utsname u;
    char want[16] = "";
    int opt;
    while ((opt = getopt(argc, argv, "asnrvm")) != -1) {
        if (opt == '?')
            return 2;
        if (!strchr(want, opt))
            want[strlen(want)] = (char)opt;
    }
    if (uname(&u) != 0)
        err(1, "uname");
    if (want[0] == '\0')
        want[0] = 's';
    const struct {
        char letter;
        const char *value;
    } names[] = {
        {'s', u.sysname}, {'n', u.nodename}, {'r', u.release}, {'v', u.version}, {'m', u.machine}};
    for (int i = 0; i < 5; i++)
        if (strchr(want, 'a') || strchr(want, names[i].letter))
            print(names[i].value);
    putchar('\n');
    return 0;
}
