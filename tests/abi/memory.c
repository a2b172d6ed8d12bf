/* SPDX-License-Identifier: BSD-3-Clause */
/* malloc, mmap, munmap, mremap, madvise: what an allocator and a program may ask for. */
#include <tap.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB  (1ul << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static bool all(const unsigned char *p, size_t n, int value)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != value)
            return false;
    return true;
}

static void test_malloc(void)
{
    enum { N = 2000 };
    static unsigned char *p[N];
    size_t sizes[] = {1, 24, 100, 1000, 5000, 40000, 200000};
    bool good = true;
    unsigned char *big;
    unsigned seed = 1;

    for (int i = 0; i < N; i++) {
        size_t n = sizes[i % 7];

        p[i] = malloc(n);
        good &= p[i] != NULL && ((uintptr_t)p[i] & 15) == 0;
        memset(p[i], i & 255, n);
    }
    for (int i = 0; i < N; i++)
        good &= all(p[i], sizes[i % 7], i & 255);
    t_ok(good, "%d blocks of mixed size keep their contents", N);
    for (int i = 0; i < 20000; i++) {
        int k = (int)((seed = seed * 1664525u + 1013904223u) >> 8) % N;

        free(p[k]);
        p[k] = malloc(sizes[(k + i) % 7]);
        good &= p[k] != NULL;
    }
    for (int i = 0; i < N; i++)
        free(p[i]);
    t_ok(good, "freed and taken again at random");
    big = calloc(64, MIB);
    t_ok(big != NULL, "64 MiB from calloc");
    good = true;
    for (size_t i = 0; i < 64 * MIB; i += PAGE)
        good &= big[i] == 0;
    t_ok(good, "are zero");
    big[0] = 1;
    big[64 * MIB - 1] = 2;
    big = realloc(big, 96 * MIB);
    t_ok(big != NULL && big[0] == 1 && big[64 * MIB - 1] == 2, "realloc keeps the contents");
    free(big);
    errno = 0;
    t_ok(malloc(SIZE_MAX / 4) == NULL && errno == ENOMEM, "an impossible size gives ENOMEM");
    big = aligned_alloc(2 * MIB, 4 * MIB);
    t_ok(big != NULL && ((uintptr_t)big & (2 * MIB - 1)) == 0, "alignment of 2 MiB");
    free(big);
    malloc_trim(0);
}

