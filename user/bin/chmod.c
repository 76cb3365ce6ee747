// SPDX-License-Identifier: BSD-2-Clause
/*
 * chmod: sets the permission bits of files: in octal, or +x and the like for everybody.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The new mode, or -1 if the text makes no sense. */
static int new_mode(const char *text, mode_t old)
{
    mode_t bits = 0;
    char *end;
    if (text[0] != '+' && text[0] != '-') {
        long mode = strtol(text, &end, 8);
        return *end || end == text || mode < 0 || mode > 07777 ? -1 : (int)mode;
    }
    for (const char *s = text + 1; *s; s++) {
        if (!strchr("rwx", *s))
            return -1;
        bits |= *s == 'r' ? 0444 : *s == 'w' ? 0222 : 0111;
    }
    return (int)((text[0] == '+' ? old | bits : old & ~bits) & 07777);
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc < 3)
        errx(2, "usage: chmod mode file...");
    for (int i = 2; i < argc; i++) {
        struct stat st;
        int mode = -1;
        if (stat(argv[i], &st) == 0 && (mode = new_mode(argv[1], st.st_mode)) < 0)
            errx(2, "%s: bad mode", argv[1]);
        if (mode < 0 || chmod(argv[i], (mode_t)mode) != 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
