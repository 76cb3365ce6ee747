// SPDX-License-Identifier: BSD-2-Clause
//
// What counts say: of a mapping that was split while a child had it, of an anon that is in swap, of
// a page that is lent.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/printf.h"
#include "mem/vm_page.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/vm_map.h"

static uint64_t words;

// A mapping that was split while a child had it, and made whole when the child was gone, grows.
KTEST(lab_anon_grow_split)
{
    lab_begin(64);
    lab_new_space(0);
    lab_map(0, 16, 48);
    lab_fill(0, 16, 48, &words);
    lab_fork(0, 1);
    lab_protect(0, 20, 24, false);
    lab_exit(1);
    lab_protect(0, 20, 24, true);
    lab_write(0, 16, ++words);
    lab_grow(0, 16, 48, 64, &words);
    lab_read_all();
    lab_point("grown");
    lab_end();
}

// References too many and too few are found, and right ones are not.
static void miscount(struct vm_anon *an, const char *where)
{
    static char text[512];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(!amap_check(&out), "an anon %s is taken for wrong: %s", where, text);
    an->nrefs++;
    KTEST_CHECK(amap_check(&out), "a reference too many of an anon %s is not found", where);
    an->nrefs -= 2;
    KTEST_CHECK(amap_check(&out), "a reference too few of an anon %s is not found", where);
    an->nrefs++;
}

KTEST(lab_anon_check_swapped)
{
    lab_begin(20);
    lab_new_space(0);
    lab_map(0, 0, 20);
    lab_fill(0, 0, 20, &words);
    lab_fork(0, 1);
    lab_write(1, 0, ++words);
    for (unsigned i = 0; i < 20; i += 10) { // of the child alone, and of both
        struct vm_page *pg = dmap_to_page(lab_word(lab_space[i == 0], lab_va(i)));
        struct vm_anon *an = pg->anon;
        miscount(an, "in memory");
        an->page = NULL;
        an->swap_slot = 1;
        miscount(an, "in swap");
        an->page = pg;
        an->swap_slot = 0;
    }
    lab_end();
}

// A form may lend nothing. What it lends nobody writes to.
KTEST(lab_anon_lend)
{
    struct vm_page *pages[4];
    struct vm_map_entry *e;
    unsigned n = array_len(pages);
    int error = EOPNOTSUPP;

    lab_begin(4);
    lab_new_space(0);
    lab_map(0, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        lab_write(0, i, i + 1);
    struct vm_map *map = &lab_space[0]->map;
    rw_lock_read(&map->lock);
    if (vm_map_lookup(map, LAB_VA, &e) && e->amap) {
        amap_lock(e->amap);
        error = amap_lend(e->amap, e->amap_slot, &n, pages);
        amap_unlock(e->amap);
    }
    rw_unlock_read(&map->lock);
    KTEST_CHECK(!error || error == EOPNOTSUPP, "amap_lend of what is in memory: error %d", error);
    for (unsigned i = 0; i < n && !error; i++) {
        lab_write(0, i, ++words + 100);
        uint64_t word = *(uint64_t *)page_to_dmap(pages[i]);
        KTEST_CHECK(word == i + 1, "page %u, which is lent, holds %#lx, not %#x%s", i, word, i + 1,
                    lab_why(word, i + 1, false));
        vm_page_lend_end(pages[i]);
    }
    lab_read_all();
    lab_end();
}
