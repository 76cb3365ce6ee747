// SPDX-License-Identifier: BSD-2-Clause
//
// The shell: text > tokens (lex.c) > the grammar, which runs what it reads (script.c) > simple
// commands (run.c), whose words become strings (expand.c, arith.c) and processes (jobs.c).
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "lex.h"
#include "mem.h"

enum leaving { LEAVING_NONE, LEAVING_BREAK, LEAVING_CONTINUE };

// Every variable is in the environment.
struct shell {
    int status;       // $?
    int subst_status; // of the last $( ) in the command at hand
    pid_t pid;        // $$
    pid_t last_async; // $!
    char **params;    // $0, $1, ..., NULL
    bool interactive;
    int loop_depth;
    enum leaving leaving; // a loop, and
    int levels;           // of how many
    sigjmp_buf *on_error; // where an error of the shell itself goes on
};

extern struct shell sh;

// main.c
_Noreturn void shell_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void shell_exit(int status);

// script.c. What runs a text returns its exit status.
bool run_line(struct source *s); // the commands of the next line; false: the text has ended
int run_string(const char *text, bool last); // all of it; last: the process may be used up
int run_file(const char *path);              // -1 and errno if it cannot be read

// run.c
struct simple {
    struct word *assigns, *words;
    struct redir *redirs;
};
int run_simple(const struct simple *c, bool last);
_Noreturn void exec_program(char **argv);
struct saved_fd;
// Does all redirections or reports why not. What stood there before goes to *saved unless that is
// NULL.
bool redirect(const struct redir *r, struct saved_fd **saved);
void redirect_undo(struct saved_fd *saved);

// expand.c
char **expand_words(const struct word *list); // ends with a NULL
char *expand_string(const char *raw);         // one string, quotes removed
size_t name_length(const char *s);            // of the variable's name that s begins with
long arith(const char *text);                 // arith.c

// jobs.c
void jobs_init(void);                 // of a shell with a prompt
void interrupted(void);               // a read at the prompt was: acts on ^C
void make_pipe(int fds[2]);
pid_t fork_child(bool background);    // 0 in the child, which is then a subshell
int wait_for(pid_t pid, bool report); // its exit status; tells of an unusual death if asked to

// builtin.c
typedef int builtin_fn(int argc, char **argv);
builtin_fn *builtin_find(const char *name);
int builtin_test(int argc, char **argv); // test.c
int builtin_read(int argc, char **argv); // read.c
