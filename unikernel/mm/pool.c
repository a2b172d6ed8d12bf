/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools: the guest's slice, divided. A pool keeps its free address space as a sorted list of
 * extents, first fit. Memory starts out zero (a fresh sparse file); a byte per 64 KiB says how many
 * of its pages are handed out and whether the others may hold old data: only that is zeroed when it
 * is handed out again. What nobody takes for a while goes back to the host (mm/giveback.c) and is
 * zero again after that; while it is on its way it is handed out to nobody.
 *
 * What is charged against the guest's memory limit comes from a counter of the guest, but in large
 * steps: a pool keeps credit of its own, so that cores do not meet at that counter.
 *
 * A core's pool is touched on that core alone. The kernel is not preempted, so that takes no lock:
 * who comes from elsewhere visits the core first (toro_visit(): the thread itself goes into the
 * owner's queue). The shared pool belongs to nobody and has a lock. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/sched.h>
#include <torobus/ctl.h>
#include <torobus/region.h>

#define CHUNK_SHIFT 16u
#define CHUNK_SIZE  (1ull << CHUNK_SHIFT)
#define CREDIT_MAX  (8ull << 20)

/* State of a chunk. */
#define TAKEN 0x1fu /* handed out: 0 to 16 */
#define DIRTY 0x20u /* what is not handed out may not be zero */
#define OLD   0x40u /* nothing of it was handed out the last time that toro_pool_idle() looked */

struct extent {
    struct extent *next;
    uint64_t start, end;
};

struct toro_pool {
    struct toro_spinlock lock; /* of the shared pool only */
    unsigned core;             /* whose it is; of the shared pool: the number of cores */
    bool open;                 /* always mapped */
    _Atomic bool told;         /* toro_giveback_wanted() knows that there is something */
    uint64_t start, end;
    struct extent *free; /* sorted, never adjacent */
    struct extent *spare;
    _Atomic uint64_t charged; /* bytes handed out; read by others */
    uint64_t credit;          /* taken from the guest's counter, not handed out */
    /* The owner's, but for DIRTY of a chunk of the shared pool that is handed out as a whole. */
    _Atomic uint8_t *chunk;
    uint64_t idle_low, idle_high; /* where chunks may be idle: addresses */
    /* On their way to the host. */
    const struct toro_range *leaving;
    _Atomic unsigned nleaving;
} __attribute__((aligned(64)));

static struct toro_pool pools[TORO_MAX_CORES + 1];
static unsigned npools;
static unsigned shared_index; /* index of the shared pool */
static uint64_t credit_step;
static uint64_t guest_limit;
static _Atomic uint64_t guest_left; /* bytes of the limit that no pool has taken */

/* The pool is the caller's until leave(). */
static void enter(struct toro_pool *p)
{
    if (p->core == shared_index)
        toro_spin_lock(&p->lock);
    else
        TORO_ASSERT(p->core == arch_core());
}

static void leave(struct toro_pool *p)
{
    if (p->core == shared_index)
        toro_spin_unlock(&p->lock);
}

static uint64_t charged(const struct toro_pool *p)
{
    return atomic_load_explicit(&p->charged, memory_order_relaxed);
}

static void set_charged(struct toro_pool *p, uint64_t bytes)
{
    atomic_store_explicit(&p->charged, bytes, memory_order_relaxed);
}

static struct extent *extent_new(struct toro_pool *p, uint64_t start, uint64_t end,
                                 struct extent *next)
{
    struct extent *e = p->spare;

    if (e != NULL)
        p->spare = e->next;
    else
        e = toro_kmalloc(sizeof(*e));
    if (e != NULL)
        *e = (struct extent){next, start, end};
    return e;
}

static void extent_drop(struct toro_pool *p, struct extent *e)
{
    e->next = p->spare;
    p->spare = e;
}

int toro_pools_init(uint64_t slice_va, uint64_t slice_size, uint64_t mem_limit, unsigned ncores)
{
    uint64_t colour, at;
    int err;

    TORO_ASSERT(ncores > 0 && ncores <= TORO_MAX_CORES);
    if (mem_limit == 0 || mem_limit > slice_size)
        mem_limit = slice_size;
    npools = ncores + 1;
    shared_index = ncores;
    guest_limit = mem_limit;
    credit_step = TORO_ALIGN_UP(TORO_MIN(CREDIT_MAX, mem_limit / 16 / npools), TORO_PAGE_SIZE);
    atomic_store_explicit(&guest_left, mem_limit, memory_order_relaxed);
    for (unsigned i = 0; i < npools; i++) {
        struct toro_pool *p = &pools[i];
        uint64_t size = torobus_pool_span(slice_size, ncores, i, &at);

        at += slice_va;
        /* The ranks of a job do the same in pools of the same size. If their memory began at the
         * same place in it, what one rank copies from another would lie on pages that collide in
         * the direct-mapped translation table of an emulated CPU, and in caches. */
        colour = i < ncores ? toro_mm_colour(slice_va / slice_size * 7 + i * 29) : 0;
        *p = (struct toro_pool){.core = i, .start = at + colour, .end = at + size};
        p->free = extent_new(p, p->start, p->end, NULL);
        p->idle_low = p->end;
        p->idle_high = p->start;
        p->chunk = toro_kzalloc(size >> CHUNK_SHIFT);
        if (p->free == NULL || p->chunk == NULL)
            return -ENOMEM;
        /* What a rank has not mapped it cannot touch (mm/vma.c); the kernel's own pool is open. */
        p->open = i == ncores;
        err = arch_protect(at, size, p->open ? ARCH_PROT_READ | ARCH_PROT_WRITE : 0);
        if (err != 0)
            return err;
    }
    return 0;
}

unsigned toro_pool_core(const struct toro_pool *p)
{
    return p->core;
}

void toro_pool_range(const struct toro_pool *p, uint64_t *start, uint64_t *end)
{
    *start = p->start;
    *end = p->end;
}

struct toro_pool *toro_pool(unsigned index)
{
    TORO_ASSERT(index < npools);
    return &pools[index];
}

bool toro_pool_has(const struct toro_pool *p, uint64_t va, uint64_t len)
{
    return va >= p->start && va <= p->end && len <= p->end - va;
}

void toro_pool_usage(struct toro_pool *p, uint64_t *used, uint64_t *size)
{
    *used = charged(p);
    *size = p->end - p->start;
}

uint64_t toro_pools_limit(uint64_t *used)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < npools; i++) {
        uint64_t u, size;

        toro_pool_usage(&pools[i], &u, &size);
        sum += u;
    }
    *used = sum;
    return guest_limit;
}

