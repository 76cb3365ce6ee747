// SPDX-License-Identifier: BSD-2-Clause
/*
 * /proc in Linux's formats: what programs read there.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

static char text[65536];

static long slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    long n = 0, r = -1;
    while (fd >= 0 && (r = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0)
        n += r;
    close(fd);
    text[n] = '\0';
    return fd < 0 || r < 0 ? -1 : n;
}

/* The permissions of the mapping that holds p, from /proc/self/maps. */
static void show_mapping(const char *what, const void *p)
{
    slurp("/proc/self/maps");
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        char *end;
        unsigned long low = strtoul(line, &end, 16), high = strtoul(end + 1, &end, 16);
        if (low <= (unsigned long)p && (unsigned long)p < high) {
            say("%s: %.4s\n", what, end + 1);
            return;
        }
    }
    say("%s: not in maps\n", what);
}

static void maps(void)
{
    static int data = 1;
    CHECK(slurp("/proc/self/maps") > 0);
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p + PAGE, PAGE, PROT_NONE);
    show_mapping("code", (void *)(unsigned long)maps);
    show_mapping("data", &data);
    show_mapping("stack", __builtin_frame_address(0));
    show_mapping("anonymous", p);
    show_mapping("without access", p + PAGE);
    char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    show_mapping("shared", s);
    munmap(p, 3 * PAGE);
    show_mapping("unmapped", p);
    show_mapping("unmapped", p + PAGE);
}

/* A mapping is one row, whatever a fork and writes after it made of it. */
static void one_row(void)
{
    size_t len = 4 << 20, rows = 0;
    int go[2];
    char byte;
    /* not readable: no neighbour of it is so */
    char *p = mmap(NULL, len + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + PAGE;
    mprotect(p, len, PROT_READ | PROT_WRITE);
    memset(p, 1, len);
    CHECK(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(go[1]);
        _exit((int)read(go[0], &byte, 1));
    }
    for (size_t at = 0; at < len; at += 64 * PAGE)
        p[at] = 2;
    slurp("/proc/self/maps");
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        char *end;
        unsigned long low = strtoul(line, &end, 16), high = strtoul(end + 1, &end, 16);
        rows += low < (unsigned long)p + len && high > (unsigned long)p;
    }
    say("after a fork and writes: %zu row\n", rows);
    close(go[0]), close(go[1]);
    CHECK(waitpid(child, NULL, 0) == child);
    munmap(p - PAGE, len + 2 * PAGE);
}

static void stat_line(void)
{
    char path[64], state;
    CHECK(slurp("/proc/self/stat") > 0);
    CHECK(atoi(text) == getpid());
    char *name = strchr(text, '('), *rest = strrchr(text, ')');
    CHECK(name && rest && strncmp(name, "(t_proc)", 8) == 0);
    state = rest[2];
    say("state %c\n", state);
    CHECK(atoi(rest + 4) == getppid());
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    CHECK(slurp(path) > 0 && atoi(text) == getpid());
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    do {
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        slurp(path);
        rest = strrchr(text, ')');
    } while (rest && rest[2] != 'Z');
    CHECK(rest && rest[2] == 'Z');
    waitpid(pid, NULL, 0);
    T(open(path, O_RDONLY));
}

static unsigned long figure(const char *name)
{
    char *at = strstr(text, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void figures(void)
{
    CHECK(slurp("/proc/meminfo") > 0);
    CHECK(figure("MemTotal:") > 8192 && figure("MemFree:") > 0);
    CHECK(figure("MemFree:") <= figure("MemTotal:"));
    CHECK(slurp("/proc/cmdline") >= 0);
    CHECK(slurp("/proc/uptime") > 0);
    CHECK(slurp("/proc/self/cmdline") > 0 && strstr(text, "t_proc"));
}

static void reading(void)
{
    char c;
    int fd = T(open("/proc/self/stat", O_RDONLY));
    CHECK(read(fd, text, 5) == 5);
    CHECK(pread(fd, &c, 1, 4) == 1 && c == text[4]);
    T(lseek(fd, 0, SEEK_SET));
    CHECK(read(fd, text + 100, 5) == 5 && memcmp(text, text + 100, 5) == 0);
    T(write(fd, "x", 1));
    T(close(fd));
    T(open("/proc/none", O_RDONLY));
    T(open("/proc/4194305/stat", O_RDONLY));
    T(unlink("/proc/self/stat") < 0);
    T(mkdir("/proc/new", 0777) < 0);
    DIR *d = opendir("/proc");
    bool self = false, me = false;
    for (struct dirent *e; d && (e = readdir(d));) {
        self |= strcmp(e->d_name, "self") == 0;
        me |= atoi(e->d_name) == getpid();
    }
    CHECK(self && me);
    T(closedir(d));
}

int main(void)
{
    t_begin();
    maps();
    one_row();
    stat_line();
    figures();
    reading();
    return 0;
}
