/* SPDX-License-Identifier: BSD-3-Clause */
/* Doubly linked circular list. No allocation, no lock. */
#ifndef TORO_LIST_H
#define TORO_LIST_H

#include "types.h"

struct toro_list {
    struct toro_list *next, *prev;
};

#define TORO_LIST_INIT(l)                                                                          \
    {                                                                                              \
        &(l), &(l)                                                                                 \
    }

static inline void toro_list_init(struct toro_list *l)
{
    l->next = l->prev = l;
}

static inline bool toro_list_empty(const struct toro_list *l)
{
    return l->next == l;
}

/** Append n at the tail of l. */
static inline void toro_list_push(struct toro_list *l, struct toro_list *n)
{
    n->prev = l->prev;
    n->next = l;
    l->prev->next = n;
    l->prev = n;
}

/** Unlink n; it may be unlinked again without harm. */
static inline void toro_list_del(struct toro_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}

/** Take the head of l, or NULL. */
static inline struct toro_list *toro_list_pop(struct toro_list *l)
{
    struct toro_list *n = l->next;

    if (n == l)
        return NULL;
    toro_list_del(n);
    return n;
}

#define toro_list_entry(p, type, member) TORO_CONTAINER_OF(p, type, member)
#define toro_list_each(l, it)            for (struct toro_list *it = (l)->next; it != (l); it = it->next)
/** As toro_list_each, but the entry may be unlinked in the body. */
#define toro_list_each_safe(l, it, nx)                                                             \
    for (struct toro_list *it = (l)->next, *nx = it->next; it != (l); it = nx, nx = it->next)

#endif
