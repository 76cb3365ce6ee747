// SPDX-License-Identifier: BSD-2-Clause
//
// Runs kernel modules in a program on the host, with the kernel's own lock code: each pthread is
// a kernel thread on a CPU of its own. A test is one file, tests/host/test_x.c:
//
//     // link: kernel/vm/x.c SHIM
//     #include "lib/shim.h"
//     static void test_something(void) { CHECK(1 + 1 == 2, "got %d", 1 + 1); }
//     int main(int argc, char **argv)
//     {
//         shim_main(argc, argv);
//         RUN(test_something);
//         return shim_done();
//     }
//
// where SHIM stands for these words, on the same line or on a `// link:' line of its own (after an
// empty comment line, or clang-format joins them):
//     tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
//     kernel/sync/[!i]*.c
// and kernel/lib/{rbtree,bitmap,crc32}.c one by one, as needed. The pattern leaves out
// kernel/sync/irq.c: shim.c has its functions. mem* and str* come from the host's libc, so that the
// sanitizers check their use.
//
// A test may include <stdio.h>, <stdlib.h>, <string.h> (before any kernel header) and <pthread.h>;
// not <errno.h>, <sys/mman.h> or <unistd.h>'s relatives that define what lib/errno.h and
// lib/types.h define. kprintf goes to stderr. `%gs' is this thread's struct percpu.
#pragma once

#include <setjmp.h>
#include "lib/types.h"
#include "sync/kctx.h"
#include "sync/percpu.h"

// ---- Tests ----

extern uint64_t shim_seed;      // the program's argument, 1 without one

void shim_main(int argc, char **argv);
// Ends the program with `not ok' after so long of processor time, or so long without any.
void shim_watchdog(unsigned seconds);
int shim_done(void);            // the program's status

// Runs one test function and prints `ok name'.
#define RUN(test) shim_run(#test, test)
void shim_run(const char *name, void (*test)(void));

// Ends the program with `not ok' unless cond holds; in any thread.
#define CHECK(cond, fmt, ...)                                                                      \
    do {                                                                                           \
        if (!(cond))                                                                               \
            shim_fail("%s:%d: %s: " fmt, __FILE__, __LINE__, #cond, ##__VA_ARGS__);                \
    } while (0)
_Noreturn void shim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Runs the statement, which must panic with a message that contains `text'. Then the thread's
// context and interrupt depth are as before; locks that the statement took stay taken.
#define PANICS(text, statement)                                                                    \
    do {                                                                                           \
        struct shim_catch shim_catch_;                                                             \
        shim_catch_begin(&shim_catch_);                                                            \
        if (setjmp(shim_catch_.env) == 0) {                                                        \
            statement;                                                                             \
            shim_fail("%s:%d: %s did not panic", __FILE__, __LINE__, #statement);                  \
        }                                                                                          \
        shim_catch_end(&shim_catch_, text);                                                        \
    } while (0)

struct shim_catch {
    jmp_buf env;
    char message[512];
    struct kctx saved_ctx;
    struct percpu saved_cpu;
    struct shim_catch *outer;
};
void shim_catch_begin(struct shim_catch *c);
void shim_catch_end(struct shim_catch *c, const char *text);

// ---- Threads ----

struct shim_thread;
struct shim_thread *shim_spawn(const char *name, void (*body)(void *arg), void *arg);
void shim_join(struct shim_thread *t);      // waits for its end and frees it

// Runs n threads with arguments 0 to n-1 and waits for their end.
void shim_run_threads(unsigned n, void (*body)(void *arg));

// As a signal: ends t's interruptible waits, or all but WAIT_NOINTR ones if fatal, until cleared.
enum shim_signal { SHIM_NO_SIGNAL, SHIM_SIGNAL, SHIM_FATAL };
void shim_signal(struct shim_thread *t, enum shim_signal signal);

struct kctx *shim_kctx(struct shim_thread *t);
bool shim_blocked(struct shim_thread *t);   // it sleeps in wait_ops.block
void shim_wait_blocked(struct shim_thread *t);  // returns once it does
unsigned shim_yields(void);                 // how often wait_ops.yield was called

void shim_sleep(uint64_t ns);
