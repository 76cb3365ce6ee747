// SPDX-License-Identifier: BSD-2-Clause
//
// Descriptor tables against a model: random operations on a few tables that share a few files, with
// allocations that fail now and then; references are counted to the end.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c kernel/fs/fdtable.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c
// link: kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vfs_machine.h"

#define TABLES 4u
#define FILES  8u
#define STEPS  20000u

struct model {
    struct fdtable *t; // NULL: no such table
    unsigned nrefs;
    struct {
        struct file *f; // NULL: not open
        bool cloexec;
    } fd[OPEN_MAX];
};

static struct model models[TABLES];
static struct file *files[FILES]; // the test holds one reference to each
static struct rng rng;
static bool failing; // an allocation of this step may fail

static unsigned uses(const struct file *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TABLES; i++)
        for (unsigned fd = 0; models[i].t && fd < OPEN_MAX; fd++)
            n += models[i].fd[fd].f == f;
    return n;
}

static void check_model(struct model *m)
{
    bool cloexec;

    for (int fd = 0, next = -1; fd < OPEN_MAX; fd++) {
        struct file *f = fdtable_get(m->t, fd);
        CHECK(f == m->fd[fd].f, "descriptor %d", fd);
        if (next < fd)
            next = fdtable_next(m->t, fd);
        CHECK(f ? next == fd : next != fd, "descriptor %d, next %d", fd, next);
        int err = fdtable_get_cloexec(m->t, fd, &cloexec);
        CHECK(f ? err == 0 && cloexec == m->fd[fd].cloexec : err == EBADF, "descriptor %d", fd);
        if (f)
            file_unref(f);
    }
}

static void check_all(void)
{
    for (unsigned i = 0; i < TABLES; i++)
        if (models[i].t)
            check_model(&models[i]);
    for (unsigned i = 0; i < FILES; i++)
        CHECK(files[i]->nrefs == 1 + uses(files[i]), "file %u has %u references", i,
              files[i]->nrefs);
}

// A descriptor: mostly small, so that some are open; now and then none that can be.
static int random_fd(void)
{
    switch (rng_below(&rng, 8)) {
    case 0:
        return (int)rng_below(&rng, OPEN_MAX + 2) - 1;
    case 1:
        return OPEN_MAX - 1 - (int)rng_below(&rng, 3);
    default:
        return (int)rng_below(&rng, 48);
    }
}

static bool allowed(int err, int expected)
{
    return err == expected || (failing && err == ENOMEM);
}

static void install(struct model *m, struct file *f, bool cloexec)
{
    int min_fd = random_fd(), want = max(min_fd, 0), fd = -1;
    int limit = rng_below(&rng, 4) ? OPEN_MAX + (int)rng_below(&rng, 2) : (int)rng_below(&rng, 48);

    while (want < OPEN_MAX && m->fd[want].f)
        want++;
    int expected = min_fd < 0 || min_fd >= OPEN_MAX    ? EINVAL
                   : want == OPEN_MAX || want >= limit ? EMFILE
                                                       : 0;
    file_ref(f);
    int err = fdtable_install(m->t, f, min_fd, (uint64_t)limit, cloexec, &fd);
    CHECK(allowed(err, expected), "install from %d: %d, not %d", min_fd, err, expected);
    if (err) {
        file_unref(f);
        return;
    }
    CHECK(fd == want, "descriptor %d, not %d", fd, want);
    m->fd[fd].f = f;
    m->fd[fd].cloexec = cloexec;
}

static void install_at(struct model *m, struct file *f, bool cloexec)
{
    int fd = random_fd();

    file_ref(f);
    int err = fdtable_install_at(m->t, f, fd, cloexec);
    CHECK(allowed(err, fd < 0 || fd >= OPEN_MAX ? EBADF : 0), "install at %d: %d", fd, err);
    if (err) {
        file_unref(f);
        return;
    }
    m->fd[fd].f = f;
    m->fd[fd].cloexec = cloexec;
}

static void close_one(struct model *m)
{
    int fd = random_fd();
    bool open = fd >= 0 && fd < OPEN_MAX && m->fd[fd].f;

    CHECK(fdtable_close(m->t, fd) == (open ? 0 : EBADF), "close %d", fd);
    if (open)
        m->fd[fd].f = NULL;
}