static int charge(struct toro_pool *p, uint64_t len)
{
    if (p->credit < len) {
        uint64_t left = atomic_load_explicit(&guest_left, memory_order_relaxed);
        uint64_t need = len - p->credit, take;

        do {
            if (left < need)
                return -ENOMEM;
            take = TORO_MIN(left, TORO_MAX(need, credit_step));
        } while (!atomic_compare_exchange_weak_explicit(
            &guest_left, &left, left - take, memory_order_relaxed, memory_order_relaxed));
        p->credit += take;
    }
    p->credit -= len;
    set_charged(p, charged(p) + len);
    return 0;
}

static void uncharge(struct toro_pool *p, uint64_t len)
{
    TORO_ASSERT(charged(p) >= len);
    set_charged(p, charged(p) - len);
    p->credit += len;
    if (p->credit > 4 * credit_step) {
        atomic_fetch_add_explicit(&guest_left, p->credit - credit_step, memory_order_relaxed);
        p->credit = credit_step;
    }
}

/* Take [start, end) out of extent e, whose link is *pp. */
static int carve(struct toro_pool *p, struct extent **pp, uint64_t start, uint64_t end)
{
    struct extent *e = *pp, *tail;

    if (e->start == start && e->end == end) {
        *pp = e->next;
        extent_drop(p, e);
    } else if (e->start == start) {
        e->start = end;
    } else if (e->end == end) {
        e->end = start;
    } else {
        tail = extent_new(p, end, e->end, e->next);
        if (tail == NULL)
            return -ENOMEM;
        e->end = start;
        e->next = tail;
    }
    return 0;
}

