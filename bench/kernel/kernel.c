/* SPDX-License-Identifier: BSD-3-Clause */
/* What a kernel's own work costs: system call, switch, wake, move, map, and how much it disturbs a
 * program that only computes. One static file for a Torobus guest and for a Linux guest, where it
 * may be /init. Prints lines "RESULT NAME VALUE UNIT", and with "noise" the times of fixed work. */
#define _GNU_SOURCE
#include "interrupts.h"
#include "kernel.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 61 };

static int cpu[MAXCPU], ncpus;

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The host may take the processor away at any time: what counts is the lower quartile, not the
 * mean. */
double low(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 4];
}

double middle(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 2];
}

void result(const char *name, double value, const char *unit)
{
    printf("RESULT %s %.1f %s\n", name, value, unit);
    fflush(stdout);
}

void pin(int to)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu[to % ncpus], &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("sched_setaffinity");
        exit(1);
    }
}

static void find_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    for (int i = 0; i < CPU_SETSIZE && ncpus < MAXCPU; i++)
        if (CPU_ISSET(i, &set))
            cpu[ncpus++] = i;
}

static void bench_syscall(void)
{
    double v[BATCHES];

    pin(0);
    for (int b = 0; b < BATCHES; b++) {
        double t = now();

        for (int i = 0; i < 2000; i++)
            syscall(SYS_getppid);
        v[b] = (now() - t) / 2000;
    }
    result("syscall", low(v, BATCHES), "ns");
}

static atomic_int stop;

static void *yield_too(void *arg)
{
    pin(0);
    while (!atomic_load(&stop))
        sched_yield();
    return arg;
}

/* Two threads on one core: a call of one is two switches. */
static void bench_yield(void)
{
    double v[BATCHES];
    pthread_t t;

    pin(0);
    atomic_store(&stop, 0);
    pthread_create(&t, NULL, yield_too, NULL);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    for (int b = 0; b < BATCHES; b++) {
        double s = now();

        for (int i = 0; i < 500; i++)
            sched_yield();
        v[b] = (now() - s) / 1000;
    }
    atomic_store(&stop, 1);
    pthread_join(t, NULL);
    result("yield", low(v, BATCHES), "ns");
}

static int to_there[2], to_here[2];

static void *echo(void *arg)
{
    char c;

    pin(0);
    while (read(to_there[0], &c, 1) == 1 && c != 'q')
        if (write(to_here[1], &c, 1) != 1)
            break;
    return arg;
}

static void bench_pipe(void)
{
    double v[BATCHES];
    pthread_t t;
    char c = 'x';

    pin(0);
    if (pipe(to_there) != 0 || pipe(to_here) != 0)
        exit(1);
    pthread_create(&t, NULL, echo, NULL);
    for (int b = 0; b < BATCHES; b++) {
        double s = now();

        for (int i = 0; i < 200; i++)
            if (write(to_there[1], &c, 1) != 1 || read(to_here[0], &c, 1) != 1)
                exit(1);
        v[b] = (now() - s) / 400;
    }
    c = 'q';
    if (write(to_there[1], &c, 1) != 1)
        exit(1);
    pthread_join(t, NULL);
    result("pipe", low(v, BATCHES), "ns");
}

static atomic_int word, asleep;
static _Atomic double woke;

static void *sleeper(void *arg)
{
    pin(1);
    for (int i = 0; i < 400; i++) {
        atomic_store(&asleep, 1);
        while (atomic_load(&word) == i)
            syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0);
        atomic_store(&woke, now());
        atomic_store(&asleep, 2);
    }
    return arg;
}

/* From the call that wakes to the first instruction of the woken thread, on another core. */
static void bench_futex(void)
{
    static double v[400];
    pthread_t t;

    pin(0);
    pthread_create(&t, NULL, sleeper, NULL);
    for (int i = 0; i < 400; i++) {
        double s;

        while (atomic_load(&asleep) != 1)
            sched_yield();
        usleep(300); /* it is in the kernel, and its core idle, by now */
        atomic_store(&asleep, 0);
        s = now();
        atomic_store(&word, i + 1);
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        while (atomic_load(&asleep) == 0)
            continue;
        v[i] = atomic_load(&woke) - s;
    }
    pthread_join(t, NULL);
    result("futex_wake", low(v, 400), "ns");
}

static void bench_migrate(void)
{
    double v[BATCHES];

    for (int b = 0; b < BATCHES; b++) {
        double s = now();

        for (int i = 0; i < 10; i++)
            pin(i & 1);
        v[b] = (now() - s) / 10;
    }
    pin(0);
    result("migrate", low(v, BATCHES), "ns");
}

static void bench_create(void)
{
    double v[BATCHES];

    for (int b = 0; b < BATCHES; b++) {
        double s = now();
        pthread_t t;

        pthread_create(&t, NULL, (void *(*)(void *))(void (*)(void))getpid, NULL);
        pthread_join(t, NULL);
        v[b] = now() - s;
    }
    result("thread", low(v, BATCHES), "ns");
}

