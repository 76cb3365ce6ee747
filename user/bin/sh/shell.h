// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shell's state and what its parts offer each other: variables, functions, expansion,
 * execution, redirection, jobs, traps, built-in commands.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <sys/types.h>
#include "lex.h"
#include "tree.h"

enum unwind { UNWIND_NONE, UNWIND_BREAK, UNWIND_CONTINUE, UNWIND_RETURN };

struct params { /* $1.. */
    int n;
    char **v;
    char **own; /* what set allocated, or NULL; v moves on in it by shift */
};

struct shell {
    const char *name;        /* $0 */
    int status;              /* $? */
    int subst_status;        /* of the last $( ) in the command at hand */
    pid_t pid;               /* $$ */
    pid_t last_async;        /* $! */
    struct params params;
    bool interactive;
    bool job_control;
    bool errexit, nounset, xtrace, noglob; /* set -e -u -x -f */
    int tested;              /* > 0: in a condition, where set -e is silent */
    int loop_depth, call_depth;
    enum unwind unwind;      /* leaving loops or a function */
    int unwind_levels;       /* of loops to leave */
    sigjmp_buf *on_error;    /* where an error of the shell itself goes on */
};

extern struct shell sh;

/* main.c */
_Noreturn void shell_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void shell_exit(int status); /* runs the EXIT trap */
int run_source(struct source *src);    /* reads and executes to the end */
int run_string(const char *text);
int run_file(const char *path);        /* -1 and errno if it cannot be read */

/* parse.c: the commands of the next line (NULL: it is blank). False: the text has ended. */
bool parse_line(struct lexer *l, struct node **n);
/* parse.c: commands up to the closing parenthesis of $( ), or to the end of `...`'s text. */
struct node *parse_substitution(struct source *src, bool parenthesis);

/* var.c */
struct var;
const char *var_get(const char *name); /* NULL: unset */
void var_set(const char *name, const char *value);
void var_set_number(const char *name, long value);
void var_export(const char *name);
void var_readonly(const char *name);
void var_unset(const char *name);
void var_import(char **envp);
char **var_environment(void);
void var_print(bool exported_only);
void var_local(const char *name);      /* restored when the scope ends */
int var_scope_begin(void);
void var_scope_end(int scope);
bool name_valid(const char *s, size_t n);

/* expand.c */
char **expand_words(const struct word *list, int *count);
char *expand_string(const struct word *w);  /* one string, quotes removed */
char *expand_pattern(const struct word *w); /* one pattern, quoted characters escaped */
/* arith.c */
long arith(const char *text);

/* exec.c */
enum { EXEC_LAST = 1 }; /* nothing follows: the process may be used up */
int execute(const struct node *n, int flags);
char *capture_output(const struct node *n); /* $( ): output without its last newlines */
struct node *function_find(const char *name);
void function_unset(const char *name);

/* run.c: one simple command. */
int run_simple(const struct node *n, int flags);
void function_define(const struct node *n);
int run_command(char **argv, int argc, int flags); /* a built-in or a program, no function */
_Noreturn void exec_program(char **argv);
char *join_words(char **words); /* with blanks between them */
char *find_program(const char *name); /* its path, or NULL */

/* redir.c */
struct saved_fd;
/* Does all of them or reports why not. What stood there before goes to *saved unless it is NULL. */
bool redirect(const struct redir *r, struct saved_fd **saved);
void redirect_undo(struct saved_fd *saved);

/* jobs.c */
struct job;
struct job *job_new(const char *text);
enum fork_kind {
    FORK_FOREGROUND,
    FORK_BACKGROUND,
    FORK_SUBSTITUTION, /* stays in the shell's process group */
};
/* Forks a process of the job; returns 0 in the child, which is then a subshell. */
pid_t job_fork(struct job *j, enum fork_kind kind);
int job_wait(struct job *j);           /* in the foreground; its exit status */
void job_background(struct job *j);
void jobs_report(bool all);            /* tells of jobs that changed */
void jobs_init(void);
int builtin_jobs(int argc, char **argv);
int builtin_fg(int argc, char **argv);
int builtin_bg(int argc, char **argv);
int builtin_wait(int argc, char **argv);
int builtin_kill(int argc, char **argv);

/* trap.c */
void signals_init(void);
void signals_subshell(bool background); /* in a child: defaults again */
void interrupt_check(void);             /* acts on ^C at a prompt */
void traps_run(void);                   /* commands of signals that came */
void trap_exit(void);
bool traps_set(void);
int trap_pending(void);                 /* a signal that came and waits for its trap, or 0 */
int builtin_trap(int argc, char **argv);

/* builtin.c */
typedef int builtin_fn(int argc, char **argv);
builtin_fn *builtin_find(const char *name);
void params_free(struct params *p);
/* The index of the first operand, or -1 for a bad option. -c is known if command is not NULL. */
int set_options(int argc, char **argv, bool *command);
/* test.c */
int builtin_test(int argc, char **argv);
/* read.c */
int builtin_read(int argc, char **argv);
