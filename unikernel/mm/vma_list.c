/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorted list of a rank's mappings. */
#include "vma_list.h"
#include <toro/errno.h>
#include <toro/lib.h>

struct toro_vma *toro_vma_find(struct toro_mm_part *pt, uint64_t va)
{
    struct toro_list *it = pt->vmas.next;

    if (pt->hit != NULL && pt->hit->start <= va) {
        if (va < pt->hit->end)
            return pt->hit;
        it = pt->hit->link.next;
    }
    for (; it != &pt->vmas; it = it->next)
        if (va < toro_vma_of(it)->end)
            return pt->hit = toro_vma_of(it);
    return NULL;
}

struct toro_vma *toro_vma_next(struct toro_mm_part *pt, struct toro_vma *v)
{
    return v->link.next == &pt->vmas ? NULL : toro_vma_of(v->link.next);
}

void toro_vma_insert(struct toro_list *at, struct toro_vma *v)
{
    toro_list_push(at, &v->link); /* "tail" of a list that starts at `at` */
}

void toro_vma_drop(struct toro_mm_part *pt, struct toro_vma *v)
{
    if (pt->hit == v)
        pt->hit = NULL;
    toro_list_del(&v->link);
    toro_kfree(v);
}

/* Cut v at va, so that it ends there. @return 0 or -ENOMEM. */
static int split(struct toro_vma *v, uint64_t va)
{
    struct toro_vma *tail;

    if (va <= v->start || va >= v->end)
        return 0;
    tail = toro_kmalloc(sizeof(*tail));
    if (tail == NULL)
        return -ENOMEM;
    *tail = *v;
    tail->start = va;
    v->end = va;
    toro_vma_insert(v->link.next, tail);
    return 0;
}

void toro_vma_join(struct toro_mm_part *pt, struct toro_vma *v)
{
    struct toro_vma *n = toro_vma_next(pt, v);

    if (n != NULL && toro_vma_alike(v, n)) {
        v->end = n->end;
        toro_vma_drop(pt, n);
    }
    if (v->link.prev != &pt->vmas && toro_vma_alike(toro_vma_of(v->link.prev), v)) {
        n = toro_vma_of(v->link.prev);
        n->end = v->end;
        toro_vma_drop(pt, v);
    }
}

struct toro_vma *toro_vma_isolate(struct toro_mm_part *pt, uint64_t va, uint64_t end, int *r)
{
    struct toro_vma *v = toro_vma_find(pt, va), *last;

    *r = 0;
    if (v == NULL)
        return NULL;
    if (v->start < va) {
        *r = split(v, va);
        if (*r != 0)
            return NULL;
        v = toro_vma_next(pt, v);
    }
    last = toro_vma_find(pt, end - 1);
    if (last != NULL && last->start < end)
        *r = split(last, end);
    return v;
}
