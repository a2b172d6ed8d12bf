/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools: disjoint, zeroed, joined again when free, limited; memory that nobody has used is not
 * touched. */
#include "tap.h"
#include "kernel-memory.h"
#include "unikernel/mm/pool.c"

#include <pthread.h>

#define PAGE  4096ull
#define MIB   (1ull << 20)
#define GIB   (1ull << 30)
#define SLICE (4 * GIB)

static uint64_t slice;
static unsigned seed = 7;

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

static uint64_t used(struct toro_pool *p)
{
    uint64_t u, size;

    toro_pool_usage(p, &u, &size);
    return u;
}

static _Atomic unsigned wanted, waits;

bool toro_giveback_wanted(void)
{
    wanted++;
    return true;
}

void toro_giveback_wait(struct toro_pool *p)
{
    waits++;
    while (toro_pool_is_leaving(p))
        sched_yield();
}

static void begin(unsigned ncores, uint64_t limit)
{
    for (unsigned i = 0; i < npools; i++) {
        for (struct extent *e = pools[i].free, *n; e != NULL; e = n) {
            n = e->next;
            toro_kfree(e);
        }
        for (struct extent *e = pools[i].spare, *n; e != NULL; e = n) {
            n = e->next;
            toro_kfree(e);
        }
        toro_kfree((void *)pools[i].chunk);
    }
    madvise((void *)slice, SLICE, MADV_DONTNEED);
    t_ok(toro_pools_init(slice, SLICE, limit, ncores) == 0, "a slice for %u cores", ncores);
}

static void geometry(void)
{
    static const unsigned cores[] = {1, 2, 3, 4, 7, 8, 64};

    for (unsigned k = 0; k < TORO_ARRAY_SIZE(cores); k++) {
        unsigned n = cores[k];
        uint64_t last = 0;
        bool ok = true;

        begin(n, 0);
        for (unsigned i = 0; i <= n; i++) {
            struct toro_pool *p = toro_pool(i);
            uint64_t from = i == 0 ? slice : toro_pool(i - 1)->end;

            /* ranks' memory begins at different places in their pools */
            ok &= p->start >= from && p->start < from + 64 * TORO_PAGE_SIZE && p->end > p->start;
            ok &= p->start % TORO_PAGE_SIZE == 0 && from % (2 * MIB) == 0;
            ok &= p->end - from >= 32 * MIB && (i < n || p->start == from);
            if (i > 0 && i < n)
                ok &= p->start - from != last;
            last = p->start - from;
            ok &= toro_pool_has(p, p->start, p->end - p->start) &&
                  !toro_pool_has(p, p->start, p->end - p->start + 1) &&
                  !toro_pool_has(p, p->start - 1, 1) && !toro_pool_has(p, p->start, ~0ull);
        }
        t_ok(ok && toro_pool(n)->end == slice + SLICE, "%u pools and the shared one fill it", n);
    }
}

/* The shared pool against a map of pages. */
static void random_use(void)
{
    enum { N = 200, PAGES = 4096 };
    static struct {
        uint64_t va, len;
    } have[N];
    static uint8_t owner[PAGES];
    struct toro_pool *p = toro_pool(2);
    unsigned bad_zero = 0, bad_place = 0, bad_keep = 0, none = 0;
    uint64_t sum = 0;

    /* Small enough that it fills up. */
    t_eq(toro_pool_reserve_at(p, p->start + PAGES * PAGE, p->end - p->start - PAGES * PAGE), 0,
         "all but 16 MiB set aside");
    for (unsigned r = 0; r < 40000; r++) {
        unsigned k = rnd(N);
        uint64_t first;

        if (have[k].va != 0) {
            first = (have[k].va - p->start) / PAGE;
            for (uint64_t i = 0; i < have[k].len / PAGE; i++) {
                bad_keep += *(uint64_t *)(have[k].va + i * PAGE) != k + 1 || owner[first + i] != 1;
                owner[first + i] = 0;
            }
            toro_pool_free(p, have[k].va, have[k].len);
            sum -= have[k].len;
            have[k].va = 0;
            continue;
        }
        have[k].len = (1 + rnd(rnd(10) == 0 ? 300 : 20)) * PAGE;
        have[k].va = toro_pool_alloc(p, have[k].len - rnd(PAGE), rnd(8) == 0 ? 64 * 1024 : 0);
        if (have[k].va == 0) {
            none++;
            continue;
        }
        sum += have[k].len;
        bad_zero += !stub_zero(have[k].va, have[k].len);
        bad_place += !toro_pool_has(p, have[k].va, have[k].len);
        first = (have[k].va - p->start) / PAGE;
        for (uint64_t i = 0; i < have[k].len / PAGE; i++) {
            bad_place += owner[first + i] != 0;
            owner[first + i] = 1;
            for (uint64_t *w = (void *)(have[k].va + i * PAGE), j = 0; j < PAGE / 8; j++)
                w[j] = k + 1;
        }
    }
    t_eq(bad_zero, 0, "always zero");
    t_eq(bad_place, 0, "inside, on no page of anybody else");
    t_eq(bad_keep, 0, "nobody else wrote there");
    t_ok(none > 10, "the pool was full at times (%u)", none);
    t_eq(used(p), sum, "the sum is right");
    for (unsigned k = 0; k < N; k++)
        if (have[k].va != 0)
            toro_pool_free(p, have[k].va, have[k].len);
    t_eq(used(p), 0, "all back");
    t_ok(p->free != NULL && p->free->next == NULL && p->free->start == p->start &&
             p->free->end == p->start + PAGES * PAGE,
         "as one piece");
    toro_pool_unreserve(p, p->start + PAGES * PAGE, p->end - p->start - PAGES * PAGE);
}

