/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory map of a rank: what it has of its cores' pools, and how that is protected.
 *
 * The map is in parts, one per pool, and each is touched on its pool's core alone, without a lock:
 * a thread that wants something of another part goes there for a moment (toro_visit()). Only the
 * list of shared mappings has a lock.
 *
 * The page table shows exactly that: what is not mapped here, or reserved with PROT_NONE, cannot be
 * touched. Large pages are split where a range does not fill them and come back when it does. Only
 * the cores of the rank's own threads are flushed: others have no business in memory that goes. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/sched.h>
#include "vma_list.h"

#define PROT_RW (ARCH_PROT_READ | ARCH_PROT_WRITE)
/* Less is zeroed rather than given to the host, which costs a round trip. */
#define GIVE_BACK_MIN (1ull << 20)

/* Put a protection into the page table. */
static int show(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    return arch_protect_on(va, len, prot, atomic_load_explicit(&mm->cores, memory_order_relaxed));
}

void toro_mm_init(struct toro_mm *mm, unsigned first_core, unsigned ncores)
{
    TORO_ASSERT(ncores > 0 && ncores <= TORO_MAX_CORES);
    toro_memset(mm, 0, sizeof(*mm));
    mm->nparts = ncores;
    for (unsigned i = 0; i < ncores; i++) {
        mm->part[i].pool = toro_pool(first_core + i);
        mm->part[i].core = first_core + i;
        toro_pool_range(mm->part[i].pool, &mm->part[i].start, &mm->part[i].end);
        toro_list_init(&mm->part[i].vmas);
    }
    toro_list_init(&mm->shared);
}

#define STAYED UINT32_MAX

/* To the part's core, where the caller mostly is. */
static inline unsigned visit(const struct toro_mm_part *pt)
{
    return toro_likely(pt->core == arch_core()) ? STAYED : toro_visit(pt->core);
}

static inline void leave_part(unsigned was)
{
    if (toro_unlikely(was != STAYED))
        toro_visit_end(was);
}

/* The part whose pool has the address, or NULL. */
static struct toro_mm_part *part_of(struct toro_mm *mm, uint64_t va)
{
    for (unsigned i = 0; i < mm->nparts; i++)
        if (va >= mm->part[i].start && va < mm->part[i].end)
            return &mm->part[i];
    return NULL;
}

/* The same for a range that does not leave it. */
static struct toro_mm_part *part_with(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    struct toro_mm_part *pt = part_of(mm, va);

    return pt != NULL && len <= pt->end - va ? pt : NULL;
}

bool toro_mm_has(const struct toro_mm *mm, uint64_t va)
{
    return part_of((struct toro_mm *)mm, va) != NULL;
}

uint64_t toro_mm_committed(const struct toro_mm *mm, uint64_t *peak)
{
    uint64_t sum = 0, most = 0;

    for (unsigned i = 0; i < mm->nparts; i++) {
        sum += atomic_load_explicit(&mm->part[i].committed, memory_order_relaxed);
        most += atomic_load_explicit(&mm->part[i].peak, memory_order_relaxed);
    }
    if (peak != NULL)
        *peak = most;
    return sum;
}

static void count(struct toro_mm_part *pt, uint64_t more)
{
    uint64_t now = atomic_load_explicit(&pt->committed, memory_order_relaxed) + more;

    atomic_store_explicit(&pt->committed, now, memory_order_relaxed);
    if ((int64_t)more > 0 && now > atomic_load_explicit(&pt->peak, memory_order_relaxed))
        atomic_store_explicit(&pt->peak, now, memory_order_relaxed);
}

static void uncommit(struct toro_mm_part *pt, uint64_t va, uint64_t len)
{
    toro_pool_uncommit(pt->pool, va, len);
    count(pt, -len);
}

/* Make reserved memory usable with this protection: charged, zero. */
static int commit(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t len,
                  unsigned prot)
{
    int r = show(mm, va, len, PROT_RW);

    if (r != 0)
        return r;
    r = toro_pool_commit(pt->pool, va, len);
    if (r == 0) {
        count(pt, len);
        r = prot != PROT_RW ? show(mm, va, len, prot) : 0;
        if (r != 0)
            uncommit(pt, va, len);
    }
    if (r != 0)
        (void)show(mm, va, len, 0);
    return r;
}

