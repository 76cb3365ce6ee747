// SPDX-License-Identifier: BSD-2-Clause
/*
 * Inside jobs: the table that jobs.c keeps and the commands of jobcmd.c work on.
 */
#pragma once

#include "shell.h"

enum proc_state { PROC_RUNNING, PROC_STOPPED, PROC_DONE };

struct proc {
    pid_t pid;
    enum proc_state state;
    int status; /* as waitpid gave it */
};

struct job {
    struct job *next; /* the newest first */
    int id;           /* as in %1 */
    pid_t pgid;       /* 0: in the shell's group */
    int nprocs;
    struct proc *procs;
    char text[];
};

struct job *job_first(void);
struct job *job_by_pid(pid_t pid);
void job_free(struct job *j);
bool job_reap(int options);
enum proc_state job_state(const struct job *j); /* the least advanced of its processes */
int job_status(const struct job *j);            /* of its last process, as $? has it */
