// SPDX-License-Identifier: BSD-2-Clause
/*
 * memhogs [PROCESSES [KIB [MOST]]]: many processes need more memory together than there is. Each
 * touches its share, and pages of a file in between as a program does its text, and keeps it until
 * all have theirs, were refused or were killed. Reports on standard error how many, and how many
 * pages were taken away from somebody meanwhile; that is to be fewer than MOST (20,000).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

static size_t share = 512 * 1024;
static int go[2], ready[2];
static const char *text; /* a mapped file */
static size_t text_size;

static void hog(void)
{
    char c;
    close(go[1]);
    char *p = mmap(NULL, share, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(1);
    size_t pid = (size_t)getpid(), sum = 0;
    for (size_t i = 0; i < share; i += PAGE) {
        *(size_t *)(p + i) = i + pid;
        for (size_t t = 1; t <= 8; t++)
            sum += (unsigned char)text[(i * 3 + pid * 5 * PAGE + t * 11 * PAGE) % text_size];
    }
    write(ready[1], "r", 1);
    close(ready[1]);
    read(go[0], &c, 1); /* until the parent closes its end */
    for (size_t i = 0; i < share; i += PAGE)
        if (*(size_t *)(p + i) != i + pid)
            _exit(2);
    _exit(sum == 0 ? 2 : 0);
}

static void map_text(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        exit(1);
    text_size = (size_t)st.st_size;
    text = mmap(NULL, text_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (text == MAP_FAILED)
        exit(1);
}

/* A figure of /proc/vmstat. */
static long figure(const char *name)
{
    char line[128];
    long value = 0;
    FILE *f = fopen("/proc/vmstat", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atol(line + strlen(name));
    if (f)
        fclose(f);
    return value;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 200, started = 0, status;
    int whole = 0, refused = 0, killed = 0, wrong = 0;
    char c;
    if (argc > 2)
        share = strtoul(argv[2], NULL, 10) * 1024;
    long most = argc > 3 ? strtol(argv[3], NULL, 10) : 20000;
    map_text("/bin/sh");
    long stolen = figure("pgsteal");
    if (pipe(go) != 0 || pipe(ready) != 0)
        return 1;
    for (; started < n; started++) {
        pid_t pid = fork();
        if (pid == 0)
            hog();
        if (pid < 0)
            break;
    }
    close(ready[1]);
    while (read(ready[0], &c, 1) == 1) /* until every hog has its share or is gone */
        ;
    close(go[1]);
    while (wait(&status) > 0) {
        whole += status == 0;
        refused += WIFEXITED(status) && WEXITSTATUS(status) == 1;
        killed += WIFSIGNALED(status) && WTERMSIG(status) == 9;
        wrong += WIFEXITED(status) && WEXITSTATUS(status) == 2;
    }
    stolen = figure("pgsteal") - stolen;
    fprintf(stderr, "%d of %d started, %d whole, %d refused, %d killed, %ld pages taken\n", started,
            n, whole, refused, killed, stolen);
    say("all accounted for: %s\n", whole + refused + killed == started ? "yes" : "NO");
    say("some had their share: %s\n", whole > 0 ? "yes" : "NO");
    say("pages were not taken to and fro: %s\n", stolen < most ? "yes" : "NO");
    say("wrong contents: %d\n", wrong);
    return whole + refused + killed == started && whole > 0 && stolen < most && !wrong ? 0 : 1;
}
