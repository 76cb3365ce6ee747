// SPDX-License-Identifier: BSD-2-Clause
//
// Unit test of kernel/lib/rbtree: random insertions and removals against a table of what is in,
// with a summary (the subtree's size and largest weight) that must be right in every node.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
// link: kernel/lib/rbtree.c
#include <stdio.h>
#include "lib/shim.h"
#include "lib/rbtree.h"
#include "lib/rng.h"

#define KEYS 300

struct item {
    struct rb_node node;
    uint64_t key;
    unsigned weight;   // the item's own part of the summary
    unsigned count;    // items in the subtree
    unsigned heaviest; // largest weight in the subtree
};

static struct item items[KEYS];
static bool in[KEYS];
static struct rng rng;

static struct item *item_of(struct rb_node *n)
{
    return rb_entry(n, struct item, node);
}

static void update(struct rb_node *n)
{
    struct item *it = item_of(n);

    it->count = 1;
    it->heaviest = it->weight;
    for (int side = 0; side < 2; side++) {
        if (!n->child[side])
            continue;
        it->count += item_of(n->child[side])->count;
        it->heaviest = max(it->heaviest, item_of(n->child[side])->heaviest);
    }
}

#define BY_KEY RB_KEY(struct item, node, key)

static void insert(struct rb_tree *t, struct item *it)
{
    rb_add(t, &it->node, BY_KEY);
}

// Height of a subtree; checks each node's summary on the way.
static unsigned check_subtree(struct rb_node *n, bool augmented)
{
    if (!n)
        return 0;
    unsigned left = check_subtree(n->child[0], augmented);
    unsigned right = check_subtree(n->child[1], augmented);
    struct item was = *item_of(n);
    if (augmented) {
        update(n);
        CHECK(was.count == item_of(n)->count && was.heaviest == item_of(n)->heaviest,
              "key %lu: count %u, heaviest %u; expected %u, %u", was.key, was.count, was.heaviest,
              item_of(n)->count, item_of(n)->heaviest);
    }
    return 1 + max(left, right);
}

static void check(struct rb_tree *t, unsigned count)
{
    struct rb_node *n = rb_first(t);
    unsigned log = 0;

    CHECK(rb_valid(t), "tree of %u broken", count);
    for (unsigned key = 0; key < KEYS; key++) {
        CHECK(rb_ceiling(t, key, BY_KEY) == n, "key %u: wrong ceiling", key);
        if (!in[key])
            continue;
        CHECK(n && item_of(n)->key == key, "key %u is missing", key);
        n = rb_next(n);
    }
    CHECK(n == NULL, "keys left over");
    while (1u << log < count + 1)
        log++;
    unsigned height = check_subtree(t->root, t->update);
    CHECK(height <= 2 * log, "height %u with %u nodes", height, count);
}

static void forget_all(void)
{
    for (unsigned key = 0; key < KEYS; key++)
        in[key] = false;
}

static void random_operations(struct rb_tree *t)
{
    unsigned count = 0;

    forget_all();
    for (unsigned round = 0; round < 12000; round++) {
        // Phases that mostly fill and mostly empty the tree.
        bool filling = round / 1500 % 2 == 0;
        unsigned key = rng_below(&rng, round < 6000 ? KEYS : 12);
        struct item *it = &items[key];
        if (!in[key] && rng_below(&rng, 4) < (filling ? 3 : 1)) {
            it->key = key;
            it->weight = rng_next(&rng);
            insert(t, it);
            in[key] = true;
            count++;
        } else if (in[key] && rng_below(&rng, 4) < (filling ? 1 : 3)) {
            rb_remove(t, &it->node);
            in[key] = false;
            count--;
        } else if (in[key]) {
            it->weight = rng_next(&rng);
            rb_propagate(t, &it->node);
        }
        check(t, count);
    }
}

static void test_plain(void)
{
    struct rb_tree t = {0};

    random_operations(&t);
}

static void test_augmented(void)
{
    struct rb_tree t = {.update = update};

    random_operations(&t);
}

static void test_in_order(void)
{
    forget_all();
    for (int downward = 0; downward < 2; downward++) {
        struct rb_tree t = {.update = update};
        for (unsigned i = 0; i < KEYS; i++) {
            unsigned key = downward ? KEYS - 1 - i : i;
            items[key].key = key;
            insert(&t, &items[key]);
            in[key] = true;
            check(&t, i + 1);
        }
        for (unsigned i = 0; i < KEYS; i++) {
            struct rb_node *first = rb_first(&t);
            in[item_of(first)->key] = false;
            rb_remove(&t, first);
            check(&t, KEYS - 1 - i);
        }
        CHECK(!t.root && !rb_first(&t), "not empty");
    }
}

static void test_valid_sees_damage(void)
{
    struct rb_tree t = {0};

    for (unsigned key = 0; key < 20; key++) {
        items[key].key = key;
        insert(&t, &items[key]);
    }
    for (struct rb_node *n = rb_first(&t); n; n = rb_next(n)) {
        n->red = !n->red;
        CHECK(!rb_valid(&t), "colour of %lu", item_of(n)->key);
        n->red = !n->red;
    }
    struct rb_node *n = t.root->child[0];
    n->parent = t.root->child[1];
    CHECK(!rb_valid(&t), "a wrong parent");
    n->parent = t.root;
    CHECK(rb_valid(&t), "repaired");
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    rng.state = shim_seed;
    RUN(test_plain);
    RUN(test_augmented);
    RUN(test_in_order);
    RUN(test_valid_sees_damage);
    return shim_done();
}
