// SPDX-License-Identifier: BSD-2-Clause
//
// Self-checks and fault injection by way of /proc/vm.
#include "main/vm_controls.h"

#include "amd64/smp.h"
#include "dev/blk.h"
#include "fs/file_lock.h"
#include "fs/procfs.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
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
static int show_check(int pid, struct strbuf *out)
{
    (void)pid;
    smp_alone(check_all, out);
    return 0;
}

// ---- giving memory back ----

static int store_reclaim(int pid, const char *text)
{
    (void)pid;
    thread_reap(true);
    kmem_drain();
    pageout_pass(strtou64(text, NULL, 0));
    pool_reclaim_all();
    return 0;
}

static int show_nothing(int pid, struct strbuf *out)
{
    (void)pid;
    (void)out;
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
    const char *end;
    char word[24];

    if (!next_word(text, word, sizeof(word)))
        return false;
    *value = strtou64(word, &end, 0);
    return end != word && *end == '\0';
}

// ---- jitter ----

static int show_jitter(int pid, struct strbuf *out)
{
    (void)pid;
    strbuf_printf(out, "%u\n", jitter_one_in);
    return 0;
}

static int store_jitter(int pid, const char *text)
{
    uint64_t one_in, seed = 1;

    (void)pid;
    if (!next_number(&text, &one_in) || one_in > UINT32_MAX)
        return EINVAL;
    next_number(&text, &seed);
    jitter_init(seed, (unsigned)one_in);
    return 0;
}

// ---- disk faults ----

static int show_inject(int pid, struct strbuf *out)
{
    struct blk_inject in;
    struct blk *disk;

    (void)pid;
    for (unsigned n = 0; (disk = blk_disk(n)); n++) {
        blk_get_inject(disk, &in);
        strbuf_printf(out, "%u fail_read %lu\n%u fail_write %lu\n%u fail_flush %lu\n", n,
                      in.fail_read, n, in.fail_write, n, in.fail_flush);
        strbuf_printf(out, "%u fail_all %u\n%u hold %u\n", n, in.fail_all, n, in.hold);
    }
    return 0;
}

static int set_injection(struct blk_inject *in, const char *what, uint64_t value)
{
    if (strcmp(what, "fail_read") == 0)
        in->fail_read = value;
    else if (strcmp(what, "fail_write") == 0)
        in->fail_write = value;
    else if (strcmp(what, "fail_flush") == 0)
        in->fail_flush = value;
    else if (strcmp(what, "fail_all") == 0)
        in->fail_all = value;
    else if (strcmp(what, "hold") == 0)
        in->hold = value;
    else
        return EINVAL;
    return 0;
}

static int store_inject(int pid, const char *text)
{
    struct blk_inject in;
    uint64_t n, value;
    char what[16];

    (void)pid;
    if (!next_number(&text, &n) || !next_word(&text, what, sizeof(what)) ||
        !next_number(&text, &value))
        return EINVAL;
    struct blk *disk = n < BLK_MAX_DISKS ? blk_disk((unsigned)n) : NULL;
    if (!disk)
        return ENODEV;
    blk_get_inject(disk, &in);
    int err = set_injection(&in, what, value);
    if (!err)
        blk_set_inject(disk, &in);
    return err;
}

void vm_controls_init(void)
{
    procfs_register("vm/check", show_check, NULL);
    procfs_register("vm/reclaim", show_nothing, store_reclaim);
    procfs_register("vm/jitter", show_jitter, store_jitter);
    procfs_register("vm/inject", show_inject, store_inject);
}
