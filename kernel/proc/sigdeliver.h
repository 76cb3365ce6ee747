// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of the signal code share. All functions are called with sig_lock held.
#pragma once

#include "proc/signal.h"

enum sig_default { DEFAULT_END, DEFAULT_IGNORE, DEFAULT_STOP };

enum sig_default signal_default(int sig);
bool signal_is_ignored(const struct process *p, int sig);

// Takes one of `which', faults first: its number, or 0.
int sigpending_take(struct sigpending *p, sigset_t which, struct siginfo *info);

void signal_give_work(struct thread *t, uint32_t work);     // sets work bits and ends t's wait
void signal_recalc(struct thread *t);                       // the running thread's WORK_SIGNAL
void signal_kill_group_locked(struct process *p, int status);
// For the thread `target' of p, or NULL: any.
int signal_send_locked(struct process *p, struct thread *target, int sig,
                       const struct siginfo *info);
int signal_thread_locked(struct thread *t, int sig, const struct siginfo *info);
