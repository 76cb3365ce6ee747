// SPDX-License-Identifier: BSD-2-Clause
//
// Swap in memory, of which one read may fail, or let others do something first.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/vm_page.h"
#include "vm/swap.h"

#define SLOTS 600u
static uint64_t slot_word[SLOTS];
bool lab_swap_fails;
void (*lab_swap_meanwhile)(void);

static void swap_dev_start(struct swap_io *io)
{
    void (*others_do)(void) = io->write ? NULL : lab_swap_meanwhile;

    if (others_do) {
        lab_swap_meanwhile = NULL;
        others_do();
    }
    for (unsigned i = 0; i < io->npages; i++) {
        uint64_t *word = page_to_dmap(io->pages[i]);
        if (lab_swap_fails && !io->write) {
            lab_swap_fails = false;
            io->error = EIO;
            swap_finish(io);
            return;
        }
        if (io->write) {
            slot_word[io->slot + i] = *word;
        } else {
            memset(word, 0, PAGE_SIZE);
            *word = slot_word[io->slot + i];
        }
    }
    io->error = 0;
    swap_finish(io);
}

void lab_start_swap(void)
{
    static const struct swap_dev device = {swap_dev_start, SLOTS};
    static bool there;
    struct swap_stats st;

    swap_get_stats(&st);
    KASSERT(there || !st.nslots, "there is swap already");
    if (!there)
        swap_init(&device);
    there = true;
}
