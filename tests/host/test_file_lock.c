// SPDX-License-Identifier: BSD-2-Clause
//
// File locks against a model that has, for each owner, a type for each byte: random operations,
// with allocations that fail; then waiting: order, deadlocks, signals, and threads that trust
// their locks.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c
// link: kernel/mem/*.c kernel/lib/rbtree.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "fs/file_lock.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "sync/jitter.h"
#include "tests/host/lib/vfs_machine.h"

#define OWNERS 8u  // by kind: four POSIX, two OFD, two flock
#define BYTES  48u // the last one stands for all to the end
#define STEPS  60000u
#define NONE   F_UNLCK

static struct vnode *file;
static char owners[OWNERS]; // their addresses are the owners
static uint8_t model[OWNERS][BYTES];
static struct rng rng;

static uint8_t kind_of(unsigned owner)
{
    return owner < 4 ? FILE_LOCK_POSIX : owner < 6 ? FILE_LOCK_OFD : FILE_LOCK_FLOCK;
}

static struct file_lock wish(unsigned owner, uint8_t type, unsigned first, unsigned last)
{
    return (struct file_lock){
        .vnode = file,
        .owner = &owners[owner],
        .start = first,
        .end = last >= BYTES - 1 ? FILE_LOCK_END : last,
        .pid = (int)owner + 100,
        .kind = kind_of(owner),
        .type = type,
    };
}

static int set(unsigned owner, uint8_t type, unsigned first, unsigned last, bool wait)
{
    const struct file_lock want = wish(owner, type, first, last);

    return file_lock_set(&want, wait);
}

static void check(void)
{
    char text[1024];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    CHECK(file_lock_check(&out) == 0, "%s", text);
}

// ---- the model ----

static bool model_conflict(unsigned owner, uint8_t type, unsigned first, unsigned last)
{
    bool flock = kind_of(owner) == FILE_LOCK_FLOCK;

    for (unsigned o = 0; o < OWNERS; o++) {
        if (o == owner || (kind_of(o) == FILE_LOCK_FLOCK) != flock)
            continue;
        for (unsigned i = first; i <= last; i++)
            if (type != NONE && model[o][i] != NONE && (type == F_WRLCK || model[o][i] == F_WRLCK))
                return true;
    }
    return false;
}

// Runs of equal bytes: as many records as there must be.
static unsigned model_runs(unsigned owner)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BYTES; i++)
        n += model[owner][i] != NONE && (i == 0 || model[owner][i] != model[owner][i - 1]);
    return n;
}

static void compare(void)
{
    uint8_t found[OWNERS][BYTES];
    unsigned runs[OWNERS] = {0};
    const struct file_lock *before = NULL;

    memset(found, NONE, sizeof(found));
    list_for_each (l, &file->locks, struct file_lock, link) {
        unsigned o = (unsigned)((const char *)l->owner - owners);
        CHECK(o < OWNERS && l->kind == kind_of(o) && l->pid == (int)o + 100, "owner %u", o);
        CHECK(runs[o] == 0 || (before->owner == l->owner && before->end < l->start),
              "owner %u's locks do not stand together in order", o);
        runs[o]++;
        before = l;
        for (unsigned i = 0; i < BYTES; i++)
            if ((off_t)i >= l->start && (off_t)i <= l->end)
                found[o][i] = l->type;
    }
    CHECK(memcmp(found, model, sizeof(model)) == 0, "the locks are not the model's");
    for (unsigned o = 0; o < OWNERS; o++)
        CHECK(runs[o] == model_runs(o), "owner %u: %u records for %u runs", o, runs[o],
              model_runs(o));
}

// What is said to be in the way is; and the first such one of its owner.
static void compare_get(unsigned owner, uint8_t type, unsigned first, unsigned last)
{
    struct file_lock got = wish(owner, type, first, last);

    file_lock_get(&got);
    CHECK((got.type != NONE) == model_conflict(owner, type, first, last), "obstacle of %u", owner);
    if (got.type == NONE)
        return;
    unsigned o = (unsigned)((const char *)got.owner - owners);
    unsigned at = max((unsigned)got.start, first);
    CHECK(o != owner && at <= last && model[o][at] == got.type, "owner %u, byte %u", o, at);
    for (unsigned i = first; i < at; i++)
        CHECK(model[o][i] == NONE || (model[o][i] == F_RDLCK && type == F_RDLCK), "byte %u", i);
}

// A change of whole locks needs no record; nor does one that only extends or shortens.
static bool may_need_record(unsigned owner, uint8_t type, unsigned first, unsigned last)
{
    uint8_t old[BYTES];
    unsigned before = model_runs(owner);

    memcpy(old, model[owner], sizeof(old));
    memset(&model[owner][first], type, last - first + 1);
    unsigned after = model_runs(owner);
    memcpy(model[owner], old, sizeof(old));
    return after > before;
}

