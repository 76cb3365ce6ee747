// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of pipes: what they hold, what poll sees, bad memory, signals, records of several writers
// that must stay whole though their memory faults, and each allocation failing once.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c kernel/fs/pipe*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c
// link: kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "sync/waitq.h"
#include "tests/host/lib/vfs_machine.h"
#include "vm/vm_loan.h"
#include "vm/vm_space.h"

#define RECORD  200ul // bytes that stay together
#define WRITERS 3u
#define RECORDS 400u

static struct file *rd, *wr;

static int put(struct file *f, size_t offset, size_t n, size_t *moved)
{
    struct uio_vec vec = {USER_BASE + offset, n};
    return file_transfer(f, &vec, 1, NULL, true, moved);
}

static int take(struct file *f, size_t offset, size_t n, size_t *moved)
{
    struct uio_vec vec = {USER_BASE + offset, n};
    return file_transfer(f, &vec, 1, NULL, false, moved);
}

static void begin(unsigned flags)
{
    user_begin();
    CHECK(pipe_create(flags, &rd, &wr) == 0, "pipe");
}

static void end(void)
{
    if (rd)
        file_unref(rd);
    if (wr)
        file_unref(wr);
    rd = wr = NULL;
    user_end();
    machine_check();
}

// All that the ring holds, states that poll sees, both ends closed.
static void test_states(void)
{
    size_t moved, total = 0;

    begin(O_NONBLOCK);
    CHECK(take(rd, 0, 10, &moved) == EAGAIN && file_poll(rd, NULL) == 0, "empty");
    CHECK(put(rd, 0, 1, &moved) == EBADF && take(wr, 0, 1, &moved) == EBADF, "the wrong end");
    while (put(wr, 0, 3000, &moved) == 0)
        total += moved;
    CHECK(total > 65536 - 3000 && total <= 65536, "it holds %zu bytes", total);
    CHECK(!(file_poll(wr, NULL) & POLLOUT) && file_poll(rd, NULL) == POLLIN, "full");
    while (total > 0) {
        CHECK(take(rd, 0, 5000, &moved) == 0 && moved > 0, "read");
        total -= moved;
    }
    CHECK(file_poll(wr, NULL) == POLLOUT, "empty again");
    CHECK(put(wr, 0, 5, &moved) == 0, "write");
    file_unref(wr);
    wr = NULL;
    CHECK(file_poll(rd, NULL) == (POLLIN | POLLHUP), "poll %u", file_poll(rd, NULL));
    CHECK(take(rd, 0, 9, &moved) == 0 && moved == 5, "%zu", moved);
    CHECK(take(rd, 0, 9, &moved) == 0 && moved == 0, "no end of file");
    end();
    begin(0);
    file_unref(rd);
    rd = NULL;
    CHECK(put(wr, 0, 1, &moved) == EPIPE && (file_poll(wr, NULL) & POLLERR), "no reader");
    CHECK(put(wr, 0, 0, &moved) == 0, "writing nothing");
    end();
}

static void test_bad_memory(void)
{
    size_t moved, edge = USER_PAGES * PAGE_SIZE - 10;

    begin(O_NONBLOCK);
    CHECK(put(wr, edge + 10, 5, &moved) == EFAULT, "write");
    CHECK(put(wr, edge, 20, &moved) == 0 && moved == 10, "%zu bytes", moved);
    CHECK(take(rd, edge + 10, 5, &moved) == EFAULT, "read");
    CHECK(take(rd, edge, 20, &moved) == 0 && moved == 10, "%zu bytes", moved);
    end();
}

// Opening a pipe again, as through /proc, counts; so does its close.
static void test_reopen(void)
{
    struct vnode *v;
    size_t moved;

    begin(O_NONBLOCK);
    v = rd->vnode;
    CHECK(v->ops->open(v, O_RDWR) == 0, "open");
    v->ops->close(v, O_RDWR);
    CHECK(put(wr, 0, 3, &moved) == 0 && take(rd, 0, 9, &moved) == 0 && moved == 3, "broken");
    CHECK(take(rd, 0, 9, &moved) == EAGAIN, "a writer is still there");
    end();
}

// The pipe asks for a large writer's pages; this form lends none, and the bytes are copied.
static struct vm_map *my_map(void)
{
    return &user_space()->map;
}