static uint64_t take(struct toro_pool *p, uint64_t len, uint64_t align)
{
    for (struct extent **pp = &p->free; *pp != NULL; pp = &(*pp)->next) {
        uint64_t start = TORO_ALIGN_UP((*pp)->start, align);

        if (start >= (*pp)->start && start < (*pp)->end && (*pp)->end - start >= len)
            return carve(p, pp, start, start + len) == 0 ? start : 0;
    }
    return 0;
}

static int take_at(struct toro_pool *p, uint64_t va, uint64_t len)
{
    for (struct extent **pp = &p->free; *pp != NULL && (*pp)->start <= va; pp = &(*pp)->next)
        if (va < (*pp)->end)
            return len <= (*pp)->end - va ? carve(p, pp, va, va + len) : -EEXIST;
    return -EEXIST;
}

static void give(struct toro_pool *p, uint64_t start, uint64_t end)
{
    struct extent **pp = &p->free, *prev = NULL, *next, *e;

    while (*pp != NULL && (*pp)->start < start) {
        prev = *pp;
        pp = &prev->next;
    }
    next = *pp;
    TORO_ASSERT((prev == NULL || prev->end <= start) && (next == NULL || end <= next->start));
    if (prev != NULL && prev->end == start) {
        prev->end = end;
        if (next != NULL && next->start == end) {
            prev->end = next->end;
            prev->next = next->next;
            extent_drop(p, next);
        }
    } else if (next != NULL && next->start == end) {
        next->start = start;
    } else {
        e = extent_new(p, start, end, next);
        /* Without kernel memory for the node the range is lost until the guest ends. */
        if (e != NULL)
            *pp = e;
        else
            toro_printk(0, "pool: no memory to note %lu free bytes", (unsigned long)(end - start));
    }
}

static unsigned state(const struct toro_pool *p, uint64_t c)
{
    return atomic_load_explicit(&p->chunk[c], memory_order_relaxed);
}

static void set_state(struct toro_pool *p, uint64_t c, unsigned s)
{
    atomic_store_explicit(&p->chunk[c], (uint8_t)s, memory_order_relaxed);
}

/* Pages of chunk c in [va, end). */
static unsigned pages_in(const struct toro_pool *p, uint64_t c, uint64_t va, uint64_t end)
{
    uint64_t from = p->start + (c << CHUNK_SHIFT);

    return (unsigned)((TORO_MIN(end, from + CHUNK_SIZE) - TORO_MAX(va, from)) / TORO_PAGE_SIZE);
}

static void count_in(struct toro_pool *p, uint64_t va, uint64_t len)
{
    uint64_t last = (va + len - 1 - p->start) >> CHUNK_SHIFT;

    for (uint64_t c = (va - p->start) >> CHUNK_SHIFT; c <= last; c++)
        set_state(p, c, (state(p, c) & ~OLD) + pages_in(p, c, va, va + len));
}

/* @return whether chunks have become idle. */
static bool count_out(struct toro_pool *p, uint64_t va, uint64_t len)
{
    uint64_t first = (va - p->start) >> CHUNK_SHIFT;
    uint64_t last = (va + len - 1 - p->start) >> CHUNK_SHIFT;
    bool idle = false;

    for (uint64_t c = first; c <= last; c++) {
        unsigned s = (state(p, c) | DIRTY) - pages_in(p, c, va, va + len);

        set_state(p, c, s);
        idle |= (s & TAKEN) == 0;
    }
    if (idle) {
        p->idle_low = TORO_MIN(p->idle_low, p->start + (first << CHUNK_SHIFT));
        p->idle_high = TORO_MAX(p->idle_high, p->start + ((last + 1) << CHUNK_SHIFT));
    }
    return idle;
}

/* Zero what may not be zero. The range is the caller's already; only chunks at its edges are shared
 * with others, and stay dirty. */
