/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorted list of a rank's mappings in one pool. Only mm/vma.c uses it, on the core that the
 * part of the map belongs to. */
#ifndef TORO_MM_VMA_LIST_H
#define TORO_MM_VMA_LIST_H

#include <toro/mm.h>

static inline struct toro_vma *toro_vma_of(struct toro_list *l)
{
    return toro_list_entry(l, struct toro_vma, link);
}

/** Could a and the one behind it be one? */
static inline bool toro_vma_alike(const struct toro_vma *a, const struct toro_vma *b)
{
    return a->end == b->start && a->prot == b->prot && a->kind == b->kind &&
           a->committed == b->committed;
}

/** First vma that ends behind va, or NULL. */
struct toro_vma *toro_vma_find(struct toro_mm_part *pt, uint64_t va);
/** The one behind v, or NULL. */
struct toro_vma *toro_vma_next(struct toro_mm_part *pt, struct toro_vma *v);
/** Link v before a place of the list. */
void toro_vma_insert(struct toro_list *at, struct toro_vma *v);
/** Unlink and free v. */
void toro_vma_drop(struct toro_mm_part *pt, struct toro_vma *v);
/** Join v with its neighbours where they are alike; v may be gone then. */
void toro_vma_join(struct toro_mm_part *pt, struct toro_vma *v);
/** Cut at both ends of [va, end). @return first vma inside or behind; *r = 0 or -ENOMEM */
struct toro_vma *toro_vma_isolate(struct toro_mm_part *pt, uint64_t va, uint64_t end, int *r);

/* mm/shared.c */
/** End one shared mapping in [va, end). @return 0 or -ENOMEM */
int toro_shared_unmap(struct toro_mm *mm, uint64_t va, uint64_t end);
/** Is [va, end) in one shared mapping? Shared memory has one page table entry for all its users, so
 * its protection, if there is one, is noted and not applied. @return 0 or -ENOMEM */
int toro_shared_note(struct toro_mm *mm, uint64_t va, uint64_t end, const unsigned *prot);
/** Put the first shared mapping that ends behind va into *out, if it is before what was found
 * there.
 * @return false if there is still nothing. */
bool toro_shared_next(struct toro_mm *mm, uint64_t va, struct toro_vma *out, bool found);

#endif