/* Take all pool memory in [va, end) out of the part. */
static int unmap_pool(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t end)
{
    struct toro_vma *v, *next;
    int r;

    v = toro_vma_isolate(pt, va, end, &r);
    if (r != 0)
        return r;
    for (; v != NULL && v->start < end; v = next) {
        uint64_t len = v->end - v->start;

        next = toro_vma_next(pt, v);
        r = v->prot != 0 ? show(mm, v->start, len, 0) : 0;
        if (r != 0)
            return r;
        if (v->committed)
            uncommit(pt, v->start, len);
        toro_pool_unreserve(pt->pool, v->start, len);
        toro_vma_drop(pt, v);
    }
    return 0;
}

int toro_mm_unmap(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    uint64_t end = va + len;
    bool in_pool = false;
    int r = 0;

    for (unsigned i = 0; i < mm->nparts && r == 0; i++) {
        struct toro_mm_part *pt = &mm->part[i];
        unsigned was;

        if (end <= pt->start || va >= pt->end)
            continue;
        in_pool = true;
        was = visit(pt);
        r = unmap_pool(mm, pt, TORO_MAX(va, pt->start), TORO_MIN(end, pt->end));
        leave_part(was);
    }
    return in_pool ? r : toro_shared_unmap(mm, va, end);
}

#define LARGE (2ul << 20)

/* Address space for a new vma. */
static long place(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t at, uint64_t len,
                  enum toro_map_how how, uint64_t align)
{
    uint64_t va;
    int r;

    if (how != TORO_MAP_HINT) {
        if (!toro_pool_has(pt->pool, at, len))
            return -ENOMEM;
        r = how == TORO_MAP_FIXED ? unmap_pool(mm, pt, at, at + len) : 0;
        if (r == 0)
            r = toro_pool_reserve_at(pt->pool, at, len);
        return r == 0 ? (long)at : r;
    }
    if (at != 0 && toro_pool_reserve_at(pt->pool, at, len) == 0)
        return (long)at;
    /* Large blocks on large pages of their own, but not all of them at the same place in those. */
    if (align == 0 && len >= LARGE) {
        const uint64_t most = toro_mm_colour(63);

        va = toro_pool_reserve(pt->pool, most + len, LARGE);
        if (va != 0) {
            const uint64_t colour = toro_mm_colour(va / LARGE * 17 % 62 + 1); /* 1 to 62 */

            toro_pool_unreserve(pt->pool, va, colour);
            toro_pool_unreserve(pt->pool, va + colour + len, most - colour);
            return (long)(va + colour);
        }
    }
    va = toro_pool_reserve(pt->pool, len, TORO_MAX(align, TORO_PAGE_SIZE));
    if (va == 0 && align > TORO_PAGE_SIZE)
        va = toro_pool_reserve(pt->pool, len, TORO_PAGE_SIZE);
    return va != 0 ? (long)va : -ENOMEM;
}

static long map(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t at, uint64_t len,
                unsigned prot, enum toro_map_how how, enum toro_vma_kind kind, uint64_t align)
{
    struct toro_vma *v = toro_kmalloc(sizeof(*v)), *next;
    long va;
    int r = 0;

    if (v == NULL)
        return -ENOMEM;
    va = place(mm, pt, at, len, how, align);
    if (va < 0) {
        toro_kfree(v);
        return va;
    }
    *v = (struct toro_vma){.start = (uint64_t)va,
                           .end = (uint64_t)va + len,
                           .prot = prot,
                           .kind = kind,
                           .committed = prot != 0};
    if (v->committed)
        r = commit(mm, pt, v->start, len, prot);
    if (r != 0) {
        toro_pool_unreserve(pt->pool, v->start, len);
        toro_kfree(v);
        return r;
    }
    next = toro_vma_find(pt, v->start);
    toro_vma_insert(next != NULL ? &next->link : &pt->vmas, v);
    toro_vma_join(pt, v);
    return va;
}

static long map_in(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t at, uint64_t len,
                   unsigned prot, enum toro_map_how how, enum toro_vma_kind kind, uint64_t align)
{
    unsigned was = visit(pt);
    long r;

    while ((r = map(mm, pt, at, len, prot, how, kind, align)) == -EAGAIN)
        toro_giveback_wait(pt->pool);
    leave_part(was);
    return r;
}

long toro_mm_map(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot,
                 enum toro_map_how how, enum toro_vma_kind kind, uint64_t align)
{
    struct toro_mm_part *there = at != 0 ? part_of(mm, at) : NULL;
    unsigned here = arch_core() - mm->part[0].core;
    long r;

