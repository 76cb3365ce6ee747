// SPDX-License-Identifier: BSD-2-Clause
/*
 * Directories and names: mkdir, rmdir, link, unlink, rename, getdents, chdir, getcwd.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include "t.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list(const char *path)
{
    static char names[600][32];
    size_t n = 0;
    DIR *d = opendir(path);
    if (!T_PTR(d))
        return;
    for (struct dirent *e; (e = readdir(d)) && n < 600;)
        snprintf(names[n++], sizeof names[0], "%s%s", e->d_name,
                 e->d_type == DT_DIR   ? "/"
                 : e->d_type == DT_REG ? ""
                                       : "?");
    closedir(d);
    qsort(names, n, sizeof names[0], by_name);
    say("%s has %zu:", path, n);
    for (size_t i = 0; i < n && i < 12; i++)
        say(" %s", names[i]);
    say("\n");
}

static void make(const char *path)
{
    close(open(path, O_CREAT | O_RDWR, 0666));
}

static void making(void)
{
    T(mkdir("d", 0777));
    T(mkdir("d", 0777));
    T(mkdir("d/e", 0777));
    T(mkdir("d/e/", 0777));
    T(mkdir("none/e", 0777));
    make("f");
    T(mkdir("f/x", 0777));
    T(mkdir("f", 0777));
    T(mkdir("", 0777));
    T(mkdir("/", 0777));
    T(mkdir("t/", 0777));
    T(rmdir("t/"));
    list(".");
    T(rmdir("d"));
    T(rmdir("f"));
    T(rmdir("none"));
    T(rmdir("d/e/."));
    T(rmdir("d/e"));
    T(rmdir("/"));
    T(unlink("d"));
    T(unlink("none"));
    T(unlink("f/x"));
    T(unlink(""));
}

static nlink_t links(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_nlink : 0;
}

static void linking(void)
{
    T(link("f", "g"));
    T(links("f"));
    T(link("f", "g"));
    T(link("none", "h"));
    T(link("f", "none/h"));
    T(link("d", "h"));
    T(link("f", "d/f"));
    T(links("g"));
    T(unlink("f"));
    T(links("g"));
    T(access("f", F_OK));
    T(link("g", "f"));
}

/* A file without a name lives as long as it is open. */
static void unlinked(void)
{
    struct stat st;
    char buf[8] = "";
    int fd = T(open("gone", O_CREAT | O_RDWR, 0666));
    T(unlink("gone"));
    T(write(fd, "still", 5));
    T(pread(fd, buf, 8, 0));
    T(fstat(fd, &st));
    T(st.st_nlink);
    T(open("gone", O_RDONLY));
    T(close(fd));
    T(mkdir("hole", 0777));
    T(chdir("hole"));
    T(rmdir("../hole"));
    T(open("new", O_CREAT | O_RDWR, 0666));
    T_PTR(getcwd(NULL, 0));
    T(chdir(".."));
    T(chdir(t_dir));
}

static void renaming(void)
{
    make("a");
    T(mkdir("x", 0777));
    T(mkdir("x/y", 0777));
    T(mkdir("z", 0777));
    T(rename("a", "b"));
    T(rename("a", "b"));
    T(rename("b", "b"));
    T(rename("b", "x/b"));
    T(rename("x/b", "g"));
    T(links("f"));
    T(rename("f", "g"));
    T(rename("g", "x"));
    T(rename("x", "g"));
    T(rename("x", "x/y/x"));
    T(rename("z", "x"));
    T(rename("x", "z"));
    list(".");
    list("z");
    T(rename("z/y", "y"));
    T(access("y/../z", F_OK));
    T(rename("g", "none/g"));
    T(rename("none", "g"));
    T(rename(".", "w"));
    T(rename("y", "."));
}

/* The parent of a moved directory is the new one. */
static void parents(void)
{
    struct stat a, b;
    T(mkdir("p", 0777));
    T(mkdir("q", 0777));
    T(mkdir("p/sub", 0777));
    T(rename("p/sub", "q/sub"));
    T(stat("q", &a));
    T(stat("q/sub/..", &b));
    CHECK(a.st_ino == b.st_ino);
    T(rmdir("p"));
}

static void many(void)
{
    char name[32];
    int bad = 0;
    T(mkdir("many", 0777));
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "many/file%03d", i);
        make(name);
    }
    list("many");
    for (int i = 0; i < 500; i += 2) {
        snprintf(name, sizeof name, "many/file%03d", i);
        bad += unlink(name) != 0;
    }
    T(bad);
    list("many");
    T(rmdir("many"));
}

static void deep(void)
{
    char cwd[PATH_MAX];
    int bad = 0;
    for (int i = 0; i < 40; i++)
        bad += mkdir("deep", 0777) != 0 || chdir("deep") != 0;
    T(bad);
    CHECK(getcwd(cwd, sizeof cwd) && strlen(cwd) == strlen(t_dir) + 40 * 5);
    T_PTR(getcwd(cwd, 10));
    T(chdir(t_dir));
}

static void getdents(void)
{
    char buf[1024];
    int fd = T(open("f", O_CREAT | O_RDONLY, 0666)), dir = T(open(".", O_RDONLY));
    T(syscall(SYS_getdents64, fd, buf, sizeof buf));
    T(syscall(SYS_getdents64, 99, buf, sizeof buf));
    T(syscall(SYS_getdents64, dir, buf, 1L));
    long n, total = 0;
    while ((n = syscall(SYS_getdents64, dir, buf, 64L)) > 0)
        total += n;
    T(n);
    CHECK(total > 0);
    T(lseek(dir, 0, SEEK_SET));
    CHECK(syscall(SYS_getdents64, dir, buf, sizeof buf) > 0);
    T(fchdir(fd));
    T(fchdir(dir));
    T(close(fd));
    T(close(dir));
    T(chdir("f"));
    T(chdir("none"));
}

int main(void)
{
    t_begin();
    making();
    linking();
    unlinked();
    renaming();
    parents();
    many();
    deep();
    getdents();
    return 0;
}
