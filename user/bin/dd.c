// SPDX-License-Identifier: BSD-2-Clause
/*
 * dd: copies blocks. if= of= bs= count= skip= seek= (in blocks; k, M and G multiply) conv=notrunc
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t number(const char *s)
{
    char *end;
    size_t n = strtoul(s, &end, 10);
    if (*end == 'k' || *end == 'K')
        n <<= 10;
    else if (*end == 'M')
        n <<= 20;
    else if (*end == 'G')
        n <<= 30;
    else if (*end)
        errx(2, "%s: not a number", s);
    return n;
}

/* Fills the block as far as there is data. */
static size_t read_block(int fd, char *buf, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, buf + have, size - have);
        if (n < 0)
            err(1, "read");
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return have;
}

static void write_block(int fd, const char *buf, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, buf, size);
        if (n < 0)
            err(1, "write");
        buf += n;
        size -= (size_t)n;
    }
}

int main(int argc, char **argv)
{
    const char *from = NULL, *to = NULL;
    size_t bs = 512, count = (size_t)-1, skip = 0, seek = 0, full = 0, partial = 0;
    int truncate_flag = O_TRUNC, in = 0, out = 1;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            errx(2, "%s: not of the form name=value", argv[i]);
        *value++ = '\0';
        if (strcmp(argv[i], "if") == 0)
            from = value;
        else if (strcmp(argv[i], "of") == 0)
            to = value;
        else if (strcmp(argv[i], "bs") == 0)
            bs = number(value);
        else if (strcmp(argv[i], "count") == 0)
            count = number(value);
        else if (strcmp(argv[i], "skip") == 0)
            skip = number(value);
        else if (strcmp(argv[i], "seek") == 0)
            seek = number(value);
        else if (strcmp(argv[i], "conv") == 0 && strcmp(value, "notrunc") == 0)
            truncate_flag = 0;
        else
            errx(2, "%s: unknown", argv[i]);
    }
    if (from && (in = open(from, O_RDONLY)) < 0)
        err(1, "%s", from);
    if (to && (out = open(to, O_WRONLY | O_CREAT | (seek ? 0 : truncate_flag), 0666)) < 0)
        err(1, "%s", to);
    char *buf = malloc(bs);
    if (!buf)
        errx(1, "out of memory");
    if (skip && lseek(in, (off_t)(skip * bs), SEEK_CUR) < 0)
        for (; skip > 0; skip--)
            read_block(in, buf, bs);
    if (seek && lseek(out, (off_t)(seek * bs), SEEK_CUR) < 0)
        err(1, "seek");
    for (size_t n = bs; n == bs && full + partial < count;) {
        n = read_block(in, buf, bs);
        write_block(out, buf, n);
        full += n == bs;
        partial += n > 0 && n < bs;
    }
    fprintf(stderr, "%zu+%zu blocks\n", full, partial);
    free(buf);
    return 0;
}
