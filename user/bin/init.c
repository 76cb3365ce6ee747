// SPDX-License-Identifier: BSD-2-Clause
/*
 * init: the first process. With run=COMMAND on the kernel's command line (percent-encoded) it runs
 * the command in a shell, puts "exit STATUS" on the record channel and switches the machine off;
 * without, it keeps an interactive shell on the console: when one ends, another follows. Either way
 * it reaps every orphan. columns=N lines=N is the size of the terminal that shows the console, and
 * says that somebody sits there: the interactive shell is then busybox's ash, if there is one,
 * which draws the line that it edits. Else it is our own sh, which takes lines as they come. ash
 * knows poweroff, halt and reboot itself: they signal init, which switches the machine off.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CMDLINE 8192
#define BUSYBOX     "/bin/busybox"

static char *const environment[] = {"PATH=/bin:/usr/bin", "HOME=/", "TERM=vt100", NULL};

static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++)
        if (i != fd)
            dup2(fd, i);
    if (fd > 2)
        close(fd);
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static void percent_decode(char *s)
{
    char *to = s;
    while (*s) {
        if (s[0] == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            *to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 3;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* What the kernel's command line says to init: a command, and the size of the host's terminal. */
static char *command;
static struct winsize size;

static void read_cmdline(void)
{
    static char cmdline[MAX_CMDLINE];
    int fd = open("/proc/cmdline", O_RDONLY);
    size_t have = 0;
    for (ssize_t n; fd >= 0 && (n = read(fd, cmdline + have, sizeof cmdline - 1 - have)) > 0;)
        have += (size_t)n;
    close(fd);
    char *save;
    for (char *w = strtok_r(cmdline, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        if (strncmp(w, "run=", 4) == 0 && !command) {
            percent_decode(w + 4);
            command = w + 4;
        } else if (strncmp(w, "columns=", 8) == 0) {
            size.ws_col = (unsigned short)atoi(w + 8);
        } else if (strncmp(w, "lines=", 6) == 0) {
            size.ws_row = (unsigned short)atoi(w + 6);
        }
    }
}

static void power_off(int sig)
{
    (void)sig;
    sync();
    reboot(RB_POWER_OFF);
}

static void heed_signals(void)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM}; // halt, poweroff, reboot
    struct sigaction sa = {0};
    sa.sa_handler = power_off;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &sa, NULL);
}

static bool uses_ash(void)
{
    return size.ws_col > 0 && size.ws_row > 0 && access(BUSYBOX, X_OK) == 0;
}

static void greet(void)
{
    puts("This is Strata, a small kernel for learning. `ls /bin' lists its programs.");
    printf("`poweroff' or ^A x leaves.%s\n",
           uses_ash() ? " Arrows, ^R and Tab edit the line; `help' lists the shell's commands."
                      : "");
    fflush(stdout);
}

/* Starts a shell in a session of its own that owns the console. */
static pid_t start_shell(void)
{
    char *const run[] = {"sh", "-c", command, NULL}, *const sh[] = {"-sh", NULL};
    char *const ash[] = {"-ash", NULL};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    setsid();
    ioctl(0, TIOCSCTTY, 0);
    if (!command && uses_ash())
        execve(BUSYBOX, ash, environment);
    execve("/bin/sh", command ? run : sh, environment);
    err(127, "/bin/sh");
}

/* Reaps children until this one ends; its status as a shell has it. */
static int wait_for(pid_t shell)
{
    int status;
    for (;;) {
        pid_t pid = wait(&status);
        if (pid == shell)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (pid < 0 && errno != EINTR)
            return 127;
    }
}

static void record(const char *text)
{
    int fd = open("/dev/record", O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        warn("/dev/record");
    close(fd);
}

int main(void)
{
    open_console();
    read_cmdline();
    if (size.ws_col > 0 && size.ws_row > 0)
        ioctl(0, TIOCSWINSZ, &size);
    heed_signals();
    if (!command)
        greet();
    while (!command) {
        pid_t shell = start_shell();
        if (shell < 0)
            warn("fork");
        int status = wait_for(shell);
        printf("The shell ended with %d; here is another one. `poweroff' or ^A x leaves.\n",
               status);
        fflush(stdout);
    }
    char text[32];
    snprintf(text, sizeof text, "exit %d", wait_for(start_shell()));
    record(text);
    power_off(0);
    err(1, "reboot");
}
