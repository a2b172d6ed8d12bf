/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring layouts compared: the same messages between the same two cores, through each layout in turn.
 *
 *     ringbench [-r ROUNDS] [-c CPU,CPU] [-m MILLISECONDS]
 *
 * Two threads, each on its own CPU. Every cell is the median of ROUNDS runs which alternate between
 * the layouts, minimum and maximum in brackets. Payloads are written before and read after every
 * message. One table is half a round trip (one message in flight), the other the time per message
 * when the sender runs freely. Runs on Linux and in a guest. */
#define _GNU_SOURCE
#include "ringbench.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 32
#define AREA       (1u << 20)

static const struct layout *const layouts[] = {&layout_line,       &layout_torobus,
                                               &layout_nofence,    &layout_single_lane,
                                               &layout_split_ring, &layout_fastbox};
#define NLAYOUTS (sizeof(layouts) / sizeof(layouts[0]))
static const uint32_t sizes[] = {8, 40, 64, 256, 1024, 4096};
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

static double result[2][NSIZES][NLAYOUTS][MAX_ROUNDS];
static int cpu[2] = {0, 1};
static double budget_ms = 20;

/* One measurement: thread 1 echoes or drains, thread 0 is the caller. */
struct job {
    const struct layout *layout;
    void *forth, *back;
    uint32_t len;
    unsigned long count;
    bool stream;
};

static pthread_barrier_t barrier;

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void pin(int which)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu[which], &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("ringbench: sched_setaffinity");
        exit(1);
    }
}

static void *partner(void *arg)
{
    struct job *job = arg;

    pin(1);
    for (;;) {
        pthread_barrier_wait(&barrier);
        if (job->count == 0)
            return NULL;
        if (job->stream)
            job->layout->drain(job->forth, job->back, job->len, job->count);
        else
            job->layout->echo(job->forth, job->back, job->len, job->count);
        pthread_barrier_wait(&barrier);
    }
}

/* Nanoseconds per message. */
static double measure(struct job *job, const struct layout *layout, uint32_t len, bool stream,
                      unsigned long count)
{
    double start, end;

    job->layout = layout;
    job->len = len;
    job->stream = stream;
    job->count = count;
    layout->init(job->forth);
    layout->init(job->back);
    pthread_barrier_wait(&barrier);
    start = now_ns();
    if (stream)
        layout->flood(job->forth, job->back, len, count);
    else
        layout->ping(job->forth, job->back, len, count);
    end = now_ns();
    pthread_barrier_wait(&barrier);
    return (end - start) / (double)count / (stream ? 1 : 2);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print(bool stream, int rounds)
{
    printf("\n%s\n%-8s", stream ? "ns per message, sender runs freely" : "ns, half a round trip",
           "bytes");
    for (size_t l = 0; l < NLAYOUTS; l++)
        printf(" %22s", layouts[l]->name);
    putchar('\n');
    for (size_t s = 0; s < NSIZES; s++) {
        printf("%-8u", sizes[s]);
        for (size_t l = 0; l < NLAYOUTS; l++) {
            double *r = result[stream][s][l];
            char cell[64];

            if (sizes[s] > layouts[l]->max_len || (stream && !layouts[l]->streams)) {
                printf(" %22s", "-");
                continue;
            }
            qsort(r, (size_t)rounds, sizeof(*r), ascending);
            snprintf(cell, sizeof(cell), "%.0f [%.0f-%.0f]", r[rounds / 2], r[0], r[rounds - 1]);
            printf(" %22s", cell);
        }
        putchar('\n');
    }
}

static void options(int argc, char **argv, int *rounds)
{
    int c;

    while ((c = getopt(argc, argv, "r:c:m:")) != -1) {
        if (c == 'r' && (*rounds = atoi(optarg)) >= 1 && *rounds <= MAX_ROUNDS)
            continue;
        if (c == 'm' && (budget_ms = atof(optarg)) > 0)
            continue;
        if (c == 'c' && sscanf(optarg, "%d,%d", &cpu[0], &cpu[1]) == 2)
            continue;
        fprintf(stderr, "usage: ringbench [-r ROUNDS (1-%d)] [-c CPU,CPU] [-m MS per run]\n",
                MAX_ROUNDS);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct job job = {0};
    pthread_t thread;
    int rounds = 5;

    options(argc, argv, &rounds);
    job.forth = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    job.back = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (job.forth == MAP_FAILED || job.back == MAP_FAILED)
        return 1;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, partner, &job) != 0)
        return 1;
    pin(0);
    for (int round = 0; round < rounds; round++)
        for (int stream = 0; stream < 2; stream++)
            for (size_t s = 0; s < NSIZES; s++)
                for (size_t l = 0; l < NLAYOUTS; l++) {
                    double ns;
                    unsigned long n;

                    if (sizes[s] > layouts[l]->max_len || (stream && !layouts[l]->streams))
                        continue;
                    /* A short run says how long the real one may be. */
                    ns = measure(&job, layouts[l], sizes[s], stream, 200);
                    n = (unsigned long)(budget_ms * 1e6 / (ns * (stream ? 1 : 2)));
                    result[stream][s][l][round] =
                        measure(&job, layouts[l], sizes[s], stream, n < 500 ? 500 : n);
                }
    job.count = 0;
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    printf("# CPUs %d and %d, %d rounds of %g ms\n", cpu[0], cpu[1], rounds, budget_ms);
    print(false, rounds);
    print(true, rounds);
    return 0;
}
