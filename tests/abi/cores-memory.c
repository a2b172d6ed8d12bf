/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads on several cores at work in one memory: allocation and remote free, maps that come and
 * go, protection that is taken away, descriptors.
 * cores: 4 timeout: 240 */
#include <tap.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 5, SLOTS = 64 };

static void *_Atomic slot[SLOTS];
static atomic_long errors;
static atomic_int stop;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t step(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

struct block {
    size_t size;
    unsigned char fill;
    unsigned char data[];
};

static void check_free(struct block *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->size; i += 61)
        if (b->data[i] != b->fill)
            atomic_fetch_add(&errors, 1);
    free(b);
}

/* What one allocates another frees. */
static void *allocate(void *arg)
{
    uint32_t x = 77777u + (uint32_t)(long)arg;

    for (int i = 0; i < 1000; i++) {
        /* Now and then beyond the size from which malloc asks for a map of its own. */
        size_t size = step(&x) % 50 == 0 ? 130000 + step(&x) % 200000 : step(&x) % 5000;
        struct block *b = malloc(sizeof(*b) + size);

        if (b == NULL) {
            atomic_fetch_add(&errors, 1);
            break;
        }
        b->size = size;
        b->fill = (unsigned char)i;
        memset(b->data, b->fill, size);
        check_free(atomic_exchange(&slot[step(&x) % SLOTS], b));
    }
    return NULL;
}

static void *map(void *arg)
{
    uint32_t x = 4711u + (uint32_t)(long)arg;

    for (int i = 0; i < 120; i++) {
        size_t size = (1 + step(&x) % 40) * 4096;
        unsigned char *p =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) {
            atomic_fetch_add(&errors, 1);
            break;
        }
        for (size_t k = 0; k < size; k += 4096) {
            if (p[k] != 0)
                atomic_fetch_add(&errors, 1);
            p[k] = 1 + (unsigned char)(long)arg;
        }
        if (i % 3 == 0 && mprotect(p, 4096, PROT_READ) != 0)
            atomic_fetch_add(&errors, 1);
        for (size_t k = 0; k < size; k += 4096)
            if (p[k] != 1 + (unsigned char)(long)arg)
                atomic_fetch_add(&errors, 1);
        munmap(p, size);
    }
    return NULL;
}

static void *files(void *arg)
{
    char name[64], text[64], back[64];

    snprintf(name, sizeof(name), "/dev/shm/cores-memory-%d-%ld", (int)getpid(), (long)arg);
    for (int i = 0; i < 40; i++) {
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
        int n = snprintf(text, sizeof(text), "%ld %d", (long)arg, i);

        memset(back, 0, sizeof(back));
        if (fd < 0 || write(fd, text, (size_t)n) != n || pread(fd, back, sizeof(back), 0) != n ||
            strcmp(text, back) != 0 || close(fd) != 0)
            atomic_fetch_add(&errors, 1);
        if (pipe(p) != 0 || write(p[1], text, (size_t)n) != n || read(p[0], back, 64) != n ||
            memcmp(text, back, (size_t)n) != 0 || close(p[0]) != 0 || close(p[1]) != 0)
            atomic_fetch_add(&errors, 1);
    }
    unlink(name);
    return NULL;
}

static void run(void *(*fn)(void *), const char *what)
{
    pthread_t t[THREADS];

    atomic_store(&errors, 0);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, fn, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    t_eq(atomic_load(&errors), 0, what);
}

static volatile long *page;
static atomic_int faults, writing;
static sigjmp_buf away;

static void on_segv(int sig)
{
    atomic_fetch_add(&faults, 1);
    siglongjmp(away, sig);
}

static void *scribble(void *arg)
{
    while (!atomic_load(&stop)) {
        if (sigsetjmp(away, 1) == 0) {
            for (;;) {
                (*page)++;
                atomic_store(&writing, 1);
                if (atomic_load(&stop))
                    break;
            }
        }
        /* Wait until it is allowed again. */
        while (atomic_load(&writing) == 0 && !atomic_load(&stop))
            sched_yield();
    }
    return arg;
}

/* After mprotect() no other core may still write by what it remembers. */
static void test_protect(void)
{
    struct sigaction sa = {.sa_handler = on_segv};
    int late = 0, rounds = 0;
    double end = now() + 60;
    pthread_t t;

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &sa, NULL);
    pthread_create(&t, NULL, scribble, NULL);
    for (; rounds < 100 && now() < end; rounds++) {
        int before = atomic_load(&faults);
        long seen;

        while (atomic_load(&writing) == 0 && now() < end)
            sched_yield();
        mprotect((void *)page, 4096, PROT_READ);
        seen = *page;
        while (atomic_load(&faults) == before && now() < end)
            sched_yield();
        late += *page != seen;
        atomic_store(&writing, 0);
        mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
        atomic_store(&writing, 1);
    }
    atomic_store(&stop, 1);
    pthread_join(t, NULL);
    t_eq(rounds, 100, "a page is protected while another thread writes there");
    t_eq(late, 0, "and what it says does not change after that");
    t_ok(atomic_load(&faults) >= rounds, "the writer faults each time");
}

int main(void)
{
    run(allocate, "malloc on one core, free on another");
    for (int i = 0; i < SLOTS; i++)
        check_free(atomic_load(&slot[i]));
    run(map, "mmap, mprotect and munmap on all cores");
    run(files, "files and pipes on all cores");
    test_protect();
    return t_done();
}
