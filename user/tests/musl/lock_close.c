// SPDX-License-Identifier: BSD-2-Clause
/*
 * A thread waits for a record lock while another one closes the descriptor: the lock that then
 * comes is not kept, for there would be no close to drop it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int result, error;

static int lock(int fd, int cmd, int type)
{
    struct flock l = {.l_type = (short)type, .l_start = 5, .l_len = 10};
    return fcntl(fd, cmd, &l);
}

static void *wait_for_lock(void *fd)
{
    result = lock(*(int *)fd, F_SETLKW, F_WRLCK);
    error = errno;
    return NULL;
}

/* Returns once this process waits for a lock. */
static void wait_blocked(void)
{
    char line[256], me[32];
    int found = 0;
    snprintf(me, sizeof me, " %d ", (int)getpid());
    while (!found) {
        FILE *f = fopen("/proc/locks", "r");
        while (f && fgets(line, sizeof line, f))
            found |= strstr(line, "->") && strstr(line, me);
        if (f)
            fclose(f);
    }
}

int main(void)
{
    char name[] = "/tmp/lock_close.XXXXXX", c;
    int fd = mkstemp(name), ready[2], go[2];
    pthread_t thread;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (fd < 0 || pipe(ready) || pipe(go))
        return 1;
    pid_t holder = fork();
    if (holder == 0) {
        lock(fd, F_SETLK, F_WRLCK);
        if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
            _exit(1);
        _exit(0);
    }
    if (read(ready[0], &c, 1) != 1 || pthread_create(&thread, NULL, wait_for_lock, &fd))
        return 1;
    wait_blocked();
    close(fd);
    if (write(go[1], "x", 1) != 1)
        return 1;
    pthread_join(thread, NULL);
    printf("waited for a closed file's lock: %d %s\n", result, strerror(error));
    waitpid(holder, NULL, 0);
    if (fork() == 0) {
        int again = open(name, O_RDWR);
        printf("another process: %d\n", lock(again, F_SETLK, F_WRLCK));
        return 0;
    }
    wait(NULL);
    unlink(name);
    return 0;
}
