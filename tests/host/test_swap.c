// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of swap: private pages that go and come back, slots that fail, pages that have a slot
// as well, and transfers that nobody waits for.
//
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c tests/host/lib/ram.c tests/host/lib/shim.c
// link: tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "pmap/pmap.h"
#include "tests/host/lib/vm_machine.h"
#include "vm/anon.h"
#include "vm/pageout.h"
#include "vm/swap.h"
#include "vm/vm_space.h"

#define BASE 0x10000000ul

static struct vm_space *vs;
static uint64_t free_before;

static void begin(void)
{
    free_before = machine_free_pages();
    vs = vm_space_create();
}

static void end(void)
{
    vm_space_unref(vs);
    CHECK(anon_count() == 0, "%lu anons", anon_count());
    machine_check();
    CHECK(machine_free_pages() == free_before, "%lu pages free, %lu before", machine_free_pages(),
          free_before);
}

static void map(vaddr_t va, unsigned npages)
{
    unsigned flags = LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED | LINUX_MAP_PRIVATE;
    int error = vm_mmap(vs, &va, npages * PAGE_SIZE, PROT_RW, PROT_ALL, flags, NULL, 0);

    CHECK(error == 0, "mmap: %d", error);
}

static uint64_t load(vaddr_t va)
{
    uint64_t value = 0;
    int error = user_load(vs, va, &value);

    CHECK(error == 0, "load at %#lx: %d", va, error);
    return value;
}

static void store(vaddr_t va, uint64_t value)
{
    int error = user_store(vs, va, value);

    CHECK(error == 0, "store at %#lx: %d", va, error);
}

// ---- the device ----

#define SWAP_PAGES 300
static uint64_t swap_words[SWAP_PAGES];
static int swap_error;

static bool swap_bad[SWAP_PAGES];
static unsigned swap_nbad;
static bool swap_by_hand;                        // not by the page daemon
static void (*swap_started)(struct swap_io *io); // ends it, or keeps it

static void swap_start_now(struct swap_io *io)
{
    for (unsigned i = 0; i < io->npages; i++) {
        uint64_t *word = page_to_dmap(io->pages[i]), *kept = &swap_words[io->slot + i];
        CHECK(!swap_bad[io->slot + i], "slot %u is bad", io->slot + i);
        *(io->write ? kept : word) = *(io->write ? word : kept);
        swap_bad[io->slot + i] = swap_error && io->write;
        swap_nbad += swap_error && io->write;
    }
    io->error = swap_error;
    swap_finish(io);
}

// fork reads with both maps locked.
static void swap_dev_start(struct swap_io *io)
{
    struct pageout_stats st;

    pageout_get_stats(&st);
    CHECK(kctx_current()->nheld <= (io->write ? 0 : 2), "%lu locks", kctx_current()->nheld);
    CHECK(swap_by_hand || st.in_flight == io->write, "%lu pages in flight", st.in_flight);
    (swap_started ? swap_started : swap_start_now)(io);
}

static const struct swap_dev swap_device = {swap_dev_start, SWAP_PAGES};

// ---- tests ----

static void test_swap(void)
{
    struct swap_stats st;
    struct vm_space *child;
    uint64_t value;

    begin();
    map(BASE, 20);
    for (unsigned i = 0; i < 20; i++)
        store(BASE + i * PAGE_SIZE, i + 100);
    swap_error = EIO;
    pageout_pass(10);
    swap_get_stats(&st);
    CHECK(swap_nbad > 0 && st.errors == swap_nbad && load(BASE) == 100, "%lu errors", st.errors);
    CHECK(st.nbad == swap_nbad && st.nused == swap_nbad, "%lu slots, %lu bad", st.nused, st.nbad);
    swap_error = 0;
    pageout_pass(1000);
    swap_get_stats(&st);
    CHECK(st.nused - st.nbad == 20 && vm_space_resident(vs) == 0, "%lu slots", st.nused);
    swap_error = EIO;
    CHECK(user_load(vs, BASE, &value) == EIO, "swap read error");
    swap_error = 0;
    CHECK(vm_munmap(vs, BASE + 10 * PAGE_SIZE, 5 * PAGE_SIZE) == 0, "munmap");
    CHECK(vm_space_fork(vs, &child) == 0, "fork");
    for (unsigned i = 0; i < 10; i++)
        CHECK(load(BASE + i * PAGE_SIZE) == i + 100, "page %u", i);
    CHECK(user_load(child, BASE + 17 * PAGE_SIZE, &value) == 0 && value == 117, "%lu", value);
    pageout_pass(7);
    vm_space_unref(child);
    end();
    swap_get_stats(&st);
    CHECK(st.nused == st.nbad, "%lu slots leaked", st.nused - st.nbad);
}