static void set_cloexec(struct model *m, bool cloexec)
{
    int fd = random_fd();
    bool open = fd >= 0 && fd < OPEN_MAX && m->fd[fd].f;

    CHECK(fdtable_set_cloexec(m->t, fd, cloexec) == (open ? 0 : EBADF), "cloexec of %d", fd);
    if (open)
        m->fd[fd].cloexec = cloexec;
}

static void exec(struct model *m)
{
    fdtable_close_on_exec(m->t);
    for (int fd = 0; fd < OPEN_MAX; fd++)
        if (m->fd[fd].cloexec)
            m->fd[fd].f = NULL, m->fd[fd].cloexec = false;
}

static void fork_or_end(struct model *m, struct model *other)
{
    if (!other->t) {
        int err = fdtable_copy(m->t, &other->t);
        CHECK(allowed(err, 0), "copy: %d", err);
        if (err) {
            other->t = NULL;
            return;
        }
        memcpy(other->fd, m->fd, sizeof(m->fd));
        other->nrefs = 1;
    } else if (other != m && rng_below(&rng, 2)) {
        fdtable_ref(other->t);
        other->nrefs++;
    } else if (other != m) {
        fdtable_unref(other->t);
        if (--other->nrefs == 0)
            other->t = NULL;
    }
}

static void step(struct model *m)
{
    struct file *f = files[rng_below(&rng, FILES)];
    bool cloexec = rng_below(&rng, 3) == 0;

    switch (rng_below(&rng, 16)) {
    case 0 ... 4:
        install(m, f, cloexec);
        break;
    case 5 ... 7:
        install_at(m, f, cloexec);
        break;
    case 8 ... 12:
        close_one(m);
        break;
    case 13:
        set_cloexec(m, cloexec);
        break;
    case 14:
        if (rng_below(&rng, 20) == 0)
            exec(m);
        break;
    default:
        fork_or_end(m, &models[1 + rng_below(&rng, TABLES - 1)]); // the first one stays
    }
}

static void test_random(void)
{
    rng = (struct rng){shim_seed};
    CHECK(fdtable_create(&models[0].t) == 0, "create");
    models[0].nrefs = 1;
    for (unsigned i = 0; i < STEPS; i++) {
        struct model *m = &models[rng_below(&rng, TABLES)];
        failing = rng_below(&rng, 10) == 0;
        fail_nth(failing ? 1 + rng_below(&rng, 2) : 0);
        step(m->t ? m : &models[0]);
        fail_nth(0);
        if (i % 64 == 0)
            check_all();
    }
    check_all();
    for (unsigned i = 0; i < TABLES; i++)
        for (; models[i].t && models[i].nrefs; models[i].nrefs--)
            fdtable_unref(models[i].t);
    memset(models, 0, sizeof(models));
    check_all();
}

// The table fills up to its last descriptor, and every one can be had again.
static void test_full(void)
{
    struct model *m = &models[0];
    int fd;

    CHECK(fdtable_create(&m->t) == 0, "create");
    m->nrefs = 1;
    for (int i = 0; i < OPEN_MAX; i++) {
        file_ref(files[0]);
        CHECK(fdtable_install(m->t, files[0], 0, OPEN_MAX, false, &fd) == 0 && fd == i,
              "descriptor %d", fd);
        m->fd[i].f = files[0];
    }
    CHECK(fdtable_install(m->t, files[0], 0, OPEN_MAX, false, &fd) == EMFILE, "one too many");
    CHECK(fdtable_close(m->t, 500) == 0, "close");
    file_ref(files[1]);
    CHECK(fdtable_install(m->t, files[1], 3, OPEN_MAX, false, &fd) == 0 && fd == 500,
          "descriptor %d", fd);
    m->fd[500].f = files[1];
    check_all();
    fdtable_unref(m->t);
    memset(models, 0, sizeof(models));
    check_all();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(120);
    vfs_start(3000, 1000, 8);
    fdtable_init();
    for (unsigned i = 0; i < FILES; i++) {
        vnode_ref(root_vnode);
        files[i] = file_alloc(root_vnode, O_RDONLY);
        CHECK(files[i], "no memory");
    }
    RUN(test_random);
    RUN(test_full);
    for (unsigned i = 0; i < FILES; i++)
        file_unref(files[i]);
    machine_check();
    return shim_done();
}
