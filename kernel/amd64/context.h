// SPDX-License-Identifier: BSD-2-Clause
//
// Threads as the machine sees them: a kernel stack, and for a thread that runs a program the FPU
// and SSE state and the segment bases. A program's registers lie in the trapframe at the top of
// its kernel stack. The kernel uses no FPU, so the registers hold the running program's state also
// while it is in the kernel; they are saved and restored at a switch, eagerly.
//
// A thread changes only its own context, but where a function says otherwise. A context starts as
// zeroes.
#pragma once

#include "amd64/trapframe.h"
#include "lib/types.h"

struct fpu_state {
    uint8_t fxsave[512];
} __attribute__((aligned(16)));

struct cpu_context {
    uint64_t rsp;               // while not running: where the switch left the stack
    vaddr_t kstack_top;         // constant; multiple of 16
    uint64_t fs_base, gs_base;  // of the program
    bool user;                  // runs a program; constant
    struct fpu_state fpu;       // of the program, while not running; what FXSAVE leaves is zero
};

// ---- making threads ----

// A thread that has not run yet begins in fn(arg), on an empty stack, with interrupts off, as if it
// returned from context_switch: fn does what the scheduler does after a switch, and turns them on.

// A kernel thread: fn never returns.
void context_init_kernel(struct cpu_context *ctx, vaddr_t kstack_top, void (*fn)(void *arg),
                         void *arg);

// A thread that runs a program: after fn it goes to user mode with the frame returned, which the
// caller fills. The frame is zero but for selectors and flags, the FPU as at reset, the bases 0.
struct trapframe *context_init_user(struct cpu_context *ctx, vaddr_t kstack_top,
                                    void (*fn)(void *arg), void *arg);

// As context_init_user, with the state of the running thread, whose context is parent; for fork
// and clone. The caller then sets the child's result and whatever else differs.
struct trapframe *context_init_fork(struct cpu_context *ctx, const struct cpu_context *parent,
                                    vaddr_t kstack_top, void (*fn)(void *arg), void *arg);

// Start-up's own flow on this CPU becomes a thread (the idle thread): fills in ctx.
void context_adopt(struct cpu_context *ctx);

// The program's registers.
static inline struct trapframe *context_frame(const struct cpu_context *ctx)
{
    return (struct trapframe *)ctx->kstack_top - 1;
}

// ---- switching ----

// Leaves `from', which is running, for `to'; returns when something switches back to `from',
// maybe on another CPU. The address space (pmap_activate) and percpu.kctx are the caller's to
// change, before. Interrupts off.
void context_switch(struct cpu_context *from, struct cpu_context *to);

// ---- the running thread's program ----

// For exec: registers zero, FPU as at reset, bases 0. The caller sets rip and rsp.
struct trapframe *context_reset(struct cpu_context *ctx);

// Bases below USER_MAX only.
void context_set_fs_base(struct cpu_context *ctx, vaddr_t base);
void context_set_gs_base(struct cpu_context *ctx, vaddr_t base);

// The FPU state for a signal frame, in ctx, and back. FXSAVE does not write all of it: a program
// may see the rest, so it is saved nowhere but where the rest is zero. What a program made of it is
// corrected, so that it cannot make the kernel fault.
const struct fpu_state *context_save_fpu(struct cpu_context *ctx);
void context_restore_fpu(struct fpu_state *state);
