/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory map of a rank: which parts of its core's pool it has, and how they are protected.
 *
 * The page table shows exactly that: what is not mapped here, or reserved with PROT_NONE, cannot be
 * touched. Large pages are split where a range does not fill them and come back when it does. Only
 * the cores of the rank's own threads are flushed: others have no business in memory that goes. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include "vma_list.h"

#define PROT_RW (ARCH_PROT_READ | ARCH_PROT_WRITE)
/* Less is zeroed rather than given to the host, which costs a round trip. */
#define GIVE_BACK_MIN (1ull << 20)

/* Put a protection into the page table. */
static int show(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    return arch_protect_on(va, len, prot, atomic_load_explicit(&mm->cores, memory_order_relaxed));
}

void toro_mm_init(struct toro_mm *mm, struct toro_pool *pool)
{
    *mm = (struct toro_mm){.pool = pool};
    toro_list_init(&mm->vmas);
    toro_list_init(&mm->shared);
}

static void uncommit(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    toro_pool_uncommit(mm->pool, va, len);
    mm->committed -= len;
}

/* Make reserved memory usable with this protection: charged, zero. */
static int commit(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    int r = show(mm, va, len, PROT_RW);

    if (r != 0)
        return r;
    r = toro_pool_commit(mm->pool, va, len);
    if (r == 0) {
        mm->committed += len;
        mm->peak = TORO_MAX(mm->peak, mm->committed);
        r = prot != PROT_RW ? show(mm, va, len, prot) : 0;
        if (r != 0)
            uncommit(mm, va, len);
    }
    if (r != 0)
        (void)show(mm, va, len, 0);
    return r;
}

/* Take all pool memory in [va, end) out of the map. Lock held. */
static int unmap_pool(struct toro_mm *mm, uint64_t va, uint64_t end)
{
    struct toro_vma *v, *next;
    int r;

    v = toro_vma_isolate(mm, va, end, &r);
    if (r != 0)
        return r;
    for (; v != NULL && v->start < end; v = next) {
        uint64_t len = v->end - v->start;

        next = toro_vma_next(mm, v);
        r = v->prot != 0 ? show(mm, v->start, len, 0) : 0;
        if (r != 0)
            return r;
        if (v->committed)
            uncommit(mm, v->start, len);
        toro_pool_unreserve(mm->pool, v->start, len);
        toro_vma_drop(mm, v);
    }
    return 0;
}

/* Take shared mappings in [va, end) out; each address once per mapping that covers it. The entries
 * that end go to `dead`. */
static int unmap_shared(struct toro_mm *mm, uint64_t va, uint64_t end, struct toro_list *dead)
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

int toro_mm_unmap(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    struct toro_list dead = TORO_LIST_INIT(dead);
    int r;

    toro_spin_lock(&mm->lock);
    if (toro_pool_has(mm->pool, va, len))
        r = unmap_pool(mm, va, va + len);
    else
        r = unmap_shared(mm, va, va + len, &dead);
    toro_spin_unlock(&mm->lock);
    bury(&dead);
    return r;
}

#define LARGE (2ul << 20)

/* Address space for a new vma. Lock held. */
static long place(struct toro_mm *mm, uint64_t at, uint64_t len, enum toro_map_how how,
                  uint64_t align)
{
    uint64_t va;
    int r;

    if (how != TORO_MAP_HINT) {
        if (!toro_pool_has(mm->pool, at, len))
            return -ENOMEM;
        r = how == TORO_MAP_FIXED ? unmap_pool(mm, at, at + len) : 0;
        if (r == 0)
            r = toro_pool_reserve_at(mm->pool, at, len);
        return r == 0 ? (long)at : r;
    }
    if (at != 0 && toro_pool_reserve_at(mm->pool, at, len) == 0)
        return (long)at;
    /* Large blocks on large pages of their own, but not all of them at the same place in those. */
    if (align == 0 && len >= LARGE) {
        const uint64_t most = toro_mm_colour(63);

        va = toro_pool_reserve(mm->pool, most + len, LARGE);
        if (va != 0) {
            const uint64_t colour = toro_mm_colour(va / LARGE * 17 % 62 + 1); /* 1 to 62 */

            toro_pool_unreserve(mm->pool, va, colour);
            toro_pool_unreserve(mm->pool, va + colour + len, most - colour);
            return (long)(va + colour);
        }
    }
    va = toro_pool_reserve(mm->pool, len, TORO_MAX(align, TORO_PAGE_SIZE));
    if (va == 0 && align > TORO_PAGE_SIZE)
        va = toro_pool_reserve(mm->pool, len, TORO_PAGE_SIZE);
    return va != 0 ? (long)va : -ENOMEM;
}