static uint64_t resident(uint64_t va, uint64_t len)
{
    static unsigned char vec[65536];
    uint64_t n = 0;

    mincore((void *)va, len, vec);
    for (uint64_t i = 0; i < len / PAGE; i++)
        n += vec[i] & 1;
    return n;
}

static void touching(void)
{
    struct toro_pool *p = toro_pool(2);
    uint64_t a, b;

    begin(2, 0);
    a = toro_pool_alloc(p, 200 * MIB, 0);
    t_eq(resident(a, 200 * MIB), 0, "fresh memory is not touched");
    toro_pool_free(p, a, 200 * MIB);
    madvise((void *)a, 200 * MIB, MADV_DONTNEED);
    a = toro_pool_reserve(p, 100 * MIB, 0);
    t_eq(used(p), 0, "a reservation is not charged");
    toro_pool_unreserve(p, a, 100 * MIB);
    b = toro_pool_alloc(p, 8 * PAGE, 0);
    memset((void *)b, 1, 8 * PAGE);
    toro_pool_free(p, b, 8 * PAGE);
    a = toro_pool_alloc(p, 4 * PAGE, 0);
    t_ok(a == b && stub_zero(a, 4 * PAGE), "used memory is zeroed");
    t_ok(*(uint64_t *)(b + 4 * PAGE) == 0x0101010101010101ull, "but only what is asked for");
    toro_pool_free(p, a, 4 * PAGE);
    t_ok(toro_pool_reserve_at(p, b + PAGE, PAGE) == 0 &&
             toro_pool_reserve_at(p, b, 2 * PAGE) == -EEXIST &&
             toro_pool_reserve_at(p, b + PAGE, PAGE) == -EEXIST,
         "a place is given once");
    t_ok(toro_pool_reserve_at(p, p->end, PAGE) == -ENOMEM &&
             toro_pool_reserve_at(p, p->end - PAGE, 2 * PAGE) == -ENOMEM,
         "and only inside");
    toro_pool_unreserve(p, b + PAGE, PAGE);
    t_ok(PANICS(toro_pool_unreserve(p, b, PAGE)), "giving back what is free is noticed");
    p->lock = (struct toro_spinlock)TORO_SPINLOCK_INIT;
    t_ok(PANICS(toro_pool_free(p, b, PAGE)), "likewise with a charge");
    p->lock = (struct toro_spinlock)TORO_SPINLOCK_INIT;
}

static void limit(void)
{
    struct toro_pool *a, *s;
    uint64_t x, y, all;

    begin(2, 64 * MIB);
    a = toro_pool(0);
    s = toro_pool(2);
    x = toro_pool_reserve(a, 1 * GIB - 2 * MIB, 0);
    t_ok(x != 0, "address space is not limited");
    toro_pool_unreserve(a, x, 1 * GIB - 2 * MIB);
    x = toro_pool_reserve(a, 63 * MIB, 0);
    y = toro_pool_reserve(a, 63 * MIB, 0);
    mprotect((void *)a->start, GIB, PROT_READ | PROT_WRITE);
    t_eq(toro_pool_commit(a, x, 40 * MIB), 0, "40 of 64 MiB");
    t_eq(toro_pool_commit(a, y, 40 * MIB), -ENOMEM, "40 more are refused");
    t_eq(toro_pool_alloc(s, 40 * MIB, 0), 0, "to another pool as well");
    t_ok(toro_pool_alloc(s, 16 * MIB, 0) != 0, "16 are there");
    toro_pool_uncommit(a, x, 40 * MIB);
    t_eq(toro_pool_commit(a, y, 40 * MIB), 0, "what was given back can be had");
    t_ok(toro_pools_limit(&all) == 64 * MIB && all == 56 * MIB, "the report says so");
}

