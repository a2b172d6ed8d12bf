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

static void *thread(void *arg)
{
    unsigned *bad = arg;

    churn((unsigned)(uintptr_t)arg, 20000, bad);
    return NULL;
}

/* One thread allocates, the other frees. */
static void *_Atomic hand;

static void *freer(void *arg)
{
    for (unsigned n = 0; n < 20000;) {
        void *p = atomic_exchange(&hand, NULL);

        if (p != NULL) {
            toro_kfree(p);
            n++;
        } else {
            sched_yield();
        }
    }
    return arg;
}

static void threads(void)
{
    unsigned bad[4] = {0};
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, thread, &bad[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    t_eq(bad[0] + bad[1] + bad[2] + bad[3], 0, "four threads keep their contents");
    pthread_create(&t[0], NULL, freer, NULL);
    for (unsigned n = 0; n < 20000; n++) {
        void *p = toro_kmalloc(n % 700), *none = NULL;

        while (!atomic_compare_exchange_weak(&hand, &none, p)) {
            none = NULL;
            sched_yield();
        }
    }
    pthread_join(t[0], NULL);
    t_ok(stub_pages <= (long)NCLASSES, "pieces freed by another thread come back: %ld", stub_pages);
}

static void misuse(void)
{
    char *p = toro_kmalloc(40), *q, *big = toro_kmalloc(10000);
    void *page = toro_kpages(1);

    toro_kfree(p);
    t_ok(PANICS(toro_kfree(p)), "a piece freed twice in a row is caught");
    toro_spin_unlock(&classes[class_of(40)].lock);
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
    misuse();
    return t_done();
}
