// SPDX-License-Identifier: BSD-2-Clause
//
// The debug registers: DR0 to DR3 hold addresses, DR6 says which one was hit, DR7 what is watched.
// Locking: none; each CPU has its own registers, and one test at a time uses them.
#include "tests/kernel/watch.h"

#include "amd64/ksyms.h"
#include "amd64/trap.h"
#include "lib/panic.h"

#define DR6_HITS       0xful
#define DR7_EXACT      0x700ul // bit 10 is always 1; exact matches, as the manuals advise
#define DR7_GLOBAL(i)  (2ul << 2 * (i))
#define DR7_KIND(i, k) ((uint64_t)(k) << (16 + 4 * (i)))
#define DR7_EIGHT(i)   (2ul << (18 + 4 * (i)))

#define RFLAGS_RF 0x10000ul // the instruction at rip runs, watched or not

static void (*watcher)(vaddr_t rip);
static void (*call_watcher)(unsigned i, const uint64_t args[WATCH_ARGS]);
static bool answered; // by the watcher, instead of the function
static uint64_t its_answer;

// Before its first instruction: the return address is what the stack pointer points to.
static void return_to_caller(struct trapframe *tf)
{
    tf->rax = its_answer;
    tf->rip = *(const uint64_t *)tf->rsp;
    tf->rsp += sizeof(uint64_t);
}

// For trap_ops.debug.
static bool hit(struct trapframe *tf)
{
    uint64_t status;

    __asm__ volatile("mov %%dr6, %0" : "=r"(status));
    if (!(status & DR6_HITS))
        return false;
    __asm__ volatile("mov %0, %%dr6" ::"r"(0ul));
    if (call_watcher) {
        const uint64_t args[WATCH_ARGS] = {tf->rdi, tf->rsi, tf->rdx, tf->rcx};
        answered = false;
        call_watcher((unsigned)__builtin_ctzl(status), args);
        if (answered)
            return_to_caller(tf);
        else
            tf->rflags |= RFLAGS_RF;
    } else {
        watcher(tf->rip);
    }
    return true;
}

static void set_address(unsigned i, uint64_t va)
{
    switch (i) {
    case 0:
        __asm__ volatile("mov %0, %%dr0" ::"r"(va));
        break;
    case 1:
        __asm__ volatile("mov %0, %%dr1" ::"r"(va));
        break;
    case 2:
        __asm__ volatile("mov %0, %%dr2" ::"r"(va));
        break;
    default:
        __asm__ volatile("mov %0, %%dr3" ::"r"(va));
    }
}

void watch_words(const void *words, unsigned n, enum watch_kind kind, void (*fn)(vaddr_t rip))
{
    uint64_t control = DR7_EXACT;

    KASSERT(n <= WATCH_MAX && (uintptr_t)words % sizeof(uint64_t) == 0, "%u words at %p", n, words);
    watch_off();
    watcher = fn;
    call_watcher = NULL;
    trap_ops.debug = hit;
    for (unsigned i = 0; i < n; i++) {
        set_address(i, (uintptr_t)words + i * sizeof(uint64_t));
        control |= DR7_GLOBAL(i) | DR7_KIND(i, kind) | DR7_EIGHT(i);
    }
    __asm__ volatile("mov %0, %%dr7" ::"r"(control) : "memory");
}

void watch_calls(const vaddr_t functions[], unsigned n,
                 void (*fn)(unsigned i, const uint64_t args[WATCH_ARGS]))
{
    uint64_t control = DR7_EXACT;

    KASSERT(n <= WATCH_MAX, "%u functions", n);
    watch_off();
    call_watcher = fn;
    trap_ops.debug = hit;
    for (unsigned i = 0; i < n; i++) {
        set_address(i, functions[i]);
        control |= DR7_GLOBAL(i); // kind and length 0: what runs there
    }
    __asm__ volatile("mov %0, %%dr7" ::"r"(control) : "memory");
}

void watch_answer(uint64_t answer)
{
    answered = true;
    its_answer = answer;
}

void watch_off(void)
{
    __asm__ volatile("mov %0, %%dr7" ::"r"(DR7_EXACT) : "memory");
}

const char *watch_function_at(vaddr_t rip)
{
    struct ksym sym;

    return ksyms_find(rip - 1, &sym) ? sym.function : "an unknown function";
}