static void clean(struct toro_pool *p, uint64_t va, uint64_t len)
{
    uint64_t end = va + len;

    while (va < end) {
        uint64_t c = (va - p->start) >> CHUNK_SHIFT;
        uint64_t chunk = p->start + (c << CHUNK_SHIFT);
        uint64_t stop = TORO_MIN(end, chunk + CHUNK_SIZE);

        if ((state(p, c) & DIRTY) != 0) {
            toro_memset((void *)va, 0, stop - va);
            if (va == chunk && stop == chunk + CHUNK_SIZE)
                set_state(p, c, state(p, c) & ~DIRTY);
        }
        va = stop;
    }
}

static bool is_leaving(const struct toro_pool *p, uint64_t va, uint64_t len)
{
    for (unsigned i = 0; i < p->nleaving; i++)
        if (va < p->leaving[i].start + p->leaving[i].len && p->leaving[i].start < va + len)
            return true;
    return false;
}

bool toro_pool_told(const struct toro_pool *p)
{
    return atomic_load_explicit(&p->told, memory_order_acquire);
}

bool toro_pool_is_leaving(struct toro_pool *p)
{
    return atomic_load_explicit(&p->nleaving, memory_order_acquire) != 0;
}

unsigned toro_pool_idle(struct toro_pool *p, struct toro_range *out, unsigned max, bool *more)
{
    uint64_t low = p->end, high = p->start;
    unsigned n = 0;

    enter(p);
    TORO_ASSERT(!toro_pool_is_leaving(p));
    for (uint64_t at = p->idle_low; at < p->idle_high; at += CHUNK_SIZE) {
        uint64_t c = (at - p->start) >> CHUNK_SHIFT;
        unsigned s = state(p, c);
        bool joins = n > 0 && out[n - 1].start + out[n - 1].len == at;

        if ((s & TAKEN) != 0 || (s & DIRTY) == 0)
            continue;
        if ((s & OLD) != 0 && (joins || n < max)) {
            if (joins)
                out[n - 1].len += CHUNK_SIZE;
            else
                out[n++] = (struct toro_range){at, CHUNK_SIZE};
            continue;
        }
        set_state(p, c, s | OLD);
        low = TORO_MIN(low, at);
        high = at + CHUNK_SIZE;
    }
    p->idle_low = low;
    p->idle_high = high;
    *more = low < high;
    atomic_store_explicit(&p->told, *more, memory_order_relaxed);
    p->leaving = out;
    atomic_store_explicit(&p->nleaving, n, memory_order_relaxed);
    leave(p);
    return n;
}

bool toro_pool_leave(struct toro_pool *p, const struct toro_range *one)
{
    bool ok;

    enter(p);
    ok = !toro_pool_is_leaving(p);
    if (ok) {
        p->leaving = one;
        atomic_store_explicit(&p->nleaving, 1, memory_order_relaxed);
    }
    leave(p);
    return ok;
}

void toro_pool_left(struct toro_pool *p, bool zero)
{
    enter(p);
    for (unsigned i = 0; i < p->nleaving; i++) {
        uint64_t first = (p->leaving[i].start - p->start) >> CHUNK_SHIFT;

        for (uint64_t c = first; c < first + (p->leaving[i].len >> CHUNK_SHIFT); c++)
            if ((state(p, c) & TAKEN) == 0)
                set_state(p, c, zero ? 0 : state(p, c) & ~OLD);
    }
    atomic_store_explicit(&p->nleaving, 0, memory_order_release);
    leave(p);
}

uint64_t toro_pool_reserve(struct toro_pool *p, uint64_t len, uint64_t align)
{
    uint64_t va;

    len = TORO_ALIGN_UP(len, TORO_PAGE_SIZE);
    if (len == 0)
        return 0;
    enter(p);
    va = take(p, len, TORO_MAX(align, TORO_PAGE_SIZE));
    leave(p);
    return va;
}

int toro_pool_reserve_at(struct toro_pool *p, uint64_t va, uint64_t len)
{
    int r;

    if (!toro_pool_has(p, va, len))
        return -ENOMEM;
    enter(p);
    r = take_at(p, va, len);
    leave(p);
    return r;
}