static long map(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot, enum toro_map_how how,
                enum toro_vma_kind kind, uint64_t align)
{
    struct toro_vma *v = toro_kmalloc(sizeof(*v)), *next;
    long va;
    int r = 0;

    if (v == NULL)
        return -ENOMEM;
    toro_spin_lock(&mm->lock);
    va = place(mm, at, len, how, align);
    if (va < 0) {
        toro_spin_unlock(&mm->lock);
        toro_kfree(v);
        return va;
    }
    *v = (struct toro_vma){.start = (uint64_t)va,
                           .end = (uint64_t)va + len,
                           .prot = prot,
                           .kind = kind,
                           .committed = prot != 0};
    if (v->committed)
        r = commit(mm, v->start, len, prot);
    if (r != 0) {
        toro_pool_unreserve(mm->pool, v->start, len);
        toro_kfree(v);
        va = r;
    } else {
        next = toro_vma_find(mm, v->start);
        toro_vma_insert(next != NULL ? &next->link : &mm->vmas, v);
        toro_vma_join(mm, v);
    }
    toro_spin_unlock(&mm->lock);
    return va;
}

long toro_mm_map(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot,
                 enum toro_map_how how, enum toro_vma_kind kind, uint64_t align)
{
    long r;

    while ((r = map(mm, at, len, prot, how, kind, align)) == -EAGAIN)
        toro_giveback_wait(mm->pool);
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

/* Is every page of [va, end) in the map? */
static bool covered(struct toro_mm *mm, uint64_t va, uint64_t end)
{
    for (struct toro_vma *v = toro_vma_find(mm, va); v != NULL && v->start <= va;
         v = toro_vma_next(mm, v)) {
        va = v->end;
        if (va >= end)
            return true;
    }
    return false;
}

static int protect_one(struct toro_mm *mm, struct toro_vma *v, unsigned prot)
{
    uint64_t len = v->end - v->start;
    int r = 0;

    if (prot != 0 && !v->committed) {
        r = commit(mm, v->start, len, prot);
        v->committed = r == 0;
    } else if (prot != v->prot) {
        r = show(mm, v->start, len, prot);
    }
    if (r == 0)
        v->prot = prot;
    return r;
}

static int protect(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    struct toro_vma *v, *next, *prev;
    uint64_t end = va + len;
    int r = 0;

    toro_spin_lock(&mm->lock);
    if (!toro_pool_has(mm->pool, va, len)) {
        /* Shared memory has one page table entry for all its users: noted, not applied. */
        r = -ENOMEM;
        toro_list_each(&mm->shared,
                       it) if (toro_vma_of(it)->start <= va && end <= toro_vma_of(it)->end)
        {
            toro_vma_of(it)->prot = prot;
            r = 0;
        }
    } else if (!covered(mm, va, end)) {
        r = -ENOMEM;
    } else {
        v = toro_vma_isolate(mm, va, end, &r);
        for (; r == 0 && v != NULL && v->start < end; v = next) {
            r = protect_one(mm, v, prot);
            next = toro_vma_next(mm, v);
            prev = v->link.prev == &mm->vmas ? NULL : toro_vma_of(v->link.prev);
            if (prev != NULL && toro_vma_alike(prev, v)) {
                prev->end = v->end;
                toro_vma_drop(mm, v);
            }
        }
        if (r == 0 && v != NULL && v->link.prev != &mm->vmas)
            toro_vma_join(mm, v);
    }
    toro_spin_unlock(&mm->lock);
    return r;
}

int toro_mm_protect(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot)
{
    int r;

    /* What was done before is done once more. */
    while ((r = protect(mm, va, len, prot)) == -EAGAIN)
        toro_giveback_wait(mm->pool);
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

static int fill(struct toro_mm *mm, uint64_t va, uint64_t len, const void *from, uint64_t n,
                unsigned prot)
{
    struct toro_vma *v;
    int r = -EINVAL;

    toro_spin_lock(&mm->lock);
    v = toro_pool_has(mm->pool, va, len) ? toro_vma_isolate(mm, va, va + len, &r) : NULL;
    if (v != NULL && (v->start != va || v->end != va + len || v->committed))
        r = -EINVAL;
    if (v != NULL && r == 0)
        r = show(mm, va, len, PROT_RW);
    if (v != NULL && r == 0) {
        r = toro_pool_commit_as_is(mm->pool, va, len);
        if (r == 0) {
            mm->committed += len;
            mm->peak = TORO_MAX(mm->peak, mm->committed);
            v->committed = true;
            v->prot = PROT_RW;
            copy_pages((char *)va, len, from, n);
            r = protect_one(mm, v, prot);
        } else {
            (void)show(mm, va, len, 0);
        }
    }
    toro_spin_unlock(&mm->lock);
    return r;
}

int toro_mm_fill(struct toro_mm *mm, uint64_t va, uint64_t len, const void *from, uint64_t n,
                 unsigned prot)
{
    int r;

    while ((r = fill(mm, va, len, from, n, prot)) == -EAGAIN)
        toro_giveback_wait(mm->pool);
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
static bool can_leave(struct toro_mm *mm, uint64_t va, uint64_t end)
{
    struct toro_vma *v = toro_pool_has(mm->pool, va, end - va) ? toro_vma_find(mm, va) : NULL;

    return v != NULL && v->start <= va && end <= v->end && v->committed &&
           (v->kind == TORO_VMA_ANON || v->kind == TORO_VMA_BRK || v->kind == TORO_VMA_STACK);
}

static int discard(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    uint64_t end = va + len;
    int r = 0;

    toro_spin_lock(&mm->lock);
    if (!toro_pool_has(mm->pool, va, len)) {
        /* A shared mapping keeps its contents: they are the file's. */
        r = -ENOMEM;
        toro_list_each(&mm->shared,
                       it) if (toro_vma_of(it)->start <= va && end <= toro_vma_of(it)->end) r = 0;
    } else if (!covered(mm, va, end)) {
        r = -ENOMEM;
    } else {
        for (struct toro_vma *v = toro_vma_find(mm, va); r == 0 && v != NULL && v->start < end;
             v = toro_vma_next(mm, v))
            r = discard_one(mm, v, TORO_MAX(va, v->start), TORO_MIN(end, v->end));
    }
    toro_spin_unlock(&mm->lock);
    return r;
}

int toro_mm_discard(struct toro_mm *mm, uint64_t va, uint64_t len)
{
    struct toro_range done;
    bool leave = false;
    int r;

    if (len >= GIVE_BACK_MIN) {
        toro_spin_lock(&mm->lock);
        leave = can_leave(mm, va, va + len);
        toro_spin_unlock(&mm->lock);
    }
    /* Should another thread map something else there meanwhile: it has to wait until it is done. */
    if (!leave || toro_giveback_now(mm->pool, va, len, &done) != 0)
        return discard(mm, va, len);
    r = done.start > va ? discard(mm, va, done.start - va) : 0;
    if (r == 0 && done.start + done.len < va + len)
        r = discard(mm, done.start + done.len, va + len - (done.start + done.len));
    return r;
}

uint64_t toro_mm_brk(struct toro_mm *mm, uint64_t brk)
{
    uint64_t old = TORO_ALIGN_UP(mm->brk, TORO_PAGE_SIZE);
    uint64_t new = TORO_ALIGN_UP(brk, TORO_PAGE_SIZE);
    long r = 0;

    if (brk < mm->brk_start || brk > mm->brk_end)
        return mm->brk;
    if (new > old)
        r = toro_mm_protect(mm, old, new - old, ARCH_PROT_READ | ARCH_PROT_WRITE);
    else if (new < old)
        r = toro_mm_map(mm, new, old - new, 0, TORO_MAP_FIXED, TORO_VMA_BRK, 0);
    if (r >= 0)
        mm->brk = brk;
    return mm->brk;
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

bool toro_mm_next(struct toro_mm *mm, uint64_t va, struct toro_vma *out)
{
    struct toro_vma *best;

    toro_spin_lock(&mm->lock);
    best = toro_vma_find(mm, va);
    toro_list_each(&mm->shared, it)
    {
        struct toro_vma *v = toro_vma_of(it);

        if (va < v->end && (best == NULL || v->start < best->start))
            best = v;
    }
    if (best != NULL)
        *out = *best;
    toro_spin_unlock(&mm->lock);
    return best != NULL;
}

void toro_mm_unshare(struct toro_mm *mm)
{
    struct toro_list dead = TORO_LIST_INIT(dead), *l;

    toro_spin_lock(&mm->lock);
    mm->hit = NULL;
    while ((l = toro_list_pop(&mm->shared)) != NULL)
        toro_list_push(&dead, l);
    toro_spin_unlock(&mm->lock);
    bury(&dead);
}

void toro_mm_clear(struct toro_mm *mm)
{
    struct toro_vma *first;
    struct toro_list *l;

    toro_mm_unshare(mm);
    toro_spin_lock(&mm->lock);
    mm->hit = NULL;
    while ((l = mm->vmas.next) != &mm->vmas) {
        first = toro_vma_of(l);
        /* Only the page tables of a split page could be missing, and those are there. */
        if (unmap_pool(mm, first->start, first->end) != 0)
            toro_vma_drop(mm, first);
    }
    toro_spin_unlock(&mm->lock);
}
