/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorted list of a rank's mappings. */
#include "vma_list.h"
#include <toro/errno.h>
#include <toro/lib.h>

struct toro_vma *toro_vma_find(struct toro_mm *mm, uint64_t va)
{
    struct toro_list *it = mm->vmas.next;

    if (mm->hit != NULL && mm->hit->start <= va) {
        if (va < mm->hit->end)
            return mm->hit;
        it = mm->hit->link.next;
    }
    for (; it != &mm->vmas; it = it->next)
        if (va < toro_vma_of(it)->end)
            return mm->hit = toro_vma_of(it);
    return NULL;
}

struct toro_vma *toro_vma_next(struct toro_mm *mm, struct toro_vma *v)
{
    return v->link.next == &mm->vmas ? NULL : toro_vma_of(v->link.next);
}

void toro_vma_insert(struct toro_list *at, struct toro_vma *v)
{
    toro_list_push(at, &v->link); /* "tail" of a list that starts at `at` */
}

void toro_vma_drop(struct toro_mm *mm, struct toro_vma *v)
{
    if (mm->hit == v)
        mm->hit = NULL;
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

void toro_vma_join(struct toro_mm *mm, struct toro_vma *v)
{
    struct toro_vma *n = toro_vma_next(mm, v);

    if (n != NULL && toro_vma_alike(v, n)) {
        v->end = n->end;
        toro_vma_drop(mm, n);
    }
    if (v->link.prev != &mm->vmas && toro_vma_alike(toro_vma_of(v->link.prev), v)) {
        n = toro_vma_of(v->link.prev);
        n->end = v->end;
        toro_vma_drop(mm, v);
    }
}

struct toro_vma *toro_vma_isolate(struct toro_mm *mm, uint64_t va, uint64_t end, int *r)
{
    struct toro_vma *v = toro_vma_find(mm, va), *last;

    *r = 0;
    if (v == NULL)
        return NULL;
    if (v->start < va) {
        *r = split(v, va);
        if (*r != 0)
            return NULL;
        v = toro_vma_next(mm, v);
    }
    last = toro_vma_find(mm, end - 1);
    if (last != NULL && last->start < end)
        *r = split(last, end);
    return v;
}
