// SPDX-License-Identifier: BSD-2-Clause
//
// Seeded preemption. Each CPU has a generator of its own, which only threads on it draw from, with
// no lock: a CPU does not change threads inside jitter_draw before the draw is done.
#include "lib/rng.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/kctx.h"

unsigned jitter_one_in;
bool jitter_turns;
void (*jitter_yield)(void);
static struct rng generator[MAX_CPUS];

void jitter_init(uint64_t seed, unsigned one_in)
{
    struct rng seeder = {.state = seed};

    for (unsigned i = 0; i < MAX_CPUS; i++)
        generator[i].state = rng_next(&seeder);
    jitter_one_in = one_in;
}

// May the running thread lose the CPU here?
static bool may_yield(void)
{
    const struct percpu *cpu = this_cpu();

    return jitter_yield && !cpu->kctx->nosleep && !cpu->kctx->no_jitter && !cpu->irq_off_depth &&
           !cpu->in_interrupt && irq_enabled();
}

void jitter_draw(void)
{
    struct kctx *ctx = kctx_current();
    bool yield = may_yield();

    if (!yield && !jitter_turns)
        return;
    if (rng_below(&generator[this_cpu()->id], jitter_one_in) != 0)
        return;
    if (!yield) {
        cpu_relax();
        return;
    }
    ctx->no_jitter++;
    jitter_yield();
    ctx->no_jitter--;
}