static void no_nodes(void)
{
    struct toro_pool *p;
    uint64_t x, before;

    begin(1, 0);
    p = toro_pool(1);
    x = toro_pool_alloc(p, 3 * PAGE, 0);
    before = used(p);
    stub_allocs_left = 0;
    t_ok(toro_pool_reserve_at(p, x + 100 * PAGE, PAGE) == -ENOMEM && used(p) == before,
         "without memory for the node nothing changes");
    stub_allocs_left = -1;
    t_eq(toro_pool_reserve_at(p, x + 100 * PAGE, PAGE), 0, "and later it works");
}

/* What the host does with a range. */
static void punch(const struct toro_range *r)
{
    madvise((void *)r->start, r->len, MADV_DONTNEED);
}

static void idle(void)
{
    struct toro_range r[4];
    struct toro_pool *p;
    uint64_t a;
    bool more;

    begin(2, 0);
    p = toro_pool(2);
    wanted = 0;
    t_eq(toro_pool_idle(p, r, 4, &more), 0, "a fresh pool has nothing to give back");
    toro_pool_left(p, true);
    a = toro_pool_alloc(p, MIB + PAGE, 64 * 1024);
    memset((void *)a, 1, MIB + PAGE);
    t_eq(toro_pool_idle(p, r, 4, &more) + more, 0, "nor has memory in use");
    toro_pool_left(p, true);
    toro_pool_uncommit(p, a + PAGE, PAGE);
    t_eq(wanted, 0, "a page out of a chunk is no reason to look");
    t_eq(toro_pool_commit(p, a + PAGE, PAGE), 0, "and comes back");
    toro_pool_free(p, a, MIB + PAGE);
    t_eq(wanted, 1, "memory is free: somebody is to look");
    t_ok(toro_pool_idle(p, r, 4, &more) == 0 && more, "not the first time");
    toro_pool_left(p, true);
    t_ok(toro_pool_idle(p, r, 4, &more) == 1 && !more && r[0].start == a && r[0].len == 17 * 65536,
         "but the second time, and all of it in one piece");
    t_ok(toro_pool_is_leaving(p), "it is on its way");
    punch(&r[0]);
    toro_pool_left(p, true);
    t_ok(!toro_pool_is_leaving(p) && toro_pool_idle(p, r, 4, &more) == 0 && !more, "and gone");
    toro_pool_left(p, true);
    a = toro_pool_alloc(p, MIB, 64 * 1024);
    t_ok(stub_zero(a, MIB / 2) && resident(a + MIB / 2, MIB / 2) == 0,
         "it is zero, and is not zeroed again");

    /* Taken in between. */
    memset((void *)a, 1, MIB);
    toro_pool_uncommit(p, a, MIB);
    toro_pool_idle(p, r, 4, &more);
    toro_pool_left(p, true);
    t_eq(toro_pool_commit(p, a + 3 * 65536 + PAGE, PAGE), 0, "a page of it is taken again");
    toro_pool_uncommit(p, a + 3 * 65536 + PAGE, PAGE);
    t_ok(toro_pool_idle(p, r, 4, &more) == 2 && more && r[1].start == a + 4 * 65536,
         "its chunk stays, all others go");
    p->open = false;
    t_eq(toro_pool_commit(p, a + 65536 * 5, PAGE), -EAGAIN, "who wants one of them has to wait");
    t_eq(toro_pool_commit(p, a + 3 * 65536, PAGE), 0, "who wants another has not");
    p->open = true;
    toro_pool_left(p, false);
    t_eq(toro_pool_commit(p, a + 65536 * 5, PAGE), 0, "the host did not take it");
    t_ok(stub_zero(a + 65536 * 5, PAGE), "it is zeroed");
    for (unsigned i = 0; i < 16; i += 2)
        (void)toro_pool_commit(p, a + 65536 * i + 8192, PAGE);
    for (unsigned i = 1; i < 16; i += 14) { /* so that it is looked at once more */
        (void)toro_pool_commit(p, a + 65536 * i, PAGE);
        toro_pool_uncommit(p, a + 65536 * i, PAGE);
    }
    toro_pool_idle(p, r, 4, &more);
    toro_pool_left(p, true);
    t_ok(toro_pool_idle(p, r, 4, &more) == 4 && more,
         "more pieces than fit wait for the next time");
    toro_pool_left(p, false);
}