// A pass gains what is asked of it although programs go through all pages all the time.
static void test_hot(void)
{
    begin();
    map(BASE, 20);
    for (unsigned i = 0; i < 20; i++)
        store(BASE + i * PAGE_SIZE, i + 100);
    fake_pmap_hot = true;
    uint64_t nfreed = pageout_pass(7);
    CHECK(nfreed == 7 && vm_space_resident(vs) == 13, "%lu pages freed, %lu left", nfreed,
          vm_space_resident(vs));
    fake_pmap_hot = false;
    for (unsigned i = 0; i < 20; i++)
        CHECK(load(BASE + i * PAGE_SIZE) == i + 100, "page %u", i);
    end();
}

static uint64_t slots_used(void)
{
    struct swap_stats st;

    swap_get_stats(&st);
    return st.nused;
}

static struct vm_anon *anon_at(vaddr_t va)
{
    paddr_t pa = 0;
    vm_prot_t prot;

    load(va);
    CHECK(pmap_extract(vs->pmap, va, &pa, &prot), "%lx is not mapped", va);
    return phys_to_page(pa & ~PAGE_MASK)->anon;
}

// A page that has a slot as well: both end with the anon, and what is written after the slot was
// is not lost.
static void test_page_and_slot(void)
{
    uint64_t before = slots_used();

    begin();
    map(BASE, 2);
    for (unsigned i = 0; i < 2; i++) {
        store(BASE + i * PAGE_SIZE, 7);
        struct vm_anon *an = anon_at(BASE + i * PAGE_SIZE);
        an->swap_slot = swap_alloc(1);
        vm_page_busy(an->page);
        swap_by_hand = true;
        CHECK(an->swap_slot && swap_out(an->swap_slot, &an->page, 1) == 0, "slot");
        swap_by_hand = false;
        mutex_lock(&an->lock);
        vm_page_unbusy(an->page);
        mutex_unlock(&an->lock);
    }
    machine_check();
    CHECK(slots_used() == before + 2, "%lu slots", slots_used());
    CHECK(vm_munmap(vs, BASE + PAGE_SIZE, PAGE_SIZE) == 0, "munmap");
    CHECK(slots_used() == before + 1, "%lu slots", slots_used());
    store(BASE, 8);
    pageout_pass(1000);
    CHECK(vm_space_resident(vs) == 0 && load(BASE) == 8, "page %lu", load(BASE));
    end();
    CHECK(slots_used() == before, "%lu slots leaked", slots_used() - before);
}

static struct swap_io *kept_io;
static unsigned ndone;

static void keep_io(struct swap_io *io)
{
    kept_io = io;
}

static void count_done(struct swap_io *io)
{
    CHECK(io == kept_io, "another transfer");
    ndone++;
}

// A transfer that nobody waits for: of all its pages at once, with the error that it had.
static void test_swap_start(void)
{
    struct swap_io io = {.npages = SWAP_CLUSTER,
                         .slot = swap_alloc(SWAP_CLUSTER),
                         .write = true,
                         .done = count_done};
    struct mutex owner;

    mutex_init(&owner, "owner", LOCK_OBJECT, 0);
    for (unsigned i = 0; i < SWAP_CLUSTER; i++) {
        io.pages[i] = vm_page_alloc(PAGE_KMEM, 0);
        *(uint64_t *)page_to_dmap(io.pages[i]) = 1000 + i;
        vm_page_busy(io.pages[i]);
    }
    for (unsigned round = 0; round < 3; round++) { // written, read, not read
        io.write = round == 0;
        io.error = -1;
        swap_started = keep_io;
        swap_by_hand = true;
        swap_start(&io);
        swap_started = NULL;
        swap_by_hand = false;
        CHECK(ndone == round && kept_io == &io, "%u done", ndone);
        swap_error = round == 2 ? EIO : 0;
        swap_start_now(&io);
        CHECK(ndone == round + 1 && io.error == swap_error, "%u done, error %d", ndone, io.error);
        for (unsigned i = 0; round < 2 && i < SWAP_CLUSTER; i++) {
            CHECK(swap_words[io.slot + i] == 1000 + i, "slot %u", io.slot + i);
            CHECK(*(uint64_t *)page_to_dmap(io.pages[i]) == 1000 + i, "page %u", i);
            memset(page_to_dmap(io.pages[i]), 0, sizeof(uint64_t));
            if (round > 0)
                *(uint64_t *)page_to_dmap(io.pages[i]) = 1000 + i;
        }
    }
    swap_error = 0;
    swap_free(io.slot, SWAP_CLUSTER);
    for (unsigned i = 0; i < SWAP_CLUSTER; i++) {
        mutex_lock(&owner);
        vm_page_unbusy(io.pages[i]);
        mutex_unlock(&owner);
        vm_page_free(io.pages[i]);
    }
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    machine_start(1500);
    swap_init(&swap_device);
    RUN(test_swap);
    RUN(test_hot);
    RUN(test_page_and_slot);
    RUN(test_swap_start);
    return shim_done();
}
