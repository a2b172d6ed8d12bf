/* SPDX-License-Identifier: BSD-3-Clause */
/* What memory costs on one core while the others sleep, and on all at once: one process per core.
 * In a Torobus guest they are ranks (toro-run -n N kernel alloc), in a Linux guest children of the
 * first.
 *
 * A host with fewer processors than the guest has cannot show how long all of them take, but what a
 * short batch takes when nobody is in its way: the lower quartile of many. A lock that its holder
 * keeps while the host runs somebody else, or a line that goes from core to core, shows there. */
#define _GNU_SOURCE
#include "kernel.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PER_BATCH = 10, NBATCHES = 101, NOBJECTS = 8 };

/* In memory that all of them have. */
static struct {
    atomic_int arrived, step;
    _Atomic double cost[2][2][MAXCPU]; /* by what is done, alone or all, who */
} * all;

static void map_and_unmap(void)
{
    char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    p[0] = p[4096] = p[8192] = p[12288] = 1;
    munmap(p, 16384);
}

/* Objects of the kernel: a file and what is behind it, each. */
static void objects(void)
{
    int fd[NOBJECTS];

    for (int i = 0; i < NOBJECTS; i++)
        fd[i] = eventfd(0, 0);
    for (int i = 0; i < NOBJECTS; i++)
        if (fd[i] < 0 || close(fd[i]) != 0)
            exit(1);
}

static double cost(void (*fn)(void), int n)
{
    static double v[NBATCHES];

    for (int i = 0; i < 3; i++)
        fn();
    for (int b = 0; b < NBATCHES; b++) {
        double s = now();

        for (int i = 0; i < PER_BATCH; i++)
            fn();
        v[b] = (now() - s) / (PER_BATCH * n);
    }
    return low(v, NBATCHES);
}

static void measure(int who, int together)
{
    all->cost[0][together][who] = cost(map_and_unmap, 1);
    all->cost[1][together][who] = cost(objects, NOBJECTS);
}

/* Sleep until n have come to this step. */
static void meet(int step, int n)
{
    if (atomic_fetch_add(&all->arrived, 1) + 1 == n * step) {
        atomic_store(&all->step, step);
        syscall(SYS_futex, &all->step, FUTEX_WAKE, n, NULL, NULL, 0);
    }
    for (int s = atomic_load(&all->step); s < step; s = atomic_load(&all->step))
        syscall(SYS_futex, &all->step, FUTEX_WAIT, s, NULL, NULL, 0);
}

static void one(int who, int n)
{
    meet(1, n);
    if (who == 0)
        measure(0, 0);
    meet(2, n);
    measure(who, 1);
    meet(3, n);
}

static void report(int n)
{
    static const char *const names[2] = {"map", "object"};
    double v[MAXCPU];
    char name[32];

    for (int what = 0; what < 2; what++) {
        snprintf(name, sizeof(name), "%s_alone_%d", names[what], n);
        result(name, all->cost[what][0][0], "ns");
        for (int i = 0; i < n; i++)
            v[i] = all->cost[what][1][i];
        snprintf(name, sizeof(name), "%s_all_%d", names[what], n);
        result(name, v[0] = middle(v, n), "ns");
    }
}

/* Ranks of a Torobus guest meet in its /dev/shm. */
void alloc_ranks(int who, int n)
{
    int fd = open("/dev/shm/kernel-alloc", O_RDWR | O_CREAT, 0600);

    if (fd < 0 || n > MAXCPU || ftruncate(fd, sizeof(*all)) != 0) {
        perror("/dev/shm/kernel-alloc");
        exit(1);
    }
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    one(who, n);
    if (who == 0) {
        unlink("/dev/shm/kernel-alloc");
        report(n);
    }
}

void alloc_children(int n)
{
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 1; i < n; i++) {
        if (fork() == 0) {
            pin(i);
            one(i, n);
            _exit(0);
        }
    }
    pin(0);
    one(0, n);
    while (wait(NULL) > 0)
        continue;
    report(n);
}