/* A core's pool is that core's. */
static void owners(void)
{
    uint64_t used, size, start, end, x;
    struct torobus_ctl_range kept = {0, 0};
    struct toro_pool *p;

    begin(3, 0);
    p = toro_pool(1);
    t_ok(toro_pool_core(p) == 1 && toro_pool_core(toro_pool(3)) == 3, "pools know their cores");
    toro_pool_range(p, &start, &end);
    t_ok(start == p->start && end == p->end, "and say where they are");
    stub_core = 0;
    t_ok(PANICS(toro_pool_reserve(p, PAGE, 0)), "another core may not take from it");
    stub_core = 1;
    x = toro_pool_reserve(p, 4 * PAGE, 0);
    mprotect((void *)x, 4 * PAGE, PROT_READ | PROT_WRITE);
    t_eq(toro_pool_commit(p, x, 4 * PAGE), 0, "its own core may");
    p->lock.held = 1; /* who waits for it waits for ever */
    toro_pool_uncommit(p, x, 4 * PAGE);
    toro_pool_unreserve(p, x, 4 * PAGE);
    x = toro_pool_reserve(p, 4 * PAGE, 0);
    t_ok(x != 0 && toro_pool_commit(p, x, 4 * PAGE) == 0, "and takes no lock");
    stub_core = 0;
    t_ok(PANICS(toro_pool_uncommit(p, x, 4 * PAGE)), "another one may not give back");
    toro_pool_usage(p, &used, &size);
    t_ok(used == 4 * PAGE && !toro_pool_is_leaving(p), "but may ask");
    stub_visits = 0;
    toro_pools_wiped(&kept, 0);
    t_ok(stub_core == 0 && stub_visits == 2, "who changes all of them goes from core to core");
}

enum { PIECES = 64, ROUNDS = 20000 };

/* Takes and returns pieces, each with its own number in it. */
static void *user(void *arg)
{
    struct toro_pool *p = toro_pool(2);
    uint64_t *have = calloc(PIECES, sizeof(*have));
    uintptr_t bad = 0;
    unsigned s = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned k = (s = s * 1103515245u + 12345u) >> 8, len = (1 + k % 40) * PAGE;

        k = k / 64 % PIECES;
        if (have[k] != 0) {
            uint64_t *w = (uint64_t *)have[k];

            len = (unsigned)w[1];
            bad += w[0] != (uint64_t)w || w[len / 8 - 1] != (uint64_t)w;
            toro_pool_free(p, have[k], len);
            have[k] = 0;
        } else if ((have[k] = toro_pool_alloc(p, len, 0)) != 0) {
            uint64_t *w = (uint64_t *)have[k];

            bad += !stub_zero(have[k], len);
            w[0] = w[len / 8 - 1] = (uint64_t)w;
            w[1] = len;
        }
    }
    for (unsigned k = 0; k < PIECES; k++)
        if (have[k] != 0)
            toro_pool_free(p, have[k], ((uint64_t *)have[k])[1]);
    free(have);
    return (void *)bad;
}

static void together(void)
{
    static struct toro_range r[16];
    struct toro_pool *p;
    uint64_t given = 0;
    pthread_t t[3];
    uintptr_t bad = 0;
    void *one;
    bool more;

    begin(2, 0);
    p = toro_pool(2);
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, user, (void *)(i + 1));
    for (unsigned i = 0; i < 400 || given < 100; i++) {
        unsigned n = toro_pool_idle(p, r, 16, &more);

        /* Not by madvise(): a race detector shall see what is written when. */
        for (unsigned k = 0; k < n; k++)
            memset((void *)r[k].start, i % 3 != 0 ? 0 : 7, r[k].len);
        given += n;
        toro_pool_left(p, i % 3 != 0);
        sched_yield();
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(t[i], &one);
        bad += (uintptr_t)one;
    }
    t_ok(bad == 0, "memory comes and goes while its owners take and free it: always zero (%lu)",
         (unsigned long)given);
    t_eq(used(p), 0, "and nothing is lost");
}

int main(void)
{
    slice = stub_slice(SLICE);
    geometry();
    begin(2, 0);
    random_use();
    touching();
    limit();
    no_nodes();
    idle();
    owners();
    together();
    return t_done();
}