static void test_map(void)
{
    unsigned char *p = mmap(NULL, 5 * PAGE, RW, ANON, -1, 0), *q;

    t_ok(p != MAP_FAILED && ((uintptr_t)p & (PAGE - 1)) == 0, "five pages");
    t_ok(all(p, 5 * PAGE, 0), "are zero");
    memset(p, 7, 5 * PAGE);
    t_eq(munmap(p + 2 * PAGE, PAGE), 0, "a hole in the middle");
    t_ok(all(p, 2 * PAGE, 7) && all(p + 3 * PAGE, 2 * PAGE, 7), "leaves the rest as it was");
    q = mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    t_ok(q == p + 2 * PAGE && all(q, PAGE, 0), "MAP_FIXED fills the hole with a zero page");
    q = mmap(p + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    t_ok(q == p + PAGE && all(q, 2 * PAGE, 0) && all(p, PAGE, 7),
         "MAP_FIXED replaces what is there");
    t_eq(munmap(p, 5 * PAGE), 0, "munmap over several mappings");
    t_eq(munmap(p, 5 * PAGE), 0, "munmap where nothing is");
    errno = 0;
    t_ok(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL, "length 0: EINVAL");
    t_ok(mmap((void *)(PAGE + 1), PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED &&
             errno == EINVAL,
         "MAP_FIXED at an odd address: EINVAL");
    t_ok(munmap((void *)(uintptr_t)1, PAGE) == -1 && errno == EINVAL, "munmap there: EINVAL");
    t_ok(mmap(NULL, 1ul << 62, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM,
         "an impossible length: ENOMEM");
    t_ok(mmap(NULL, PAGE, RW, MAP_PRIVATE, 999, 0) == MAP_FAILED && errno == EBADF,
         "a bad descriptor: EBADF");
}

/* An arena as glibc makes it: reserve much, give back what is not aligned, open a piece. */
static void test_reserve(void)
{
    const size_t arena = 64 * MIB;
    unsigned char *p = mmap(NULL, 2 * arena, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *a, *f;
    size_t lead;

    t_ok(p != MAP_FAILED, "128 MiB reserved with PROT_NONE");
    a = (unsigned char *)(((uintptr_t)p + arena - 1) & ~(arena - 1));
    lead = (size_t)(a - p);
    t_ok((lead == 0 || munmap(p, lead) == 0) && munmap(a + arena, arena - lead) == 0,
         "cut to 64 MiB at a multiple of 64 MiB");
    t_eq(mprotect(a, 132 * 1024, RW), 0, "its first 132 KiB opened");
    memset(a, 9, 132 * 1024);
    t_eq(mprotect(a + 132 * 1024, MIB, RW), 0, "and some more");
    t_ok(all(a, 132 * 1024, 9) && all(a + 132 * 1024, MIB, 0), "old bytes stay, new ones are zero");
    f = mmap(a + 8 * MIB, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    t_ok(f == a + 8 * MIB && all(f, 16 * PAGE, 0), "MAP_FIXED inside the reservation");
    t_eq(munmap(a, arena), 0, "all given back");
}

static void test_advise(void)
{
    unsigned char *p = mmap(NULL, 8 * MIB, RW, ANON, -1, 0);

    memset(p, 3, 8 * MIB);
    t_eq(madvise(p + MIB, 2 * MIB, MADV_DONTNEED), 0, "MADV_DONTNEED");
    t_ok(all(p + MIB, 2 * MIB, 0), "zeroes what it names");
    t_ok(all(p, MIB, 3) && all(p + 3 * MIB, 5 * MIB, 3), "and nothing else");
    p[MIB] = 5;
    t_ok(p[MIB] == 5 && p[MIB + 1] == 0, "and it can be used again");
    t_eq(madvise(p + 4 * MIB + PAGE, PAGE, MADV_DONTNEED), 0, "a single page");
    t_ok(all(p + 4 * MIB + PAGE, PAGE, 0) && all(p + 4 * MIB + 2 * PAGE, PAGE, 3), "likewise");
    errno = 0;
    t_ok(madvise(p + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL, "an odd address: EINVAL");
    munmap(p, 8 * MIB);
}

static void test_remap(void)
{
    unsigned char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0), *q;

    memset(p, 6, 4 * PAGE);
    q = mremap(p, 4 * PAGE, 2 * PAGE, 0);
    t_ok(q == p && all(q, 2 * PAGE, 6), "mremap to a shorter one");
    q = mremap(p, 2 * PAGE, 600 * PAGE, MREMAP_MAYMOVE);
    t_ok(q != MAP_FAILED && all(q, 2 * PAGE, 6) && all(q + 2 * PAGE, 598 * PAGE, 0),
         "mremap to a longer one");
    if (q != MAP_FAILED)
        munmap(q, 600 * PAGE);
}

static void test_break(void)
{
    unsigned char *p = sbrk(0), *q;

    if (sbrk(3 * (intptr_t)PAGE) == (void *)-1) {
        t_skip(2, "no program break here");
        return;
    }
    q = sbrk(0);
    t_ok(q == p + 3 * PAGE && all(p, 3 * PAGE, 0), "the break moves up, over zero bytes");
    memset(p, 1, 3 * PAGE);
    t_ok(sbrk(-3 * (intptr_t)PAGE) == q && sbrk(0) == p, "and down");
}

/* A long job must not grow by what it gives back. */
/* Blocks of several arenas, each freed by another thread than its own. */
enum { THREADS = 8, BLOCKS = 4000, RING = 64 };
static unsigned char *_Atomic slot[THREADS][RING];

static void *arena_user(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg, next = (me + 1) % THREADS;
    uintptr_t bad = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t n = 32 + i * 37 % 3000;
        unsigned char *p = malloc(n), *old;

        if (p == NULL)
            return (void *)1;
        memset(p, (int)(n & 255), n);
        memcpy(p, &n, sizeof(n));
        old = atomic_exchange(&slot[next][i % RING], p);
        if (old == NULL)
            continue;
        memcpy(&n, old, sizeof(n));
        bad += n > 4000 || !all(old + sizeof(n), n - sizeof(n), (int)(n & 255));
        free(old);
    }
    return (void *)bad;
}

static void test_arenas(void)
{
    pthread_t t[THREADS];
    uintptr_t bad = 0;
    void *r;

    for (uintptr_t i = 0; i < THREADS; i++)
        t_ok(pthread_create(&t[i], NULL, arena_user, (void *)i) == 0, "thread %d", (int)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &r);
        bad += (uintptr_t)r;
    }
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < RING; k++)
            free(slot[i][k]);
    t_ok(bad == 0, "%d threads allocate and free each other's blocks", THREADS);
}

static void test_churn(void)
{
    bool good = true;

    for (int i = 0; i < 300 && good; i++) {
        unsigned char *p = mmap(NULL, 16 * MIB, RW, ANON, -1, 0);

        good = p != MAP_FAILED;
        if (good) {
            good = p[0] == 0 && p[8 * MIB] == 0;
            p[0] = p[8 * MIB] = 1;
            munmap(p, 16 * MIB);
        }
    }
    t_ok(good, "16 MiB mapped and unmapped 300 times, always zero");
}

/* mremap() to a place that the program chooses, and what may not be asked for. */
static void test_remap_to(void)
{
    unsigned char *room = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0), *p = room + 8 * PAGE;
    unsigned char *to = room + 32 * PAGE, *q;

    t_ok(mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p &&
             mmap(to, 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == to,
         "two blocks in one reservation");
    memset(p, 1, 4 * PAGE);
    memset(to, 2, 8 * PAGE);
    q = mremap(p, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    t_ok(q == to && all(q, 4 * PAGE, 1) && all(q + 4 * PAGE, 2 * PAGE, 0),
         "MREMAP_FIXED moves one over the other, the growth is zero");
    t_ok(all(to + 6 * PAGE, 2 * PAGE, 2), "what it did not cover stays");
    t_ok(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p, "its old place is free");
    t_ok(mmap(to, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST,
         "MAP_FIXED_NOREPLACE replaces nothing");
    t_ok(mmap(p - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
             errno == EEXIST &&
             mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + PAGE,
         "not even half");
    q = mremap(to, 6 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 50 * PAGE);
    t_ok(q == room + 50 * PAGE && all(q, 2 * PAGE, 1), "a shorter block at a new place");
    t_ok(mprotect(q, PAGE, PROT_READ) == 0 &&
             mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p && all(p, PAGE, 1),
         "a page that is only for reading moves as well");
    t_ok(mremap(q + PAGE, PAGE, PAGE, MREMAP_FIXED, to) == MAP_FAILED && errno == EINVAL,
         "MREMAP_FIXED alone is refused");
    t_ok(mremap(q + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 1) == MAP_FAILED &&
             errno == EINVAL,
         "so is a place that is no page");
    t_ok(mremap(room, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE) ==
                 MAP_FAILED &&
             errno == EINVAL,
         "and one that overlaps the block");
    t_ok(mremap(q + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */) == MAP_FAILED &&
             errno == EINVAL,
         "MREMAP_DONTUNMAP does not grow a block");
    p = mremap(q + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | 4);
    t_ok(p != MAP_FAILED && p != q + PAGE && all(p, PAGE, 1) && all(q + PAGE, PAGE, 0),
         "it leaves zeros behind");
    t_ok(munmap(p, PAGE) == 0 && munmap(room, 64 * PAGE) == 0, "and all goes");
}

int main(void)
{
    test_malloc();
    test_map();
    test_reserve();
    test_advise();
    test_remap();
    test_break();
    test_arenas();
    test_churn();
    test_remap_to();
    return t_done();
}
