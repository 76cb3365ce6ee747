// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of lab 4's challenge `loan': pipes borrow their writers' pages. What is read is what was
// written, whatever becomes of the writer's memory; each allocation failing once; swap, fork,
// threads, signals; and not a byte of whole pages is copied in.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c kernel/fs/pipe*.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/an*.c kernel/vm/fault_[km]*.c kernel/vm/[!af]*.c
// link: labs/4-anon/challenges/loan/kernel/vm/fault_case.c kernel/vm/amap.c kernel/vm/amap_copy.c
// link: tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
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
#include "vm/anon.h"
#include "vm/pageout.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"
#include "vm/vm_loan.h"
#include "vm/vm_space.h"

#define LARGE (16 * PAGE_SIZE)

static struct file *rd, *wr;
static uint64_t free_before;

static struct vm_map *my_map(void)
{
    return user_space() ? &user_space()->map : NULL;
}

static int put(size_t offset, size_t n, size_t *moved)
{
    struct uio_vec vec = {USER_BASE + offset, n};
    return file_transfer(wr, &vec, 1, NULL, true, moved);
}

static int take(size_t offset, size_t n, size_t *moved)
{
    struct uio_vec vec = {USER_BASE + offset, n};
    return file_transfer(rd, &vec, 1, NULL, false, moved);
}

static struct vm_loan_stats loans(void)
{
    struct vm_loan_stats st;

    vm_loan_get_stats(&st);
    return st;
}

static void begin(unsigned flags)
{
    free_before = machine_free_pages();
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
    if (user_space())
        user_end();
    CHECK(loans().lent == loans().ended, "%lu pages lent, %lu given back", loans().lent,
          loans().ended);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    machine_check();
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

static void pattern(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 5 + (i >> 12) + seed);
}

static void fill(size_t offset, size_t n, unsigned seed)
{
    static _Thread_local uint8_t data[USER_PAGES * PAGE_SIZE];

    pattern(data, n, seed);
    user_fill(offset, data, n);
}

// Reads n bytes to user memory from `offset' on; they are bytes [at, at + n) of the pattern.
static void arrives(size_t offset, size_t at, size_t n, unsigned seed)
{
    static _Thread_local uint8_t got[LARGE], wanted[USER_PAGES * PAGE_SIZE];

    for (size_t have = 0, moved; have < n; have += moved)
        CHECK(take(offset + have, n - have, &moved) == 0 && moved > 0, "%zu bytes", have);
    user_fetch(offset, got, n);
    pattern(wanted, at + n, seed);
    CHECK(memcmp(got, wanted + at, n) == 0, "other bytes than those of %u", seed);
}

static void write_pages(unsigned first, unsigned n)
{
    size_t moved;

    CHECK(put(first * PAGE_SIZE, n * PAGE_SIZE, &moved) == 0 && moved == n * PAGE_SIZE, "%zu bytes",
          moved);
}

// Whole pages are lent, from four on; what is written into them meanwhile is not seen.
static void test_lent(void)
{
    struct vm_fault_stats faults, after;

    begin(O_NONBLOCK);
    fill(0, LARGE, 1);
    uint64_t lent = loans().lent;
    write_pages(0, 3);
    CHECK(loans().lent == lent, "three pages are lent");
    arrives(30 * PAGE_SIZE, 0, 3 * PAGE_SIZE, 1);
    write_pages(0, 16);
    CHECK(loans().lent == lent + 16, "%lu pages lent", loans().lent - lent);
    uint64_t anons = anon_count();
    vm_fault_get_stats(&faults);
    fill(0, 5 * PAGE_SIZE, 2);
    vm_fault_get_stats(&after);
    CHECK(after.anon_copies == faults.anon_copies + 5, "%lu copies",
          after.anon_copies - faults.anon_copies);
    CHECK(anon_count() == anons, "%lu anons, not %lu", anon_count(), anons);
    arrives(30 * PAGE_SIZE, 0, LARGE, 1);
    CHECK(loans().ended == loans().lent, "%lu ended", loans().ended);
    vm_fault_get_stats(&faults);
    fill(0, LARGE, 3); // nobody has it any more: in place
    vm_fault_get_stats(&after);
    CHECK(after.anon_copies == faults.anon_copies, "copied once it was back");
    end();
}

