/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel heap: alignment, no overlap, pages come back, bad frees are caught, threads. */
#include "tap.h"
#include "kernel-stubs.h"
#include "unikernel/lib/string.c"
#include "unikernel/core/kmalloc.c"
#include <pthread.h>

#define LIVE 512

static void sizes(void)
{
    unsigned bad_align = 0, overlap = 0;

    for (size_t n = 0; n <= 3 * TORO_PAGE_SIZE; n += n < 2100 ? 1 : 61) {
        unsigned char *p = toro_kmalloc(n), *q = toro_kmalloc(n);

        bad_align += (uintptr_t)p % 16 != 0 || (n >= 64 && (uintptr_t)p % 64 != 0);
        memset(p, 1, n);
        memset(q, 2, n);
        for (size_t i = 0; i < n; i++)
            overlap += p[i] != 1;
        toro_kfree(p);
        toro_kfree(q);
    }
    t_eq(bad_align, 0, "16-byte aligned, whole lines from 64 bytes on");
    t_eq(overlap, 0, "neighbours do not overlap");
    t_ok(stub_pages <= (long)NCLASSES, "of each class at most one empty page is kept: %ld",
         stub_pages);
}

static void churn(unsigned seed, unsigned rounds, unsigned *bad)
{
    unsigned char *p[LIVE] = {NULL};
    size_t len[LIVE] = {0};

    for (unsigned r = 0; r < rounds; r++) {
        unsigned i;

        seed = seed * 1103515245u + 12345u;
        i = (seed >> 8) % LIVE;
        if (p[i] != NULL) {
            for (size_t k = 0; k < len[i]; k++)
                *bad += p[i][k] != (unsigned char)i;
            toro_kfree(p[i]);
            p[i] = NULL;
        } else {
            len[i] = (seed >> 17) % (i % 16 == 0 ? 9000 : 600);
            p[i] = toro_kmalloc(len[i]);
            memset(p[i], (int)i, len[i]);
        }
    }
    for (unsigned i = 0; i < LIVE; i++)
        toro_kfree(p[i]);
}

enum { CORES = 4 };
static unsigned bads[CORES];

static void *thread(void *arg)
{
    stub_core = (unsigned)(uintptr_t)arg;
    churn(stub_core + 1, 20000, &bads[stub_core]);
    return NULL;
}

/* Pages of all cores' heaps, after everything has come home. */
static long pages_left(void)
{
    for (unsigned i = 0; i < CORES; i++) {
        stub_core = i;
        toro_kmalloc_collect();
    }
    stub_core = 0;
    return stub_pages;
}

/* Every core frees what the others have allocated: a piece goes from hand to hand. */
static void *_Atomic hand[64];

static void *trader(void *arg)
{
    unsigned seed, *bad;

    stub_core = (unsigned)(uintptr_t)arg;
    seed = stub_core + 77;
    bad = &bads[stub_core];
    for (unsigned n = 0; n < 20000; n++) {
        size_t len = 8 + (seed = seed * 1103515245u + 12345u) / 65536 % 900;
        size_t *p = toro_kmalloc(len), *q;

        memset(p, (int)len, len);
        p[0] = len;
        q = atomic_exchange(&hand[seed >> 8 & 63], p);
        if (q == NULL)
            continue;
        for (size_t i = sizeof(*q); i < q[0]; i++)
            *bad += ((unsigned char *)q)[i] != (unsigned char)q[0];
        toro_kfree(q);
    }
    return NULL;
}

static void run(void *(*fn)(void *), const char *what)
{
    pthread_t t[CORES];
    unsigned bad = 0;

    memset(bads, 0, sizeof(bads));
    for (uintptr_t i = 0; i < CORES; i++)
        pthread_create(&t[i], NULL, fn, (void *)i);
    for (unsigned i = 0; i < CORES; i++) {
        pthread_join(t[i], NULL);
        bad += bads[i];
    }
    t_eq(bad, 0, what);
}