static void step(void)
{
    unsigned owner = (unsigned)rng_below(&rng, OWNERS);
    unsigned first = (unsigned)rng_below(&rng, BYTES), last = first;
    uint8_t type = (uint8_t)rng_below(&rng, 3);
    bool flock = kind_of(owner) == FILE_LOCK_FLOCK, failing = rng_below(&rng, 3) == 0;

    last += (unsigned)rng_below(&rng, rng_below(&rng, 4) ? 4 : BYTES);
    last = min(last, BYTES - 1);
    if (flock || rng_below(&rng, 16) == 0) {
        first = 0;
        last = BYTES - 1;
    }
    if (rng_below(&rng, 24) == 0) {
        fail_nth(1);
        file_lock_release(file, &owners[owner]);
        fail_nth(0);
        memset(model[owner], NONE, BYTES);
        return;
    }
    if (type != NONE)
        compare_get(owner, type, first, last);
    if (flock && model[owner][0] != type)
        memset(model[owner], NONE, BYTES);
    bool blocked = model_conflict(owner, type, first, last);
    bool needs = may_need_record(owner, type, first, last);
    if (failing)
        fail_nth(1 + rng_below(&rng, 2));
    int err = set(owner, type, first, last, false);
    fail_nth(0);
    if (blocked)
        CHECK(err == EAGAIN, "%d, not EAGAIN", err);
    else
        CHECK(err == 0 || (err == ENOLCK && failing && needs), "owner %u type %u %u-%u: %d", owner,
              type, first, last, err);
    if (!err)
        memset(&model[owner][first], type, last - first + 1);
}

static void release_all(void)
{
    for (unsigned o = 0; o < OWNERS; o++)
        file_lock_release(file, &owners[o]);
    CHECK(!file_lock_any(file), "locks are left");
    check();
}

static void test_random(void)
{
    memset(model, NONE, sizeof(model));
    rng.state = shim_seed;
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        compare();
        if (i % 64 == 0)
            check();
    }
    release_all();
}

static void test_limit(void)
{
    unsigned long n = 0;

    while (set(0, F_RDLCK, 0, 0, false) == 0) {
        struct file_lock l = wish(0, F_WRLCK, 0, 0);
        l.start = l.end = (off_t)n * 2;
        if (file_lock_set(&l, false) != 0)
            break;
        n++;
    }
    CHECK(n > FILE_LOCKS_MAX / 2 && n <= FILE_LOCKS_MAX, "%lu locks", n);
    CHECK(set(1, F_WRLCK, 5, 5, false) == ENOLCK, "one too many");
    CHECK(set(0, F_UNLCK, 0, BYTES - 1, false) == 0, "unlock");
    CHECK(!file_lock_any(file), "locks are left");
    release_all();
}

// ---- waiting ----

struct sleeper {
    unsigned owner;
    uint8_t type;
    unsigned first, last;
    int result; // -1: it still waits
    struct shim_thread *thread;
};

static void sleeper_main(void *arg)
{
    struct sleeper *s = arg;
    int err = set(s->owner, s->type, s->first, s->last, true);

    __atomic_store_n(&s->result, err, __ATOMIC_RELEASE);
}

static void start(struct sleeper *s, unsigned owner, uint8_t type, unsigned first, unsigned last)
{
    *s = (struct sleeper){.owner = owner, .type = type, .first = first, .last = last, .result = -1};
    s->thread = shim_spawn("sleeper", sleeper_main, s);
    shim_wait_blocked(s->thread);
    check();
}

static void ends_with(struct sleeper *s, int result)
{
    shim_join(s->thread);
    CHECK(s->result == result, "owner %u: %d, not %d", s->owner, s->result, result);
    check();
}

// Who gives up a lock cannot have it back before those that wait: the first one has it already.
static void test_in_turn(void)
{
    struct sleeper s[3];

    CHECK(set(0, F_WRLCK, 0, 9, false) == 0, "first");
    for (unsigned i = 0; i < 3; i++)
        start(&s[i], i + 1, F_WRLCK, i, 9);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(set(i, F_UNLCK, 0, 20, false) == 0, "unlock");
        CHECK(set(i, F_WRLCK, 9, 9, false) == EAGAIN, "overtaken");
        ends_with(&s[i], 0);
    }
    release_all();
}

// Several readers get it at once, a conversion lets others in.
static void test_readers(void)
{
    struct sleeper s[3];

    CHECK(set(0, F_WRLCK, 0, 9, false) == 0, "first");
    start(&s[0], 1, F_RDLCK, 0, 3);
    start(&s[1], 2, F_WRLCK, 2, 3);
    start(&s[2], 4, F_RDLCK, 3, 9);
    CHECK(set(0, F_RDLCK, 0, 9, false) == 0, "downgrade");
    ends_with(&s[0], 0);
    ends_with(&s[2], 0);
    CHECK(s[1].result == -1, "a writer beside readers");
    file_lock_release(file, &owners[0]);
    file_lock_release(file, &owners[1]);
    CHECK(set(4, F_UNLCK, 0, 5, false) == 0, "unlock");
    ends_with(&s[1], 0);
    release_all();
}

