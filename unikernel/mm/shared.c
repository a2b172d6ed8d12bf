/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings of files' memory in a rank's map: a list with a lock, for they are few and belong to no
 * core. */
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include "vma_list.h"

/* Take shared mappings in [va, end) out; each address once per mapping that covers it. The entries
 * that end go to `dead`. */
static int unmap_one(struct toro_mm *mm, uint64_t va, uint64_t end, struct toro_list *dead)
{
    toro_list_each_safe(&mm->shared, it, nx)
    {
        struct toro_vma *v = toro_vma_of(it), *tail;

        if (v->end <= va || v->start >= end)
            continue;
        if (v->start < va && v->end > end) {
            tail = toro_kmalloc(sizeof(*tail));
            if (tail == NULL)
                return -ENOMEM;
            *tail = *v;
            tail->off += end - v->start;
            tail->start = end;
            v->end = va;
            toro_file_get(tail->file);
            toro_list_push(&mm->shared, &tail->link);
        } else if (v->start < va) {
            v->end = va;
        } else if (v->end > end) {
            v->off += end - v->start;
            v->start = end;
        } else {
            toro_list_del(&v->link);
            toro_list_push(dead, &v->link);
        }
        /* One munmap ends one mapping of a file that is mapped several times at one place. */
        return 0;
    }
    return 0;
}

static void bury(struct toro_list *dead)
{
    struct toro_list *l;

    while ((l = toro_list_pop(dead)) != NULL) {
        toro_file_put(toro_vma_of(l)->file);
        toro_kfree(toro_vma_of(l));
    }
}

int toro_shared_unmap(struct toro_mm *mm, uint64_t va, uint64_t end)
{
    struct toro_list dead = TORO_LIST_INIT(dead);
    int r;

    toro_spin_lock(&mm->lock);
    r = unmap_one(mm, va, end, &dead);
    toro_spin_unlock(&mm->lock);
    bury(&dead);
    return r;
}

int toro_mm_map_shared(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot,
                       struct toro_file *f, uint64_t off)
{
    struct toro_vma *v = toro_kzalloc(sizeof(*v));

    if (v == NULL)
        return -ENOMEM;
    *v = (struct toro_vma){
        .start = va, .end = va + len, .prot = prot, .kind = TORO_VMA_SHARED, .file = f, .off = off};
    toro_spin_lock(&mm->lock);
    toro_list_push(&mm->shared, &v->link);
    toro_spin_unlock(&mm->lock);
    return 0;
}

int toro_shared_note(struct toro_mm *mm, uint64_t va, uint64_t end, const unsigned *prot)
{
    int r = -ENOMEM;

    toro_spin_lock(&mm->lock);
    toro_list_each(&mm->shared, it)
    {
        struct toro_vma *v = toro_vma_of(it);

        if (v->start > va || end > v->end)
            continue;
        if (prot != NULL)
            v->prot = *prot;
        r = 0;
    }
    toro_spin_unlock(&mm->lock);
    return r;
}

bool toro_shared_next(struct toro_mm *mm, uint64_t va, struct toro_vma *out, bool found)
{
    toro_spin_lock(&mm->lock);
    toro_list_each(&mm->shared, it)
    {
        struct toro_vma *v = toro_vma_of(it);

        if (va < v->end && (!found || v->start < out->start)) {
            *out = *v;
            found = true;
        }
    }
    toro_spin_unlock(&mm->lock);
    return found;
}

struct toro_file *toro_mm_file(struct toro_mm *mm, uint64_t va)
{
    struct toro_file *f = NULL;

    toro_spin_lock(&mm->lock);
    toro_list_each(&mm->shared, it)
    {
        if (toro_vma_of(it)->start <= va && va < toro_vma_of(it)->end) {
            f = toro_vma_of(it)->file;
            toro_file_get(f);
            break;
        }
    }
    toro_spin_unlock(&mm->lock);
    return f;
}

void toro_mm_unshare(struct toro_mm *mm)
{
    struct toro_list dead = TORO_LIST_INIT(dead), *l;

    toro_spin_lock(&mm->lock);
    while ((l = toro_list_pop(&mm->shared)) != NULL)
        toro_list_push(&dead, l);
    toro_spin_unlock(&mm->lock);
    bury(&dead);
}