static void threads(void)
{
    run(thread, "four cores keep their contents");
    run(trader, "pieces that other cores free hold what their owners wrote");
    for (unsigned i = 0; i < 64; i++)
        toro_kfree(atomic_exchange(&hand[i], NULL));
    t_ok(pages_left() <= (long)(CORES * NCLASSES), "and their memory comes back: %ld pages",
         stub_pages);
}

/* Where a piece goes that another core frees. */
static void remote(void)
{
    enum { N = 300 };
    char *p[N], *q;
    long before;
    unsigned strange = 0;

    stub_core = 1;
    for (unsigned i = 0; i < N; i++)
        p[i] = toro_kmalloc(1000);
    before = stub_pages;
    stub_core = 2;
    for (unsigned i = 0; i < N; i++)
        if (i % 3 != 0) /* of each page one stays */
            toro_kfree(p[i]);
    t_eq(stub_pages, before, "a free on another core leaves the owner's pages alone");
    q = toro_kmalloc(1000);
    t_ok(slab_of(q)->core == 2, "and gives that core nothing");
    toro_kfree(q);
    stub_core = 1;
    before = stub_pages;
    for (unsigned i = 0; i < N; i++) {
        unsigned k = 0;

        if (i % 3 == 0)
            continue;
        q = toro_kmalloc(1000);
        while (k < N && p[k] != q)
            k++;
        strange += k == N;
    }
    t_ok(strange == 0 && stub_pages == before, "the owner gets exactly what came back");
    stub_core = 2;
    for (unsigned i = 0; i < N; i++)
        toro_kfree(p[i]);
    t_ok(heaps[1].returned != NULL, "it is in a queue");
    pages_left();
    t_ok(heaps[1].returned == NULL, "that an idle core empties");
}

static void misuse(void)
{
    char *p = toro_kmalloc(40), *q, *big = toro_kmalloc(10000);
    void *page = toro_kpages(1);

    toro_kfree(p);
    t_ok(PANICS(toro_kfree(p)), "a piece freed twice in a row is caught");
    p = toro_kmalloc(40);
    t_ok(PANICS(toro_kfree(p + 8)), "so is an address inside one");
    toro_kfree(p);
    t_ok(PANICS(toro_kfree(big + 16)), "and inside a large one");
    t_ok(PANICS(toro_kfree((char *)page + 64)), "and memory that is not from the heap");
    toro_kfree(big);
    toro_kpages_free(page, 1);
    toro_kfree(NULL);

    p = toro_kstrdup("text");
    t_ok(strcmp(p, "text") == 0, "a string is copied");
    p = toro_krealloc(p, 3000);
    t_ok(strcmp(p, "text") == 0, "and grows with its contents");
    p = toro_krealloc(p, 30000);
    p = toro_krealloc(p, 8);
    t_ok(strcmp(p, "text") == 0, "and shrinks");
    toro_kfree(p);
    p = toro_kmalloc(100);
    memset(p, 0xff, 100);
    toro_kfree(p);
    q = toro_kzalloc(100);
    t_ok(q[0] == 0 && memcmp(q, q + 1, 99) == 0, "zeroed when asked");
    toro_kfree(q);

    stub_pages_max = stub_pages;
    t_ok(toro_kmalloc(5000) == NULL, "no memory for a large piece");
    q = NULL;
    while ((p = toro_kmalloc(1984)) != NULL) {
        *(char **)p = q;
        q = p;
    }
    t_ok(toro_kmalloc(1984) == NULL, "nor for a small one");
    while (q != NULL) {
        p = *(char **)q;
        toro_kfree(q);
        q = p;
    }
    t_ok(toro_kmalloc(SIZE_MAX) == NULL && toro_kmalloc(SIZE_MAX - 100) == NULL,
         "impossible sizes give nothing");
}

int main(void)
{
    unsigned bad = 0;

    sizes();
    churn(1, 100000, &bad);
    t_eq(bad, 0, "100000 allocations and frees keep their contents");
    threads();
    remote();
    misuse();
    return t_done();
}
