// SPDX-License-Identifier: BSD-2-Clause
//
// Self-checks and fault injection by way of /proc.
#include "amd64/smp.h"
#include "dev/blk.h"
#include "dev/judge.h"
#include "fs/file_lock.h"
#include "fs/procfs.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "main/files.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/pv.h"
#include "proc/thread.h"
#include "sync/jitter.h"
#include "vm/amap.h"
#include "vm/kmem.h"
#include "vm/pageout.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

// ---- checks ----

static unsigned check_pools(struct strbuf *out)
{
    return pool_check(NULL, out);
}

static void check_all(void *arg)
{
    unsigned (*const checks[])(struct strbuf *) = {page_check, check_pools,    pv_check,
                                                   pmap_check, map_check,      amap_check,
                                                   slab_check, file_lock_check};
    struct strbuf *out = arg;
    unsigned faults = 0;

    for (unsigned i = 0; i < array_len(checks); i++)
        faults += checks[i](out);
    strbuf_printf(out, faults ? "%u faults\n" : "ok\n", faults);
}

// What is found wrong is wrong: all checks see one state, in which no spinlock is held, and leave
// out what a sleeping lock guards while somebody holds it.
static int show_check(int pid UNUSED, struct strbuf *out)
{
    smp_alone(check_all, out);
    return 0;
}

// ---- giving memory back ----

static int store_reclaim(int pid UNUSED, const char *text)
{
    thread_reap(true);
    kmem_drain();
    pageout_pass(strtou64(text, NULL, 0));
    pool_reclaim_all();
    return 0;
}

static int show_nothing(int pid UNUSED, struct strbuf *out UNUSED)
{
    return 0;
}

// ---- words of a control's text ----

// Takes the next blank-separated word off *text; false if there is none or it does not fit.
static bool next_word(const char **text, char *word, size_t size)
{
    size_t n = 0;

    while (**text == ' ' || **text == '\n')
        ++*text;
    for (; **text && **text != ' ' && **text != '\n'; ++*text) {
        if (n + 1 >= size)
            return false;
        word[n++] = **text;
    }
    word[n] = '\0';
    return n > 0;
}

static bool next_number(const char **text, uint64_t *value)
{
    char word[24];

    return next_word(text, word, sizeof(word)) && parse_number(word, value);
}

// ---- jitter ----

static int show_jitter(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "%u\n", jitter_one_in);
    return 0;
}

static int store_jitter(int pid UNUSED, const char *text)
{
    uint64_t one_in, seed = 1;

    if (!next_number(&text, &one_in) || one_in > UINT32_MAX)
        return EINVAL;
    next_number(&text, &seed);
    jitter_init(seed, (unsigned)one_in);
    return 0;
}

// ---- disk faults ----

static const struct {
    const char *name;
    size_t at; // in struct blk_inject
} injections[] = {{"fail_read", offsetof(struct blk_inject, fail_read)},
                  {"fail_write", offsetof(struct blk_inject, fail_write)},
                  {"fail_flush", offsetof(struct blk_inject, fail_flush)},
                  {"fail_all", offsetof(struct blk_inject, fail_all)},
                  {"hold", offsetof(struct blk_inject, hold)}};

static uint64_t *injection(struct blk_inject *in, unsigned i)
{
    return (uint64_t *)((char *)in + injections[i].at);
}

static int show_inject(int pid UNUSED, struct strbuf *out)
{
    struct blk_inject in;
    struct blk *disk;

    for (unsigned n = 0; (disk = blk_disk(n)); n++) {
        blk_get_inject(disk, &in);
        for (unsigned i = 0; i < array_len(injections); i++)
            strbuf_printf(out, "%u %s %lu\n", n, injections[i].name, *injection(&in, i));
    }
    return 0;
}

static int store_inject(int pid UNUSED, const char *text)
{
    struct blk_inject in;
    uint64_t n, value;
    char what[16];

    if (!next_number(&text, &n) || !next_word(&text, what, sizeof(what)) ||
        !next_number(&text, &value))
        return EINVAL;
    struct blk *disk = n < BLK_MAX_DISKS ? blk_disk((unsigned)n) : NULL;
    if (!disk)
        return ENODEV;
    for (unsigned i = 0; i < array_len(injections); i++) {
        if (strcmp(what, injections[i].name) != 0)
            continue;
        blk_get_inject(disk, &in);
        *injection(&in, i) = value;
        blk_set_inject(disk, &in);
        return 0;
    }
    return EINVAL;
}

// ---- points for a judge outside ----

static int show_judge(int pid UNUSED, struct strbuf *out)
{
    strbuf_printf(out, "write a point's name\n");
    return 0;
}

static int store_judge(int pid UNUSED, const char *text)
{
    int len = (int)strlen(text);

    if (len && text[len - 1] == '\n')
        len--;
    judge_point("%.*s", len, text);
    return 0;
}

void controls_init(void)
{
    procfs_register("vm/check", show_check, NULL);
    procfs_register("vm/reclaim", show_nothing, store_reclaim);
    procfs_register("vm/jitter", show_jitter, store_jitter);
    procfs_register("vm/inject", show_inject, store_inject);
    procfs_register("judge", show_judge, store_judge);
}