static atomic_int ready, go;
static double alloc_cost[MAXCPU];

static void *allocate(void *arg)
{
    int me = (int)(long)arg;
    static double all[MAXCPU][BATCHES];
    double *v = all[me];

    pin(me);
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&go))
        sched_yield();
    for (int b = 0; b < BATCHES; b++) {
        double s = now();

        for (int i = 0; i < 10; i++) {
            char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

            if (p == MAP_FAILED)
                exit(1);
            p[0] = p[4096] = p[8192] = p[12288] = 1;
            munmap(p, 16384);
        }
        v[b] = (now() - s) / 10;
    }
    alloc_cost[me] = low(v, BATCHES);
    return NULL;
}

/* The same on 1, 2, 4 and 8 cores at once: what a core pays for the others. */
static void bench_alloc(void)
{
    for (int n = 1; n <= ncpus && n <= 8; n *= 2) {
        pthread_t t[8];
        char name[32];

        atomic_store(&ready, 0);
        atomic_store(&go, 0);
        for (long i = 0; i < n; i++)
            pthread_create(&t[i], NULL, allocate, (void *)i);
        while (atomic_load(&ready) < n)
            usleep(1000);
        atomic_store(&go, 1);
        for (int i = 0; i < n; i++)
            pthread_join(t[i], NULL);
        snprintf(name, sizeof(name), "alloc_%d", n);
        result(name, low(alloc_cost, n), "ns");
    }
}

/* Fixed work, again and again: what it takes longer than the fastest time is noise. */
static void noise(int count)
{
    double *v = malloc((size_t)count * sizeof(*v)), best = 1e18, sum = 0, worst = 0;
    volatile uint64_t sink = 0;
    long over = 0;

    pin(ncpus > 1 ? 1 : 0); /* not where a kernel does its housework */
    for (int i = 0; i < count; i++) {
        double s = now();
        uint64_t x = (uint64_t)i + 1;

        for (int k = 0; k < 20000; k++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        sink += x;
        v[i] = now() - s;
    }
    for (int i = 0; i < count; i++) {
        best = v[i] < best ? v[i] : best;
        worst = v[i] > worst ? v[i] : worst;
        sum += v[i];
    }
    for (int i = 0; i < count; i++)
        over += v[i] > best * 1.5;
    for (int i = 0; i < count; i++)
        printf("NOISE %d %.0f\n", i, v[i]);
    result("fwq_best", best, "ns");
    result("fwq_mean_over_best", (sum / count / best - 1) * 100, "%");
    qsort(v, (size_t)count, sizeof(*v), by_value);
    result("fwq_p99_over_best", (v[count * 99 / 100] / best - 1) * 100, "%");
    result("fwq_worst", worst, "ns");
    result("fwq_over_1.5", (double)over, "quanta");
    free(v);
}

static void uptime(void)
{
    struct timespec t;
    char line[64] = "";
    FILE *f = fopen("/proc/uptime", "r");

    if (f != NULL && fgets(line, sizeof(line), f) != NULL)
        result("boot_to_main", atof(line) * 1000, "ms");
    else if (clock_gettime(CLOCK_BOOTTIME, &t) == 0)
        result("boot_to_main", (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6, "ms");
    if (f != NULL)
        fclose(f);
}

static int number(const char *variable)
{
    const char *v = getenv(variable);

    if (v == NULL) {
        fprintf(stderr, "kernel: %s is not set: start it with toro-run\n", variable);
        exit(1);
    }
    return atoi(v);
}

int main(int argc, char **argv)
{
    int init = getpid() == 1;
    const char *what = argc > 1 ? argv[1] : "all";
    long before;

    if (init) {
        mkdir("/proc", 0755);
        mount("proc", "/proc", "proc", 0, NULL);
        mkdir("/dev", 0755);
        mount("dev", "/dev", "devtmpfs", 0, NULL);
        if (getenv("bench") != NULL) /* words of the kernel's command line come as variables */
            what = getenv("bench");
    }
    uptime();
    find_cpus();
    if (strcmp(what, "alloc") == 0) {
        if (init)
            alloc_children(ncpus);
        else
            alloc_ranks(number("OMPI_COMM_WORLD_RANK"), number("OMPI_COMM_WORLD_SIZE"));
    } else if (strcmp(what, "boot") != 0) {
        bench_syscall();
        bench_yield();
        bench_pipe();
        if (ncpus > 1) {
            bench_futex();
            bench_migrate();
        }
        bench_create();
        bench_alloc();
        pin(ncpus > 1 ? 1 : 0);
        before = interrupts("LOC");
        noise(20000);
        result("fwq_timer_interrupts", (double)(interrupts("LOC") - before), "interrupts");
    }
    printf("RESULT done %d cpus\n", ncpus);
    fflush(stdout);
    if (init)
        reboot(RB_POWER_OFF);
    return 0;
}
