// SPDX-License-Identifier: BSD-2-Clause
//
// Intrusive red-black trees (Guibas and Sedgewick 1978; deletion after Cormen et al.). The user
// of a tree that is not ordered by a key searches by hand, by a plain loop: descend from root, then
// rb_insert at the link found. Insertion and removal never allocate. The caller's lock guards a
// tree.
//
// An augmented tree (say, the largest gap below each node) gives an update function: it
// recomputes one node's summary from itself and its children, and is called bottom-up for every
// node whose subtree changed.
#pragma once

#include "lib/types.h"

struct rb_node {
    struct rb_node *parent;
    struct rb_node *child[2];   // left, right
    bool red;
};

typedef void (*rb_update_fn)(struct rb_node *);

struct rb_tree {
    struct rb_node *root;
    rb_update_fn update;        // NULL if not augmented
};

#define rb_entry(node, type, member) container_of(node, type, member)

// Links n in as the given child of parent (parent NULL: n becomes the root) and rebalances.
void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, int side);
void rb_remove(struct rb_tree *t, struct rb_node *n);

// ---- trees that are ordered by a key: 64 bits, a number or an address, beside the node ----

#define RB_KEY(type, node, key) ((ptrdiff_t)offsetof(type, key) - (ptrdiff_t)offsetof(type, node))

static inline uint64_t rb_key(const struct rb_node *n, ptrdiff_t key_at)
{
    return *(const uint64_t *)((const char *)n + key_at);
}

// Inserts n, behind others of the same key.
static inline void rb_add(struct rb_tree *t, struct rb_node *n, ptrdiff_t key_at)
{
    struct rb_node *parent = NULL;
    int side = 0;

    for (struct rb_node *at = t->root; at; at = at->child[side]) {
        parent = at;
        side = rb_key(n, key_at) >= rb_key(at, key_at);
    }
    rb_insert(t, n, parent, side);
}

// The node with the key, or else the first one behind it; NULL: none.
static inline struct rb_node *rb_ceiling(const struct rb_tree *t, uint64_t key, ptrdiff_t key_at)
{
    struct rb_node *found = NULL;

    for (struct rb_node *n = t->root; n; n = n->child[rb_key(n, key_at) < key]) {
        if (rb_key(n, key_at) == key)
            return n;
        if (rb_key(n, key_at) > key)
            found = n;
    }
    return found;
}

// Recomputes the summaries from n up to the root, after a change to n's own data.
void rb_propagate(struct rb_tree *t, struct rb_node *n);

struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);

// True if the tree's links, colours and black heights are consistent; for check functions.
bool rb_valid(const struct rb_tree *t);