    if (how != TORO_MAP_HINT)
        return there != NULL ? map_in(mm, there, at, len, prot, how, kind, align) : -ENOMEM;
    if (here >= mm->nparts)
        here = 0; /* somebody else's core, for the rank's start */
    if (there != NULL && there != &mm->part[here]) {
        r = map_in(mm, there, at, len, prot, TORO_MAP_EXACT, kind, align);
        if (r >= 0)
            return r;
        at = 0;
    }
    r = map_in(mm, &mm->part[here], at, len, prot, how, kind, align);
    /* The core's own pool is full: the rank's others. */
    for (unsigned i = 0; i < mm->nparts && r == -ENOMEM; i++)
        if (i != here)
            r = map_in(mm, &mm->part[i], 0, len, prot, how, kind, align);
    return r;
}

/* Is every page of [va, end) in the map? */
static bool covered(struct toro_mm_part *pt, uint64_t va, uint64_t end)
{
    for (struct toro_vma *v = toro_vma_find(pt, va); v != NULL && v->start <= va;
         v = toro_vma_next(pt, v)) {
        va = v->end;
        if (va >= end)
            return true;
    }
    return false;
}

static int protect_one(struct toro_mm *mm, struct toro_mm_part *pt, struct toro_vma *v,
                       unsigned prot)
{
    uint64_t len = v->end - v->start;
    int r = 0;

    if (prot != 0 && !v->committed) {
        r = commit(mm, pt, v->start, len, prot);
        v->committed = r == 0;
    } else if (prot != v->prot) {
        r = show(mm, v->start, len, prot);
    }
    if (r == 0)
        v->prot = prot;
    return r;
}

static int protect(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t end,
                   unsigned prot)
{
    struct toro_vma *v, *next, *prev;
    int r = 0;

    if (!covered(pt, va, end))
        return -ENOMEM;
    v = toro_vma_isolate(pt, va, end, &r);
    for (; r == 0 && v != NULL && v->start < end; v = next) {
        r = protect_one(mm, pt, v, prot);
        next = toro_vma_next(pt, v);
        prev = v->link.prev == &pt->vmas ? NULL : toro_vma_of(v->link.prev);
        if (prev != NULL && toro_vma_alike(prev, v)) {
            prev->end = v->end;
            toro_vma_drop(pt, v);
        }
    }
    if (r == 0 && v != NULL && v->link.prev != &pt->vmas)
        toro_vma_join(pt, v);
    return r;
}

int toro_mm_protect(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    struct toro_mm_part *pt = part_with(mm, va, len);
    unsigned was;
    int r;

    if (pt == NULL)
        return toro_shared_note(mm, va, va + len, &prot);
    was = visit(pt);
    /* What was done before is done once more. */
    while ((r = protect(mm, pt, va, va + len, prot)) == -EAGAIN)
        toro_giveback_wait(pt->pool);
    leave_part(was);
    return r;
}

static void copy_pages(char *to, uint64_t len, const char *from, uint64_t n)
{
    for (uint64_t at = 0, part; at < len; at += TORO_PAGE_SIZE) {
        part = at < n ? TORO_MIN(n - at, TORO_PAGE_SIZE) : 0;
        if (part != 0 && toro_memcmp(to + at, from + at, part) != 0)
            toro_memcpy(to + at, from + at, part);
        if (part < TORO_PAGE_SIZE)
            toro_memset(to + at + part, 0, TORO_PAGE_SIZE - part);
    }
}

static int fill(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t len,
                const void *from, uint64_t n, unsigned prot)
{
    struct toro_vma *v;
    int r;

    v = toro_vma_isolate(pt, va, va + len, &r);
    if (r != 0)
        return r;
    if (v == NULL || v->start != va || v->end != va + len || v->committed)
        return -EINVAL;
    r = show(mm, va, len, PROT_RW);
    if (r != 0)
        return r;
    r = toro_pool_commit_as_is(pt->pool, va, len);
    if (r != 0) {
        (void)show(mm, va, len, 0);
        return r;
    }
    count(pt, len);
    v->committed = true;
    v->prot = PROT_RW;
    copy_pages((char *)va, len, from, n);
    return protect_one(mm, pt, v, prot);
}

int toro_mm_fill(struct toro_mm *mm, uint64_t va, uint64_t len, const void *from, uint64_t n,
                 unsigned prot)
{
    struct toro_mm_part *pt = part_with(mm, va, len);
    unsigned was;
    int r;

    if (pt == NULL)
        return -EINVAL;
    was = visit(pt);
    while ((r = fill(mm, pt, va, len, from, n, prot)) == -EAGAIN)
        toro_giveback_wait(pt->pool);
    leave_part(was);
    return r;
}

