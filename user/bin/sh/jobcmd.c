// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands on jobs: jobs, fg, bg, wait, kill.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../common/signame.h"
#include "jobs.h"

/* %n, a process id, or nothing for the newest job. */
static struct job *find(const char *arg)
{
    struct job *j = job_first();
    if (!arg || arg[0] != '%')
        return arg ? job_by_pid(atoi(arg)) : j;
    while (j && j->id != atoi(arg + 1))
        j = j->next;
    return j;
}

static struct job *find_or_warn(const char *arg)
{
    struct job *j = find(arg);
    if (!j)
        warnx("%s: no such job", arg ? arg : "current");
    return j;
}

int builtin_jobs(int argc, char **argv)
{
    (void)argc, (void)argv;
    jobs_report(true);
    return 0;
}

static void resume(struct job *j)
{
    for (int i = 0; i < j->nprocs; i++)
        if (j->procs[i].state == PROC_STOPPED)
            j->procs[i].state = PROC_RUNNING;
    for (int i = 0; i < j->nprocs; i++)
        kill(j->procs[i].pid, SIGCONT);
}

int builtin_fg(int argc, char **argv)
{
    struct job *j = find_or_warn(argc > 1 ? argv[1] : NULL);
    if (!j)
        return 1;
    puts(j->text);
    fflush(stdout);
    if (sh.job_control && j->pgid)
        tcsetpgrp(0, j->pgid);
    resume(j);
    return job_wait(j);
}

int builtin_bg(int argc, char **argv)
{
    struct job *j = find_or_warn(argc > 1 ? argv[1] : NULL);
    if (!j)
        return 1;
    printf("[%d] %s\n", j->id, j->text);
    resume(j);
    return 0;
}

/* Waits for one job, or until a signal comes that has a trap. */
static int wait_job(struct job *j)
{
    while (job_state(j) == PROC_RUNNING) {
        if (job_reap(0))
            continue;
        if (errno != EINTR)
            break;
        if (trap_pending())
            return 128 + trap_pending();
    }
    int status = job_status(j);
    job_free(j);
    return status;
}

int builtin_wait(int argc, char **argv)
{
    int status = 0;
    if (argc == 1) {
        while (job_first() && !trap_pending())
            status = wait_job(job_first());
        return trap_pending() ? status : 0;
    }
    for (int i = 1; i < argc; i++) {
        struct job *j = find(argv[i]);
        status = j ? wait_job(j) : 127;
    }
    return status;
}

static bool send(const char *target, int sig)
{
    pid_t pid = atoi(target);
    if (target[0] == '%') {
        struct job *j = find_or_warn(target);
        if (!j)
            return false;
        pid = j->pgid ? -j->pgid : j->procs[j->nprocs - 1].pid;
    }
    if (kill(pid, sig) == 0)
        return true;
    warn("kill: %s", target);
    return false;
}

int builtin_kill(int argc, char **argv)
{
    int sig = SIGTERM, i = 1, status = 0;
    if (i < argc && argv[i][0] == '-') {
        const char *name = argv[i++] + 1;
        if (name[0] == 's' && name[1] == '\0' && i < argc)
            name = argv[i++];
        sig = signal_number(name);
    }
    if (sig < 0 || i == argc) {
        warnx("usage: kill [-signal] pid|%%job...");
        return 2;
    }
    for (; i < argc; i++)
        if (!send(argv[i], sig))
            status = 1;
    return status;
}
