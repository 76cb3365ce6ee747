// SPDX-License-Identifier: BSD-2-Clause
//
// Doubly linked circular lists threaded through the structures they hold. The head is a node too;
// a node that is on no list points to itself once list_init or list_remove has seen it. The
// caller's lock guards a list.
#pragma once

#include "lib/types.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void list_push_front(struct list *head, struct list *n)
{
    list_insert_between(n, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *n)
{
    list_insert_between(n, head->prev, head);
}

// Takes n off its list; n may then be tested with list_empty or removed again.
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

// Moves all of from's nodes, in order, to the end of to; from becomes empty.
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

// The first or last structure on a list, or NULL.
#define list_first(head, type, member)                                                             \
    (list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_last(head, type, member)                                                              \
    (list_empty(head) ? NULL : list_entry((head)->prev, type, member))

// The structure before or behind one on a list, or NULL.
#define list_next(item, head, type, member)                                                        \
    ((item)->member.next == (head) ? NULL : list_entry((item)->member.next, type, member))
#define list_prev(item, head, type, member)                                                        \
    ((item)->member.prev == (head) ? NULL : list_entry((item)->member.prev, type, member))

// Takes the first structure off a list; NULL if there is none.
#define list_pop(head, type, member)                                                               \
    ({                                                                                             \
        type *list_pop_ = list_first(head, type, member);                                          \
        if (list_pop_)                                                                             \
            list_remove(&list_pop_->member);                                                       \
        list_pop_;                                                                                 \
    })

// The node in a structure, by arithmetic alone: at the end of a loop, var is made from the head and
// need not be aligned as a structure is, so no member of it may be named.
#define list_node_of(var, type, member) ((struct list *)((char *)(var) + offsetof(type, member)))

#define list_for_each(var, head, type, member)                                                     \
    for (type *var = list_entry((head)->next, type, member);                                       \
         list_node_of(var, type, member) != (head);                                                \
         var = list_entry(var->member.next, type, member))

// As list_for_each, but var may be taken off the list or freed in the body.
#define list_for_each_safe(var, head, type, member)                                                \
    for (type *var = list_entry((head)->next, type, member),                                       \
              *var##_next = list_entry(list_node_of(var, type, member)->next, type, member);       \
         list_node_of(var, type, member) != (head);                                                \
         var = var##_next,                                                                         \
              var##_next = list_entry(list_node_of(var, type, member)->next, type, member))