static int discard_one(struct toro_mm *mm, struct toro_vma *v, uint64_t start, uint64_t end)
{
    bool open = (v->prot & ARCH_PROT_WRITE) != 0;
    int r = 0;

    /* The C library discards each stack as its thread ends, 8 MiB of which hardly any was used, and
     * asks for no zeroes there: writing them would make memory of it all. */
    if (!v->committed || v->kind == TORO_VMA_TSTACK)
        return 0;
    if (v->kind == TORO_VMA_FILE || v->kind == TORO_VMA_IMAGE)
        return -EINVAL;
    if (!open)
        r = show(mm, start, end - start, PROT_RW);
    if (r == 0)
        toro_memset((void *)start, 0, end - start);
    if (r == 0 && !open)
        r = show(mm, start, end - start, v->prot);
    return r;
}

/* Can [va, end) go to the host as it is: one piece of anonymous memory? */
static bool can_leave(struct toro_mm_part *pt, uint64_t va, uint64_t end)
{
    struct toro_vma *v = toro_vma_find(pt, va);

    return v != NULL && v->start <= va && end <= v->end && v->committed &&
           (v->kind == TORO_VMA_ANON || v->kind == TORO_VMA_BRK || v->kind == TORO_VMA_STACK);
}

static int discard(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t end)
{
    int r = 0;

    if (!covered(pt, va, end))
        return -ENOMEM;
    for (struct toro_vma *v = toro_vma_find(pt, va); r == 0 && v != NULL && v->start < end;
         v = toro_vma_next(pt, v))
        r = discard_one(mm, v, TORO_MAX(va, v->start), TORO_MIN(end, v->end));
    return r;
}

/* The whole chunks go to the host, the ends are zeroed. */
static int discard_large(struct toro_mm *mm, struct toro_mm_part *pt, uint64_t va, uint64_t end)
{
    struct toro_range done;
    int r = 0;

    /* Should another thread map something else there meanwhile: it has to wait until it is done. */
    if (!can_leave(pt, va, end) || toro_giveback_now(pt->pool, va, end - va, &done) != 0)
        return discard(mm, pt, va, end);
    if (done.start > va)
        r = discard(mm, pt, va, done.start);
    if (r == 0 && done.start + done.len < end)
        r = discard(mm, pt, done.start + done.len, end);
    return r;
}

int toro_mm_discard(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    struct toro_mm_part *pt = part_with(mm, va, len);
    unsigned was;
    int r;

    /* A shared mapping keeps its contents: they are the file's. */
    if (pt == NULL)
        return toro_shared_note(mm, va, va + len, NULL);
    was = visit(pt);
    r = len >= GIVE_BACK_MIN ? discard_large(mm, pt, va, va + len) : discard(mm, pt, va, va + len);
    leave_part(was);
    return r;
}

uint64_t toro_mm_brk(struct toro_mm *mm, uint64_t brk)
{
    uint64_t new = TORO_ALIGN_UP(brk, TORO_PAGE_SIZE), old;
    unsigned was = visit(&mm->part[0]);
    long r = 0;

    old = TORO_ALIGN_UP(mm->brk, TORO_PAGE_SIZE);
    if (brk < mm->brk_start || brk > mm->brk_end)
        r = -ENOMEM;
    else if (new > old)
        r = toro_mm_protect(mm, old, new - old, ARCH_PROT_READ | ARCH_PROT_WRITE);
    else if (new < old)
        r = toro_mm_map(mm, new, old - new, 0, TORO_MAP_FIXED, TORO_VMA_BRK, 0);
    if (r >= 0)
        mm->brk = brk;
    brk = mm->brk;
    leave_part(was);
    return brk;
}

static bool next_in(struct toro_mm_part *pt, uint64_t va, struct toro_vma *out)
{
    unsigned was = visit(pt);
    const struct toro_vma *v = toro_vma_find(pt, va);

    if (v != NULL)
        *out = *v;
    leave_part(was);
    return v != NULL;
}

bool toro_mm_next(struct toro_mm *mm, uint64_t va, struct toro_vma *out)
{
    bool found = false;

    for (unsigned i = 0; i < mm->nparts && !found; i++) {
        found = mm->part[i].end > va && next_in(&mm->part[i], va, out);
    }
    return toro_shared_next(mm, va, out, found);
}

void toro_mm_clear(struct toro_mm *mm)
{
    toro_mm_unshare(mm);
    for (unsigned i = 0; i < mm->nparts; i++) {
        struct toro_mm_part *pt = &mm->part[i];
        unsigned was = visit(pt);
        struct toro_list *l;

        pt->hit = NULL;
        while ((l = pt->vmas.next) != &pt->vmas) {
            struct toro_vma *v = toro_vma_of(l);

            /* Only the page tables of a split page could be missing, and those are there. */
            if (unmap_pool(mm, pt, v->start, v->end) != 0)
                toro_vma_drop(pt, v);
        }
        leave_part(was);
    }
}
