/* SPDX-License-Identifier: BSD-3-Clause */
/* breathe: takes and gives back memory as lines of stdin say, and says when that is done. Not a
 * test: t-memory.sh looks at the host meanwhile. No MPI. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ul << 20)

static char *map;
static size_t map_len;

static int zero(const char *p, size_t n)
{
    const unsigned long *w = (const unsigned long *)p;

    for (size_t i = 0; i < n / sizeof(*w); i++)
        if (w[i] != 0)
            return 0;
    return 1;
}

static int take(size_t mib)
{
    map_len = mib * MIB;
    map = mmap(NULL, map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || !zero(map, map_len))
        return 1;
    memset(map, 0xa5, map_len);
    return 0;
}

static int grow(size_t mib)
{
    char *p = sbrk((intptr_t)(mib * MIB));

    if (p == (void *)-1 || !zero(p, mib * MIB))
        return 1;
    memset(p, 0xa5, mib * MIB);
    return 0;
}

/* Takes and frees for a while, checking that memory is zero. */
static void *churn(void *arg)
{
    unsigned s = (unsigned)(size_t)arg;
    long bad = 0;

    for (int i = 0; i < 40; i++) {
        size_t n = (1 + (s = s * 1103515245u + 12345u) % 32) * 65536;
        char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            return (void *)1000l;
        bad += !zero(p, n);
        memset(p, 1, n);
        bad += munmap(p, n) != 0;
        usleep(s % 32 * 1000);
    }
    return (void *)bad;
}

static int threads(size_t n)
{
    pthread_t t[16];
    void *r;
    long bad = 0;

    for (size_t i = 0; i < n && i < 16; i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    for (size_t i = 0; i < n && i < 16; i++) {
        pthread_join(t[i], &r);
        bad += (long)r;
    }
    return bad != 0;
}

int main(void)
{
    char what[32];
    size_t n;
    int bad;

    while (scanf("%31s %zu", what, &n) == 2) {
        if (strcmp(what, "map") == 0)
            bad = take(n);
        else if (strcmp(what, "unmap") == 0)
            bad = munmap(map, map_len);
        else if (strcmp(what, "dontneed") == 0)
            bad = madvise(map, n * MIB, MADV_DONTNEED) != 0 || !zero(map, 4096) ||
                  !zero(map + n * MIB - 4096, 4096) ||
                  (n * MIB < map_len && zero(map + n * MIB, 4096));
        else if (strcmp(what, "free") == 0)
            bad = madvise(map, n * MIB, MADV_FREE);
        else if (strcmp(what, "brk") == 0)
            bad = grow(n);
        else if (strcmp(what, "unbrk") == 0)
            bad = sbrk(-(intptr_t)(n * MIB)) == (void *)-1;
        else if (strcmp(what, "threads") == 0)
            bad = threads(n);
        else
            bad = 1;
        printf("%s %zu %s\n", what, n, bad ? "BAD" : "ok");
        fflush(stdout);
    }
    return 0;
}
