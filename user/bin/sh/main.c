// SPDX-License-Identifier: BSD-2-Clause
//
// sh: reads commands from a terminal, a string or a file, and runs them one line after the other.
//     sh [-c command [name [argument...]] | file [argument...]]
// It is small: no here-documents, job control, traps, options, history or line editing; where
// busybox is, its ash has them.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shell.h"

struct shell sh;

void shell_exit(int status)
{
    fflush(stdout);
    exit(status & 0xff);
}

// A script ends at an error of the shell; a person gets a new prompt.
void shell_error(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "%s: ", sh.params[0]);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    sh.status = 2;
    if (sh.interactive && sh.on_error)
        siglongjmp(*sh.on_error, 1);
    shell_exit(2);
}

// After an error the rest of the line is dropped and reading goes on.
static void run_interactive(struct source *s)
{
    sigjmp_buf on_error;
    setenv("PS1", "# ", 1);
    setenv("PS2", "> ", 1);
    jobs_init();
    if (sigsetjmp(on_error, 1))
        lex_seek(s, s->len);
    sh.on_error = &on_error;
    do {
        sh.leaving = LEAVING_NONE;
        sh.loop_depth = 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    } while (run_line(s));
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    static char *no_params[] = {"sh", NULL};
    static struct source input = {.text = "", .fd = 0};
    bool command = argc > 2 && strcmp(argv[1], "-c") == 0;
    sh = (struct shell){.pid = getpid()};
    sh.params = argc > 1 + 2 * command ? argv + 1 + 2 * command : no_params;
    sh.interactive = argc == 1 && isatty(0) && isatty(2);
    if (command)
        run_string(argv[2], true);
    else if (sh.interactive)
        run_interactive(&input);
    else if (argc == 1)
        while (run_line(&input))
            ;
    else if (run_file(argv[1]) < 0)
        shell_error("%s", strerror(errno));
    shell_exit(sh.status);
}