// Each page goes back when its last byte was read; there is room for as many as have gone.
static void test_parts(void)
{
    size_t moved;

    begin(O_NONBLOCK);
    fill(0, LARGE, 4);
    uint64_t ended = loans().ended;
    write_pages(0, 16);
    CHECK(put(0, LARGE, &moved) == EAGAIN && put(0, 1, &moved) == EAGAIN, "%zu bytes more", moved);
    CHECK(!(file_poll(wr, NULL) & POLLOUT) && file_poll(rd, NULL) == POLLIN, "poll");
    arrives(40 * PAGE_SIZE, 0, 5000, 4);
    CHECK(loans().ended == ended + 1, "%lu pages given back", loans().ended - ended);
    write_pages(8, 1); // into the ring of bytes, behind
    CHECK(put(0, LARGE, &moved) == 0 && moved == 5000 - PAGE_SIZE, "%zu bytes more", moved);
    arrives(40 * PAGE_SIZE, 5000, LARGE - 5000, 4);
    CHECK(loans().ended == ended + 16, "%lu pages given back", loans().ended - ended);
    CHECK(take(0, LARGE, &moved) == 0 && moved == 5000, "%zu bytes", moved);
    CHECK(file_poll(wr, NULL) == POLLOUT, "poll");
    end();
}

// The writer's memory goes, or all of it; a child has it, too.
static void test_gone(void)
{
    struct vm_space *child;
    size_t moved;
    uint64_t value;

    begin(O_NONBLOCK);
    fill(0, 2 * LARGE, 5);
    write_pages(0, 16);
    CHECK(vm_space_fork(user_space(), &child) == 0, "fork");
    CHECK(user_store(child, USER_BASE, 1) == 0, "the child's write");
    CHECK(vm_munmap(user_space(), USER_BASE, 8 * PAGE_SIZE) == 0, "munmap");
    CHECK(user_load(child, USER_BASE + 8, &value) == 0, "load");
    CHECK(vm_madvise(user_space(), USER_BASE + 8 * PAGE_SIZE, 4 * PAGE_SIZE, 4) == 0, "DONTNEED");
    vm_space_unref(child);
    machine_check();
    arrives(40 * PAGE_SIZE, 0, LARGE, 5);
    CHECK(put(16 * PAGE_SIZE, 4 * PAGE_SIZE, &moved) == 0, "write");
    user_end(); // it exits
    machine_check();
    user_begin();
    arrives(0, LARGE, 4 * PAGE_SIZE, 5);
    end();
    begin(0); // both ends close on what was lent
    fill(0, LARGE, 6);
    write_pages(0, 16);
    file_unref(rd);
    rd = NULL;
    CHECK(put(0, LARGE, &moved) == EPIPE && moved == 0, "no reader");
    fill(0, LARGE, 7);
    end();
}

// What is wired, belongs to a file or was never touched is copied.
static void test_refused(void)
{
    struct vm_page *pages[16];
    unsigned n = 16;

    begin(O_NONBLOCK);
    fill(0, LARGE, 8);
    CHECK(vm_mlock(user_space(), USER_BASE + 4 * PAGE_SIZE, PAGE_SIZE, true) == 0, "mlock");
    uint64_t lent = loans().lent;
    write_pages(0, 8);
    CHECK(loans().lent == lent + 4, "%lu pages lent", loans().lent - lent);
    fill(0, LARGE, 9);
    arrives(40 * PAGE_SIZE, 0, 8 * PAGE_SIZE, 8);
    CHECK(vm_loan(USER_BASE + 4 * PAGE_SIZE, pages, &n) == EOPNOTSUPP, "wired");
    n = 16;
    CHECK(vm_loan(USER_BASE + 20 * PAGE_SIZE, pages, &n) == EOPNOTSUPP, "never touched");
    n = 16;
    CHECK(vm_loan(USER_BASE - PAGE_SIZE, pages, &n) == EOPNOTSUPP, "not mapped");
    end();
}

// ---- swap, and the page daemon ----

#define SWAP_PAGES 300u
static uint8_t swap_data[SWAP_PAGES][PAGE_SIZE];

static void swap_dev_start(struct swap_io *io)
{
    for (unsigned i = 0; i < io->npages; i++) {
        void *page = page_to_dmap(io->pages[i]), *kept = swap_data[io->slot + i];
        memcpy(io->write ? kept : page, io->write ? page : kept, PAGE_SIZE);
    }
    io->error = 0;
    swap_finish(io);
}

