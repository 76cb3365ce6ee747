// SPDX-License-Identifier: BSD-2-Clause
//
// Red-black trees. Every function treats left and right alike: `side' is the child's index, and
// the mirror image is !side. A missing child is black. Summaries of an augmented tree are kept
// right by two rules: a rotation updates the two nodes it turns, and each insertion or removal
// updates the path from the lowest changed node to the root.
#include "lib/rbtree.h"

static bool is_red(const struct rb_node *n)
{
    return n && n->red;
}

static int side_of(const struct rb_node *parent, const struct rb_node *n)
{
    return parent->child[1] == n;
}

// Makes `n' (or nothing) take old's place below parent; parent NULL means the root.
static void replace_child(struct rb_tree *t, struct rb_node *parent, const struct rb_node *old,
                          struct rb_node *n)
{
    if (!parent)
        t->root = n;
    else
        parent->child[side_of(parent, old)] = n;
    if (n)
        n->parent = parent;
}

// Turns n down to the given side; its child on the other side takes its place.
static void rotate(struct rb_tree *t, struct rb_node *n, int side)
{
    struct rb_node *up = n->child[!side], *inner = up->child[side];

    replace_child(t, n->parent, n, up);
    n->child[!side] = inner;
    if (inner)
        inner->parent = n;
    up->child[side] = n;
    n->parent = up;
    if (t->update) {
        t->update(n);
        t->update(up);
    }
}

void rb_propagate(struct rb_tree *t, struct rb_node *n)
{
    if (!t->update)
        return;
    for (; n; n = n->parent)
        t->update(n);
}

// n is red and its parent may be, which is the only rule broken: pushes the fault up or ends it.
static void fix_red(struct rb_tree *t, struct rb_node *n)
{
    struct rb_node *parent, *grand;

    while ((parent = n->parent) && parent->red) {
        grand = parent->parent; // is there, since the root is black
        int side = side_of(grand, parent);
        struct rb_node *uncle = grand->child[!side];
        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            grand->red = true;
            n = grand;
            continue;
        }
        if (side_of(parent, n) != side) {
            rotate(t, parent, side);
            parent = n;
        }
        parent->red = false;
        grand->red = true;
        rotate(t, grand, !side);
        break;
    }
    t->root->red = false;
}

void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, int side)
{
    *n = (struct rb_node){.parent = parent, .red = true};
    if (parent)
        parent->child[side] = n;
    else
        t->root = n;
    rb_propagate(t, n);
    fix_red(t, n);
}

// The paths through parent's given side have one black node too few: recolours and rotates until
// they have not. One round handles a black sibling with black children by moving the lack up.
static void fix_black(struct rb_tree *t, struct rb_node *parent, int side)
{
    struct rb_node *n = NULL;

    while (parent) {
        struct rb_node *sibling = parent->child[!side];
        if (sibling->red) {
            sibling->red = false;
            parent->red = true;
            rotate(t, parent, side);
            sibling = parent->child[!side];
        }
        if (is_red(sibling->child[0]) || is_red(sibling->child[1])) {
            if (!is_red(sibling->child[!side])) {
                sibling->child[side]->red = false;
                sibling->red = true;
                rotate(t, sibling, !side);
                sibling = parent->child[!side];
            }
            sibling->red = parent->red;
            parent->red = false;
            sibling->child[!side]->red = false;
            rotate(t, parent, side);
            return;
        }
        sibling->red = true;
        n = parent;
        if (n->red)
            break;
        parent = n->parent;
        side = parent ? side_of(parent, n) : 0;
    }
    if (n)
        n->red = false;
}

// Swaps n, which has two children, with its successor, so that n has at most one.
static void swap_with_next(struct rb_tree *t, struct rb_node *n)
{
    struct rb_node *s = n->child[1];
    while (s->child[0])
        s = s->child[0];
    struct rb_node *s_parent = s->parent, *s_right = s->child[1];
    bool s_red = s->red;

    replace_child(t, n->parent, n, s);
    s->red = n->red;
    s->child[0] = n->child[0];
    s->child[0]->parent = s;
    if (s_parent == n) {
        s->child[1] = n;
        n->parent = s;
    } else {
        s->child[1] = n->child[1];
        s->child[1]->parent = s;
        s_parent->child[0] = n;
        n->parent = s_parent;
    }
    n->red = s_red;
    n->child[0] = NULL;
    n->child[1] = s_right;
    if (s_right)
        s_right->parent = n;
}

void rb_remove(struct rb_tree *t, struct rb_node *n)
{
    if (n->child[0] && n->child[1])
        swap_with_next(t, n);
    struct rb_node *parent = n->parent;
    struct rb_node *child = n->child[0] ? n->child[0] : n->child[1];
    int side = parent ? side_of(parent, n) : 0;

    replace_child(t, parent, n, child);
    rb_propagate(t, parent);
    if (child)
        child->red = false; // an only child is red, and its parent n black
    else if (!n->red)
        fix_black(t, parent, side);
    *n = (struct rb_node){0};
}

static struct rb_node *leftmost(struct rb_node *n)
{
    while (n && n->child[0])
        n = n->child[0];
    return n;
}

struct rb_node *rb_first(const struct rb_tree *t)
{
    return leftmost(t->root);
}

struct rb_node *rb_next(const struct rb_node *n)
{
    if (n->child[1])
        return leftmost(n->child[1]);
    while (n->parent && side_of(n->parent, n) == 1)
        n = n->parent;
    return n->parent;
}

// No tree that keeps the rules is higher than this, up to 2^32 nodes.
#define MAX_HEIGHT 64

// The subtree's black height (a missing one has 1), or -1 if it breaks a rule. Every child must
// point back to the node it is reached from, so a loop is found as well.
static int black_height(const struct rb_node *n, int depth)
{
    if (!n)
        return 1;
    if (depth == MAX_HEIGHT || (n->child[0] && n->child[0] == n->child[1]))
        return -1;
    for (int side = 0; side < 2; side++) {
        const struct rb_node *c = n->child[side];
        if (c && (c->parent != n || (n->red && c->red)))
            return -1;
    }
    int left = black_height(n->child[0], depth + 1);
    int right = left < 0 ? -1 : black_height(n->child[1], depth + 1);
    if (left < 0 || left != right)
        return -1;
    return left + !n->red;
}

bool rb_valid(const struct rb_tree *t)
{
    if (!t->root)
        return true;
    return !t->root->parent && !t->root->red && black_height(t->root, 0) > 0;
}
