// SPDX-License-Identifier: BSD-2-Clause
//
// Signal frames in Linux's layout, so that handlers, unwinders and libraries find what they
// expect: the restorer's address, ucontext, siginfo, and above them the FPU state. What sigreturn
// takes back comes from the program: selectors, flags and MXCSR are put right, and an address
// that is no user address becomes the program's own fault.
#include "amd64/context.h"
#include "amd64/trap.h"
#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "proc/thread.h"

#define RED_ZONE      128
#define UC_FLAGS      6 // the stack segment is saved and restored strictly
#define FPSTATE_ALIGN 64

struct sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trapno, oldmask, cr2;
    vaddr_t fpstate_va;
    uint64_t reserved[8];
};

struct ucontext {
    uint64_t flags;
    vaddr_t link;
    struct sigaltstack stack;
    struct sigcontext regs;
    sigset_t mask;
};

struct sigframe {
    vaddr_t restorer;
    struct ucontext uc;
    struct siginfo info;
};
_Static_assert(sizeof(struct sigcontext) == 256, "Linux's size");
_Static_assert(offsetof(struct ucontext, mask) == 296, "Linux's layout");

static bool on_altstack(const struct thread *t, vaddr_t sp)
{
    return !(t->altstack.flags & SS_DISABLE) && sp > t->altstack.sp &&
           sp - t->altstack.sp <= t->altstack.size;
}

int signal_altstack(const struct sigaltstack *new, struct sigaltstack *old)
{
    struct thread *t = thread_current();
    bool active = on_altstack(t, thread_frame(t)->rsp);

    if (old) {
        *old = t->altstack;
        if (active)
            old->flags |= SS_ONSTACK;
    }
    if (!new)
        return 0;
    if (active)
        return EPERM;
    if (new->flags & ~(SS_DISABLE | SS_ONSTACK))
        return EINVAL;
    if (new->flags & SS_DISABLE) {
        t->altstack = (struct sigaltstack){.flags = SS_DISABLE};
        return 0;
    }
    if (new->size < MINSIGSTKSZ)
        return ENOMEM;
    t->altstack = *new;
    t->altstack.flags = 0;
    return 0;
}

// What a handler may see and change, from one structure to another.
#define REG(name) (to->name = from->name)
#define COPY_REGISTERS                                                                             \
    (REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15), REG(rdi),       \
     REG(rsi), REG(rbp), REG(rbx), REG(rdx), REG(rax), REG(rcx), REG(rsp), REG(rip), REG(rflags))

// *to is zero.
static void save_registers(struct sigcontext *to, const struct thread *t,
                           const struct trapframe *from)
{
    COPY_REGISTERS;
    to->cs = from->cs;
    to->ss = from->ss;
    to->error = t->trap_error;
    to->trapno = t->trap_no;
    to->cr2 = t->trap_addr;
}

static void take_registers(struct trapframe *to, const struct sigcontext *from)
{
    COPY_REGISTERS;
    trap_sanitize(to);
    to->vector = 0; // no longer a system call: all registers are restored as they are
}

// Writes the FPU state below *sp and moves *sp there.
static int push_fpu(struct thread *t, vaddr_t *sp)
{
    const struct fpu_state *fpu = context_save_fpu(&t->context);

    *sp = (*sp - sizeof(*fpu)) & ~(vaddr_t)(FPSTATE_ALIGN - 1);
    return copyout(*sp, fpu, sizeof(*fpu));
}

int sigframe_push(struct thread *t, struct trapframe *tf, const struct sigaction *act,
                  const struct siginfo *info, sigset_t old_mask)
{
    struct sigframe frame;
    vaddr_t sp = tf->rsp - RED_ZONE;

    if ((act->flags & SA_ONSTACK) && !(t->altstack.flags & SS_DISABLE) && !on_altstack(t, tf->rsp))
        sp = t->altstack.sp + t->altstack.size;
    if (!(act->flags & SA_RESTORER) || push_fpu(t, &sp) != 0)
        return EFAULT;
    memset(&frame, 0, offsetof(struct sigframe, info));
    frame.restorer = act->restorer;
    frame.uc.flags = UC_FLAGS;
    frame.uc.stack = t->altstack;
    save_registers(&frame.uc.regs, t, tf);
    frame.uc.regs.oldmask = frame.uc.mask = old_mask;
    frame.uc.regs.fpstate_va = sp;
    frame.info = *info;
    // As after a call: the stack pointer is 8 below a multiple of 16.
    sp = ((sp - sizeof(frame)) & ~15ul) - 8;
    if (copyout(sp, &frame, sizeof(frame)) != 0)
        return EFAULT;
    tf->rsp = sp;
    tf->rip = act->handler;
    tf->rdi = (uint64_t)info->signo;
    tf->rsi = sp + offsetof(struct sigframe, info);
    tf->rdx = sp + offsetof(struct sigframe, uc);
    tf->rax = 0;
    tf->rflags &= ~(uint64_t)(RFLAGS_DF | RFLAGS_TF);
    tf->vector = 0;
    return 0;
}

int sigframe_pop(struct thread *t, struct trapframe *tf)
{
    struct ucontext uc;
    struct fpu_state fpu;
    vaddr_t frame_va = tf->rsp - sizeof(vaddr_t); // the restorer's address has been popped

    if (copyin(&uc, frame_va + offsetof(struct sigframe, uc), sizeof(uc)) != 0)
        return EFAULT;
    if (uc.regs.fpstate_va && copyin(&fpu, uc.regs.fpstate_va, sizeof(fpu)) != 0)
        return EFAULT;
    take_registers(tf, &uc.regs);
    if (uc.regs.fpstate_va)
        context_restore_fpu(&fpu);
    if (!on_altstack(t, tf->rsp))
        signal_altstack(&uc.stack, NULL);
    signal_set_mask(uc.mask);
    return 0;
}
