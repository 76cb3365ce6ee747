// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts: laying out new ones, and the switch.
#include "amd64/context.h"

#include "amd64/cpu.h"
#include "amd64/trap.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "sync/irq.h"

#define FXSAVE_FCW_RESET 0x037f // x87 control: all exceptions masked, full precision
#define FXSAVE_MXCSR     24     // offset in the save area
#define MXCSR_RESET      0x1f80 // all exceptions masked
#define MXCSR_VALID      0xffbf // bits that every CPU knows; FXRSTOR faults at others

// switch.S
void context_swap_stacks(uint64_t *save_rsp, uint64_t load_rsp);
extern const char context_start[];

// What context_swap_stacks pops for a new thread.
struct start_frame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    const void *return_to;
};

static void fxsave(struct fpu_state *state)
{
    __asm__ volatile("fxsave64 %0" : "=m"(*state));
}

static void fxrstor(const struct fpu_state *state)
{
    __asm__ volatile("fxrstor64 %0" ::"m"(*state));
}

static void set_mxcsr(struct fpu_state *state, uint32_t mxcsr)
{
    memcpy(&state->fxsave[FXSAVE_MXCSR], &mxcsr, sizeof(mxcsr));
}

static void reset_fpu(struct fpu_state *state)
{
    const uint16_t fcw = FXSAVE_FCW_RESET;
    memset(state, 0, sizeof(*state));
    memcpy(state->fxsave, &fcw, sizeof(fcw));
    set_mxcsr(state, MXCSR_RESET);
}

static void load_bases(const struct cpu_context *ctx)
{
    wrmsr(MSR_FS_BASE, ctx->fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, ctx->gs_base); // swapgs on the way out makes it the program's
}

void context_init_kernel(struct cpu_context *ctx, vaddr_t kstack_top, void (*fn)(void *arg),
                         void *arg)
{
    KASSERT(kstack_top % 16 == 0, "stack top %#lx", kstack_top);
    KASSERT((vaddr_t)&ctx->fpu % 16 == 0, "context at %p", ctx);
    ctx->kstack_top = kstack_top;
    ctx->fs_base = ctx->gs_base = 0;
    ctx->user = false;
    memset(context_frame(ctx), 0, sizeof(struct trapframe));
    struct start_frame *start = (struct start_frame *)context_frame(ctx) - 1;
    *start =
        (struct start_frame){.r12 = (uint64_t)fn, .r13 = (uint64_t)arg, .return_to = context_start};
    ctx->rsp = (uint64_t)start;
}

struct trapframe *context_init_user(struct cpu_context *ctx, vaddr_t kstack_top,
                                    void (*fn)(void *arg), void *arg)
{
    context_init_kernel(ctx, kstack_top, fn, arg);
    ctx->user = true;
    reset_fpu(&ctx->fpu);
    trap_sanitize(context_frame(ctx));
    return context_frame(ctx);
}

struct trapframe *context_init_fork(struct cpu_context *ctx, const struct cpu_context *parent,
                                    vaddr_t kstack_top, void (*fn)(void *arg), void *arg)
{
    context_init_kernel(ctx, kstack_top, fn, arg);
    ctx->user = true;
    ctx->fs_base = parent->fs_base;
    ctx->gs_base = parent->gs_base;
    fxsave(&ctx->fpu);
    *context_frame(ctx) = *context_frame(parent);
    return context_frame(ctx);
}

void context_adopt(struct cpu_context *ctx)
{
    *ctx = (struct cpu_context){.kstack_top = cpu_self()->kstack_top};
}

void context_switch(struct cpu_context *from, struct cpu_context *to)
{
    KASSERT(!irq_enabled(), "switch from %p to %p with interrupts on", from, to);
    struct cpu *cpu = cpu_self();
    if (from->user)
        fxsave(&from->fpu);
    if (to->user) {
        fxrstor(&to->fpu);
        load_bases(to);
    }
    cpu->kstack_top = to->kstack_top;
    cpu->tss.rsp[0] = to->kstack_top;
    context_swap_stacks(&from->rsp, to->rsp);
}

struct trapframe *context_reset(struct cpu_context *ctx)
{
    struct trapframe *tf = context_frame(ctx);
    memset(tf, 0, sizeof(*tf));
    trap_sanitize(tf);
    reset_fpu(&ctx->fpu);
    fxrstor(&ctx->fpu);
    ctx->fs_base = ctx->gs_base = 0;
    load_bases(ctx);
    return tf;
}

void context_set_fs_base(struct cpu_context *ctx, vaddr_t base)
{
    KASSERT(base < USER_MAX, "fs base %#lx", base);
    ctx->fs_base = base;
    wrmsr(MSR_FS_BASE, base);
}

void context_set_gs_base(struct cpu_context *ctx, vaddr_t base)
{
    KASSERT(base < USER_MAX, "gs base %#lx", base);
    ctx->gs_base = base;
    wrmsr(MSR_KERNEL_GS_BASE, base);
}

// A switch meanwhile saves the same again.
const struct fpu_state *context_save_fpu(struct cpu_context *ctx)
{
    KASSERT(ctx->user, "context %p has no FPU state", ctx);
    fxsave(&ctx->fpu);
    return &ctx->fpu;
}

void context_restore_fpu(struct fpu_state *state)
{
    uint32_t mxcsr;
    memcpy(&mxcsr, &state->fxsave[FXSAVE_MXCSR], sizeof(mxcsr));
    set_mxcsr(state, mxcsr & MXCSR_VALID);
    fxrstor(state);
}