void toro_pool_unreserve(struct toro_pool *p, uint64_t va, uint64_t len)
{
    TORO_ASSERT(toro_pool_has(p, va, len) && len > 0);
    enter(p);
    give(p, va, va + len);
    leave(p);
}

int toro_pool_commit_as_is(struct toro_pool *p, uint64_t va, uint64_t len)
{
    int r;

    TORO_ASSERT(toro_pool_has(p, va, len));
    for (;;) {
        enter(p);
        r = is_leaving(p, va, len) ? -EAGAIN : charge(p, len);
        if (r == 0)
            count_in(p, va, len);
        leave(p);
        /* Who uses the shared pool may sleep here; mm/vma.c looks at its map again after that. */
        if (r != -EAGAIN || !p->open)
            break;
        toro_giveback_wait(p);
    }
    return r;
}

int toro_pool_commit(struct toro_pool *p, uint64_t va, uint64_t len)
{
    int r = toro_pool_commit_as_is(p, va, len);

    if (r == 0)
        clean(p, va, len);
    return r;
}

void toro_pools_wiped(const struct torobus_ctl_range *keep, unsigned nkeep)
{
    for (unsigned i = 0; i < npools; i++) {
        struct toro_pool *p = &pools[i];
        unsigned was = toro_visit(i < shared_index ? i : arch_core());

        enter(p);
        for (uint64_t c = 0; c < (p->end - p->start) >> CHUNK_SHIFT; c++)
            set_state(p, c, state(p, c) & TAKEN);
        for (unsigned k = 0; k < nkeep; k++) {
            uint64_t va = TOROBUS_REGION_VA + keep[k].offset;

            if (keep[k].len == 0 || !toro_pool_has(p, va, keep[k].len))
                continue;
            for (uint64_t c = (va - p->start) >> CHUNK_SHIFT;
                 c <= (va + keep[k].len - 1 - p->start) >> CHUNK_SHIFT; c++)
                set_state(p, c, state(p, c) | DIRTY);
        }
        /* what is kept is idle, but is not to go to the host */
        p->idle_low = p->end;
        p->idle_high = p->start;
        leave(p);
        toro_visit_end(was);
    }
}

void toro_pool_uncommit(struct toro_pool *p, uint64_t va, uint64_t len)
{
    TORO_ASSERT(toro_pool_has(p, va, len) && len > 0);
    enter(p);
    /* Once until it is looked at: what says so is written on other cores too. Order: told, then
     * wanted; the thread takes wanted first. */
    if (count_out(p, va, len) && !toro_pool_told(p)) {
        atomic_store_explicit(&p->told, true, memory_order_release);
        if (!toro_giveback_wanted())
            atomic_store_explicit(&p->told, false, memory_order_relaxed);
    }
    uncharge(p, len);
    leave(p);
}

uint64_t toro_pool_alloc(struct toro_pool *p, uint64_t len, uint64_t align)
{
    uint64_t va;

    TORO_ASSERT(p->open);
    va = toro_pool_reserve(p, len, align);

    len = TORO_ALIGN_UP(len, TORO_PAGE_SIZE);
    if (va != 0 && toro_pool_commit(p, va, len) != 0) {
        toro_pool_unreserve(p, va, len);
        va = 0;
    }
    return va;
}

int toro_pool_alloc_at(struct toro_pool *p, uint64_t va, uint64_t len)
{
    int r;

    TORO_ASSERT(p->open);
    len = TORO_ALIGN_UP(len, TORO_PAGE_SIZE);
    r = toro_pool_reserve_at(p, va, len);
    if (r == 0) {
        r = toro_pool_commit(p, va, len);
        if (r != 0)
            toro_pool_unreserve(p, va, len);
    }
    return r;
}

void toro_pool_free(struct toro_pool *p, uint64_t va, uint64_t len)
{
    len = TORO_ALIGN_UP(len, TORO_PAGE_SIZE);
    toro_pool_uncommit(p, va, len);
    toro_pool_unreserve(p, va, len);
}