static void test_deadlock(void)
{
    struct sleeper s[3];

    for (unsigned n = 2; n <= 4; n++) {
        for (unsigned i = 0; i < n; i++)
            CHECK(set(i, F_WRLCK, i, i, false) == 0, "first");
        for (unsigned i = 0; i + 1 < n; i++)
            start(&s[i], i, F_WRLCK, i + 1, i + 1);
        CHECK(set(n - 1, F_WRLCK, 0, 0, true) == EDEADLK, "a circle of %u", n);
        file_lock_release(file, &owners[n - 1]);
        for (unsigned i = n - 1; i-- > 0;) {
            ends_with(&s[i], 0);
            file_lock_release(file, &owners[i]);
        }
    }
    release_all();
}

// The circle is behind a second obstacle, which is found when the first one goes.
static void test_late_deadlock(void)
{
    struct sleeper s[2];

    CHECK(set(0, F_RDLCK, 0, 0, false) == 0, "first");
    CHECK(set(1, F_RDLCK, 0, 0, false) == 0, "second");
    CHECK(set(2, F_WRLCK, 5, 5, false) == 0, "third");
    start(&s[0], 1, F_WRLCK, 5, 5);
    start(&s[1], 2, F_WRLCK, 0, 0);
    file_lock_release(file, &owners[0]);
    ends_with(&s[1], EDEADLK);
    file_lock_release(file, &owners[2]);
    ends_with(&s[0], 0);
    release_all();
}

static void test_signal(void)
{
    struct sleeper s;

    CHECK(set(0, F_WRLCK, 0, 9, false) == 0, "first");
    start(&s, 4, F_WRLCK, 0, 0);
    shim_signal(s.thread, SHIM_SIGNAL);
    ends_with(&s, EINTR);
    release_all();
}

// ---- threads that trust their locks ----

#define THREADS 4u
#define ROUNDS  1500u

static unsigned writers[BYTES], readers[BYTES], refused; // atomic

static void enter(uint8_t type, unsigned first, unsigned last, int by)
{
    for (unsigned i = first; i <= last; i++) {
        unsigned *n = type == F_WRLCK ? &writers[i] : &readers[i];
        unsigned now = __atomic_add_fetch(n, (unsigned)by, __ATOMIC_SEQ_CST);
        unsigned w = __atomic_load_n(&writers[i], __ATOMIC_SEQ_CST);
        unsigned r = __atomic_load_n(&readers[i], __ATOMIC_SEQ_CST);
        if (by > 0)
            CHECK(type == F_WRLCK ? now == 1 && r == 0 : w == 0, "byte %u: %u %u", i, w, r);
    }
}

static void work(void *arg)
{
    unsigned owner = (unsigned)(uintptr_t)arg;
    struct rng r = {shim_seed + owner};

    for (unsigned n = 0; n < ROUNDS; n++) {
        unsigned a = (unsigned)rng_below(&r, 20), b = a + (unsigned)rng_below(&r, 8);
        unsigned c = (unsigned)rng_below(&r, 20), d = c + (unsigned)rng_below(&r, 8);
        uint8_t first = (uint8_t)rng_below(&r, 2), second = (uint8_t)rng_below(&r, 2);
        int err = set(owner, first, a, b, true);
        CHECK(err == 0 || err == EDEADLK, "lock: %d", err);
        if (err)
            continue;
        enter(first, a, b, 1);
        enter(first, a, b, -1);
        err = set(owner, second, c, d, true);
        CHECK(err == 0 || err == EDEADLK, "lock: %d", err);
        if (!err) {
            enter(second, c, d, 1);
            enter(second, c, d, -1);
        } else {
            __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
        }
        if (n % 2)
            file_lock_release(file, &owners[owner]);
        else
            CHECK(set(owner, F_UNLCK, 0, BYTES - 1, false) == 0, "unlock");
        if (n % 64 == 0)
            check();
    }
}

static void test_threads(void)
{
    jitter_init(shim_seed, 8);
    shim_run_threads(THREADS, work); // POSIX owners: without EDEADLK they would hang
    jitter_init(0, 0);
    CHECK(refused > 0, "no circle ever: the test does not test");
    release_all();
}

int main(int argc, char **argv)
{
    struct file *f;

    shim_main(argc, argv);
    shim_watchdog(300);
    vfs_start(3000, 1000, 8);
    file_lock_init();
    CHECK(vopen("/f", O_CREAT | O_RDWR, &f) == 0, "open");
    file = f->vnode;
    RUN(test_random);
    RUN(test_limit);
    RUN(test_in_turn);
    RUN(test_readers);
    RUN(test_deadlock);
    RUN(test_late_deadlock);
    RUN(test_signal);
    RUN(test_threads);
    file_unref(f);
    machine_check();
    return shim_done();
}