static void test_swap(void)
{
    static const struct swap_dev device = {swap_dev_start, SWAP_PAGES};
    struct swap_stats before, after;

    swap_init(&device);
    begin(O_NONBLOCK);
    fill(0, 2 * LARGE, 10);
    pageout_pass(2000);
    swap_get_stats(&before);
    CHECK(before.nused == 32, "%lu pages in swap", before.nused);
    write_pages(0, 16); // they are brought in to be lent
    swap_get_stats(&after);
    CHECK(after.ins == before.ins + 16, "%lu pages read", after.ins - before.ins);
    pageout_pass(2000); // and do not go again meanwhile
    swap_get_stats(&before);
    CHECK(before.outs == after.outs, "%lu pages written", before.outs - after.outs);
    fill(0, PAGE_SIZE, 11);
    arrives(40 * PAGE_SIZE, 0, LARGE, 10);
    pageout_pass(2000); // now they do
    swap_get_stats(&after);
    CHECK(after.outs >= before.outs + 16, "%lu pages written", after.outs - before.outs);
    end();
}

// ---- errors ----

// Every allocation of a write, and of the faults that change what is lent.
static void test_no_memory(void)
{
    size_t moved;
    bool done;
    unsigned n = 0;

    do {
        begin(O_NONBLOCK);
        fill(0, LARGE, 12);
        fail_nth(++n);
        CHECK(put(0, LARGE, &moved) == 0 && moved == LARGE, "%zu bytes", moved);
        CHECK(user_store(user_space(), USER_BASE + 8, 1) == 0, "store");
        done = fail_nth_done();
        fail_nth(0);
        arrives(40 * PAGE_SIZE, 0, LARGE, 12);
        end();
    } while (done);
    CHECK(n > 2 && n < 50, "%u allocations", n);
}

static void write_much(void *result)
{
    size_t moved;

    user_begin();
    fill(0, 2 * LARGE, 13);
    *(int *)result = put(0, 2 * LARGE, &moved);
    if (!*(int *)result)
        *(int *)result = -(int)(moved / PAGE_SIZE);
    user_end();
}

// A signal finds the writer with sixteen pages lent and sixteen to go; the reader dies likewise.
static void test_interrupted(void)
{
    int result = 0;

    for (unsigned how = 0; how < 3; how++) {
        begin(0);
        struct shim_thread *t = shim_spawn("writer", write_much, &result);
        shim_wait_blocked(t);
        if (how == 2) {
            file_unref(rd);
            rd = NULL;
        } else {
            shim_signal(t, how ? SHIM_FATAL : SHIM_SIGNAL);
        }
        shim_join(t);
        CHECK(result == -16, "%u: %d", how, result); // what was lent was written
        if (rd)
            arrives(0, 0, LARGE, 13);
        end();
    }
}

// ---- threads ----

// Each writes rounds of its own pages, changes them at once, and so on; one reader takes all.
#define ROUNDS 150u

static void write_rounds(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    size_t moved;

    user_begin();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 4; i++)
            user_store(user_space(), USER_BASE + i * PAGE_SIZE, me << 20 | round << 4 | i);
        CHECK(put(0, 4 * PAGE_SIZE, &moved) == 0 && moved == 4 * PAGE_SIZE, "%zu bytes", moved);
    }
    user_end();
}

static void read_rounds(void)
{
    unsigned next[4] = {0};
    uint64_t word = 0;

    for (unsigned n = 0; n < 3 * ROUNDS * 4; n++) {
        for (size_t have = 0, moved; have < PAGE_SIZE; have += moved)
            CHECK(take(have, PAGE_SIZE - have, &moved) == 0 && moved > 0, "read");
        user_fetch(0, &word, sizeof(word));
        unsigned who = (unsigned)(word >> 20);
        CHECK(who < 3 && (word & 0xfffff) == (((next[who] / 4) << 4) | next[who] % 4),
              "writer %u: %lx, not %x", who, word, next[who]);
        next[who]++;
    }
}

static void pipe_thread(void *arg)
{
    if ((uintptr_t)arg < 3) {
        write_rounds(arg);
        return;
    }
    user_begin();
    read_rounds();
    user_end();
}

static void test_threads(void)
{
    begin(0);
    shim_run_threads(4, pipe_thread);
    end();
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(300);
    machine_start(3000);
    file_init();
    pipe_init();
    vm_loan_map = my_map;
    RUN(test_lent);
    RUN(test_parts);
    RUN(test_gone);
    RUN(test_refused);
    RUN(test_no_memory);
    RUN(test_interrupted);
    RUN(test_threads);
    RUN(test_swap);
    return shim_done();
}
