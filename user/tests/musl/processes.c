// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork, exec, pipes, popen, signals and files through musl's library.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
    caught = sig;
}

static void forked(void)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        exit(11);
    waitpid(pid, &status, 0);
    printf("child: %d\n", WEXITSTATUS(status));
}

static void spawned(void)
{
    char *argv[] = {"processes", "spawned", NULL};
    pid_t pid;
    int status;
    fflush(stdout);
    int r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
    if (r == 0)
        waitpid(pid, &status, 0);
    printf("spawn: %d, status %d\n", r, r == 0 ? WEXITSTATUS(status) : -1);
    r = posix_spawn(&pid, "/none", NULL, NULL, argv, environ);
    printf("spawn of nothing: %s\n", strerror(r));
}

static void piped(void)
{
    char line[100];
    fflush(stdout);
    FILE *f = popen("echo one; echo two >&2; exit 4", "r");
    while (f && fgets(line, sizeof line, f))
        printf("read: %s", line);
    printf("pclose: %d\n", f ? WEXITSTATUS(pclose(f)) : -1);
    fflush(stdout);
    printf("system: %d\n", WEXITSTATUS(system("exit 5")));
}

static void signalled(void)
{
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    printf("caught: %d\n", caught == SIGUSR1);
    signal(SIGALRM, on_signal);
    ualarm(10000, 0);
    while (caught != SIGALRM)
        usleep(1000);
    printf("alarm came\n");
}

static void files(void)
{
    char dir[] = "/tmp/musl.XXXXXX", path[64], text[32] = "";
    if (!mkdtemp(dir))
        exit(1);
    snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen(path, "w+");
    fprintf(f, "%d %s %.2f\n", 42, "text", 2.5);
    fseek(f, 3, SEEK_SET);
    fgets(text, sizeof text, f);
    printf("file: %s", text);
    int n = 0;
    DIR *d = opendir(dir);
    while (readdir(d))
        n++;
    closedir(d);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(f), 0);
    printf("entries: %d, mapped: %.2s\n", n, p);
    fclose(f);
    remove(path);
    printf("rmdir: %d\n", rmdir(dir));
    printf("open: %s\n", fopen(path, "r") ? "?" : strerror(errno));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "spawned") == 0)
        return 12;
    setvbuf(stdout, NULL, _IOFBF, 4096);
    forked();
    spawned();
    piped();
    signalled();
    files();
    return 0;
}