static void test_not_lent(void)
{
    static uint8_t data[16 * PAGE_SIZE], got[16 * PAGE_SIZE];
    struct vm_page *pages[16];
    struct vm_loan_stats before, after;
    unsigned npages = 16;
    size_t moved;

    begin(O_NONBLOCK);
    vm_loan_map = my_map;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + (i >> 12));
    user_fill(0, data, sizeof(data));
    CHECK(vm_loan(USER_BASE, pages, &npages) == EOPNOTSUPP, "a page is lent");
    vm_loan_get_stats(&before);
    CHECK(put(wr, 0, sizeof(data), &moved) == 0 && moved == sizeof(data), "%zu bytes", moved);
    vm_loan_get_stats(&after);
    CHECK(after.asked == before.asked + 1 && after.refused == after.asked && !after.lent,
          "asked %lu times, refused %lu times", after.asked - before.asked, after.refused);
    user_evict();
    CHECK(take(rd, 0, sizeof(data), &moved) == 0 && moved == sizeof(data), "%zu bytes", moved);
    user_fetch(0, got, sizeof(got));
    CHECK(memcmp(data, got, sizeof(data)) == 0, "other bytes");
    CHECK(put(wr, 0, 3 * PAGE_SIZE, &moved) == 0 && put(wr, 8, 4 * PAGE_SIZE, &moved) == 0, "put");
    vm_loan_get_stats(&before);
    CHECK(before.asked == after.asked, "asked for few pages, or for parts");
    vm_loan_map = NULL;
    end();
}

static void read_one(void *result)
{
    size_t moved;

    user_begin();
    *(int *)result = take(rd, 0, 1, &moved);
    user_end();
}

static void test_signal(void)
{
    int result = 0;

    begin(0);
    struct shim_thread *t = shim_spawn("reader", read_one, &result);
    shim_wait_blocked(t);
    shim_signal(t, SHIM_SIGNAL);
    shim_join(t);
    CHECK(result == ERESTART, "%d", result);
    end();
}

// Each writer's records arrive whole and in order, though the second half of each comes from
// memory that must be faulted in (it is zero then) and the ring is full at first.
static void write_records(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    uint8_t half[RECORD / 2];
    size_t moved;

    user_begin();
    for (unsigned i = 0; i < RECORDS; i++) {
        struct uio_vec vec[] = {{USER_BASE, RECORD / 2}, {USER_BASE + PAGE_SIZE, RECORD / 2}};
        memset(half, (int)(id << 6 | (i & 63)), sizeof(half));
        user_evict();
        user_fill(0, half, sizeof(half));
        CHECK(file_transfer(wr, vec, 2, NULL, true, &moved) == 0 && moved == RECORD, "%zu bytes",
              moved);
    }
    user_end();
}

static void read_records(void)
{
    unsigned next[WRITERS + 1] = {0};
    uint8_t record[RECORD];

    shim_sleep(100000000);
    for (unsigned n = 0; n < WRITERS * RECORDS; n++) {
        for (size_t got = 0, moved; got < RECORD; got += moved)
            CHECK(take(rd, got, RECORD - got, &moved) == 0 && moved > 0, "read");
        user_fetch(0, record, RECORD);
        for (unsigned i = 1; i < RECORD; i++)
            CHECK(record[i] == (i < RECORD / 2 ? record[0] : 0), "record %u is mixed at %u", n, i);
        unsigned id = record[0] >> 6;
        CHECK((record[0] & 63) == (next[id]++ & 63), "writer %u's record is out of turn", id);
    }
}

static void pipe_thread(void *arg)
{
    if ((uintptr_t)arg < WRITERS) {
        write_records(arg);
        return;
    }
    user_begin();
    read_records();
    user_end();
}

static void test_records(void)
{
    begin(0);
    shim_run_threads(WRITERS + 1, pipe_thread);
    end();
}

static void test_no_memory(void)
{
    struct file *r, *w;

    user_begin();
    for (unsigned n = 1; n < 20; n++) {
        fail_nth(n);
        int err = pipe_create(0, &r, &w);
        bool failed = fail_nth_done();
        fail_nth(0);
        CHECK(failed ? err == ENOMEM || err == 0 : err == 0, "allocation %u: %d", n, err);
        if (!err) {
            file_unref(r);
            file_unref(w);
        }
        machine_check();
    }
    user_end();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(120);
    machine_start(3000);
    file_init();
    pipe_init();
    RUN(test_states);
    RUN(test_bad_memory);
    RUN(test_reopen);
    RUN(test_not_lent);
    RUN(test_signal);
    RUN(test_records);
    RUN(test_no_memory);
    return shim_done();
}
