/* SPDX-License-Identifier: BSD-3-Clause */
/* crash: dies in a known place, with threads in known places. Not a test: t-core.sh looks at what
 * is left of it with a debugger. No MPI.
 *
 * usage: crash segv|abort|overflow|thread-overflow|hang */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG (256ul << 20)

static pthread_barrier_t ready;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
volatile unsigned long spins;
char marker[] = "marker in data";
volatile double vector[4] = {1.5, 2.5, 3.5, 4.5};
char *big;

__attribute__((noinline)) void *in_spin(void *arg)
{
    pthread_barrier_wait(&ready);
    for (;;)
        spins++;
    return arg;
}

__attribute__((noinline)) void *in_mutex(void *arg)
{
    pthread_barrier_wait(&ready);
    pthread_mutex_lock(&held);
    return arg;
}

__attribute__((noinline)) void *in_read(void *arg)
{
    int fd[2];
    char c;

    if (pipe(fd) != 0)
        exit(2);
    pthread_barrier_wait(&ready);
    if (read(fd[0], &c, 1) < 0)
        exit(2);
    return arg;
}

static int (*volatile again)(int, volatile int *); /* so that no call is made a jump */

__attribute__((noinline)) int deep(int n, volatile int *p)
{
    int local = n * 11;

    if (n == 3)
        *p = local; /* here */
    else
        local += again(n + 1, p);
    return local;
}

__attribute__((noinline)) int endless(volatile char *p, int n)
{
    volatile char frame[4096];

    frame[0] = p[0];
    return n > 1 << 24 ? 0 : endless(frame, n + 1) + frame[0];
}

__attribute__((noinline)) void *overflows(void *arg)
{
    volatile char c = 1;

    endless(&c, 0);
    return arg;
}

int main(int argc, char **argv)
{
    static void *(*const bodies[])(void *) = {in_spin, in_mutex, in_read};
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t t;

    if (strcmp(how, "overflow") == 0)
        return overflows(NULL) != NULL;
    if (strcmp(how, "thread-overflow") == 0) {
        pthread_create(&t, NULL, overflows, NULL);
        pthread_join(t, NULL);
        return 1;
    }
    /* Hardly any of this is ever touched, and no more may get into the core. */
    big = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (big == MAP_FAILED)
        return 2;
    strcpy(big + BIG / 2, "in the middle");
    pthread_mutex_lock(&held);
    pthread_barrier_init(&ready, NULL, 4);
    for (int i = 0; i < 3; i++)
        if (pthread_create(&t, NULL, bodies[i], NULL) != 0)
            return 2;
    pthread_barrier_wait(&ready);
    usleep(50000);
    if (strcmp(how, "hang") == 0) {
        printf("hanging\n");
        fflush(stdout);
        pause();
    }
    if (strcmp(how, "abort") == 0)
        abort();
    again = deep;
    return again(0, NULL) + (int)spins;
}
