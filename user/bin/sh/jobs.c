// SPDX-License-Identifier: BSD-2-Clause
/*
 * Jobs: the processes of a pipeline together. With job control each job is a process group of its
 * own and the terminal belongs to the one in the foreground.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "jobs.h"

static struct job *jobs;

struct job *job_new(const char *text)
{
    size_t n = strlen(text) + 1;
    struct job *j = xmalloc(sizeof *j + n);
    *j = (struct job){.id = 1};
    memcpy(j->text, text, n);
    for (struct job *k = jobs; k; k = k->next)
        if (k->id >= j->id)
            j->id = k->id + 1;
    j->next = jobs;
    jobs = j;
    return j;
}

void job_free(struct job *j)
{
    struct job **p = &jobs;
    while (*p != j)
        p = &(*p)->next;
    *p = j->next;
    free(j->procs);
    free(j);
}

struct job *job_first(void)
{
    return jobs;
}

struct job *job_by_pid(pid_t pid)
{
    for (struct job *j = jobs; j; j = j->next)
        for (int i = 0; i < j->nprocs; i++)
            if (j->procs[i].pid == pid)
                return j;
    return NULL;
}

enum proc_state job_state(const struct job *j)
{
    enum proc_state state = PROC_DONE;
    for (int i = 0; i < j->nprocs; i++)
        if (j->procs[i].state < state)
            state = j->procs[i].state;
    return state;
}

static void add_proc(struct job *j, pid_t pid)
{
    j->procs = realloc(j->procs, (size_t)(j->nprocs + 1) * sizeof *j->procs);
    if (!j->procs)
        shell_error("out of memory");
    j->procs[j->nprocs++] = (struct proc){.pid = pid, .state = PROC_RUNNING};
}

/* The jobs of the parent are not the child's to wait for. */
static void enter_child(struct job *j, enum fork_kind kind)
{
    bool own_group = sh.job_control && kind != FORK_SUBSTITUTION;
    if (own_group) {
        pid_t pgid = j->pgid ? j->pgid : getpid();
        setpgid(0, pgid);
        if (kind == FORK_FOREGROUND)
            tcsetpgrp(0, pgid);
    }
    signals_subshell(kind == FORK_BACKGROUND && !own_group);
    if (kind == FORK_BACKGROUND && !own_group && j->nprocs == 0) {
        close(0);
        open("/dev/null", O_RDONLY);
    }
    sh.interactive = sh.job_control = false;
    jobs = NULL;
}

pid_t job_fork(struct job *j, enum fork_kind kind)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        shell_error("cannot fork: %s", strerror(errno));
    if (pid == 0) {
        enter_child(j, kind);
        return 0;
    }
    if (sh.job_control && kind != FORK_SUBSTITUTION) {
        if (!j->pgid)
            j->pgid = pid;
        setpgid(pid, j->pgid); /* here and in the child: whoever comes first */
    }
    add_proc(j, pid);
    return pid;
}

/* Waits for any child and notes what became of it. False: interrupted, or there are none. */
bool job_reap(int options)
{
    int status;
    pid_t pid = waitpid(-1, &status, options | (sh.job_control ? WUNTRACED : 0));
    struct job *j = pid > 0 ? job_by_pid(pid) : NULL;
    for (int i = 0; j && i < j->nprocs; i++) {
        if (j->procs[i].pid == pid) {
            j->procs[i].status = status;
            j->procs[i].state = WIFSTOPPED(status) ? PROC_STOPPED : PROC_DONE;
        }
    }
    return pid > 0;
}

int job_status(const struct job *j)
{
    if (j->nprocs == 0)
        return 0;
    int status = j->procs[j->nprocs - 1].status;
    if (WIFSTOPPED(status))
        return 128 + WSTOPSIG(status);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Tells of a death that is not an everyday one. */
static void report_signal(const struct job *j)
{
    int status = j->procs[j->nprocs - 1].status;
    if (!WIFSIGNALED(status))
        return;
    if (WTERMSIG(status) == SIGINT)
        fputc('\n', stderr);
    else if (WTERMSIG(status) != SIGPIPE)
        fprintf(stderr, "%s%s\n", strsignal(WTERMSIG(status)),
                WCOREDUMP(status) ? " (core dumped)" : "");
}

int job_wait(struct job *j)
{
    while (job_state(j) == PROC_RUNNING)
        if (!job_reap(0) && errno != EINTR)
            break;
    if (sh.job_control && j->pgid)
        tcsetpgrp(0, getpgrp());
    int status = job_status(j);
    if (job_state(j) == PROC_STOPPED) {
        fprintf(stderr, "\n[%d] Stopped  %s\n", j->id, j->text);
        return status;
    }
    if (j->nprocs > 0 && (sh.interactive || status != 128 + SIGINT))
        report_signal(j);
    job_free(j);
    return status;
}

void job_background(struct job *j)
{
    sh.last_async = j->procs[j->nprocs - 1].pid;
    if (sh.interactive)
        fprintf(stderr, "[%d] %d\n", j->id, (int)sh.last_async);
}

static const char *state_name(const struct job *j)
{
    static const char *const names[] = {"Running", "Stopped", "Done"};
    enum proc_state state = job_state(j);
    if (state == PROC_DONE && WIFSIGNALED(j->procs[j->nprocs - 1].status))
        return strsignal(WTERMSIG(j->procs[j->nprocs - 1].status));
    return names[state];
}

void jobs_report(bool all)
{
    struct job *next;
    while (job_reap(WNOHANG))
        ;
    for (struct job *j = jobs; j; j = next) {
        enum proc_state state = job_state(j);
        next = j->next;
        if (all || state == PROC_DONE)
            fprintf(all ? stdout : stderr, "[%d] %s  %s\n", j->id, state_name(j), j->text);
        if (state == PROC_DONE)
            job_free(j);
    }
}

/* Takes the terminal, if there is one that can be shared out. */
void jobs_init(void)
{
    pid_t pgid = getpgrp();
    if (!isatty(0) || tcgetpgrp(0) < 0)
        return;
    if (pgid != sh.pid && setpgid(0, 0) != 0)
        return;
    sh.job_control = tcsetpgrp(0, getpgrp()) == 0;
}
