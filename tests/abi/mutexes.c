/* SPDX-License-Identifier: BSD-3-Clause */
/* Mutexes whose owner the kernel knows: PTHREAD_PRIO_INHERIT, and robust ones, whose owner dies. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N = 4, LOOPS = 3000 };

static pthread_mutex_t mutex;
static long counter;
static volatile int stage;

static void make(int protocol, int robust, int type)
{
    pthread_mutexattr_t a;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, protocol);
    pthread_mutexattr_setrobust(&a, robust);
    pthread_mutexattr_settype(&a, type);
    t_eq(pthread_mutex_init(&mutex, &a), 0, "a mutex");
    pthread_mutexattr_destroy(&a);
}

static void *count(void *arg)
{
    for (int i = 0; i < LOOPS; i++) {
        if (pthread_mutex_lock(&mutex) != 0)
            exit(9);
        counter++;
        if (i % 64 == 0)
            sched_yield();
        if (pthread_mutex_unlock(&mutex) != 0)
            exit(9);
    }
    return arg;
}

static void *hold(void *arg)
{
    pthread_mutex_lock(&mutex);
    stage = 1;
    while (stage != 2)
        usleep(1000);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *die(void *arg)
{
    pthread_mutex_lock(&mutex);
    stage = 1;
    usleep(*(int *)arg);
    return NULL; /* with the mutex */
}

static void on_signal(int sig)
{
    (void)sig;
    counter++;
}

static void *release_later(void *arg)
{
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    usleep(50000);
    stage = 2;
    return NULL;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void inherit(void)
{
    struct timespec soon;
    pthread_t t[N], self = pthread_self();
    double before;

    make(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ERRORCHECK);
    counter = 0;
    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    t_eq(counter, (long)N * LOOPS, "PRIO_INHERIT: a counter stays right");
    t_ok(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == EDEADLK,
         "locking twice: EDEADLK");
    pthread_mutex_unlock(&mutex);
    t_eq(pthread_mutex_unlock(&mutex), EPERM, "unlocking what one has not: EPERM");
    stage = 0;
    pthread_create(&t[0], NULL, hold, NULL);
    while (stage == 0)
        usleep(1000);
    t_eq(pthread_mutex_trylock(&mutex), EBUSY, "trylock: EBUSY");
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 50000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    before = now();
    t_ok(pthread_mutex_timedlock(&mutex, &soon) == ETIMEDOUT && now() - before > 0.045,
         "timedlock: ETIMEDOUT");
    signal(SIGUSR1, on_signal);
    counter = 0;
    pthread_create(&t[1], NULL, release_later, &self);
    t_ok(pthread_mutex_lock(&mutex) == 0 && counter == 1 && stage == 2,
         "a signal handler runs while it waits, and it goes on waiting");
    pthread_mutex_unlock(&mutex);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    t_eq(pthread_mutex_destroy(&mutex), 0, "done");
}

static void robust(int protocol, const char *name)
{
    pthread_t t;

    for (int delay = 0; delay <= 50000; delay += 50000) {
        make(protocol, PTHREAD_MUTEX_ROBUST, PTHREAD_MUTEX_NORMAL);
        stage = 0;
        pthread_create(&t, NULL, die, &delay);
        while (stage == 0)
            usleep(1000);
        if (delay == 0)
            pthread_join(t, NULL);
        t_ok(pthread_mutex_lock(&mutex) == EOWNERDEAD, "%s: its owner dies %s", name,
             delay == 0 ? "before it is wanted" : "while somebody waits");
        t_ok(pthread_mutex_consistent(&mutex) == 0, "%s: mended", name);
        t_ok(pthread_mutex_unlock(&mutex) == 0 && pthread_mutex_lock(&mutex) == 0 &&
                 pthread_mutex_unlock(&mutex) == 0,
             "%s: and good again", name);
        if (delay != 0)
            pthread_join(t, NULL);
        pthread_mutex_destroy(&mutex);
    }
    make(protocol, PTHREAD_MUTEX_ROBUST, PTHREAD_MUTEX_NORMAL);
    int none = 0;
    pthread_create(&t, NULL, die, &none);
    pthread_join(t, NULL);
    t_ok(pthread_mutex_lock(&mutex) == EOWNERDEAD && pthread_mutex_unlock(&mutex) == 0 &&
             pthread_mutex_lock(&mutex) == ENOTRECOVERABLE,
         "%s: not mended, it is lost", name);
}

int main(void)
{
    inherit();
    robust(PTHREAD_PRIO_NONE, "robust");
    robust(PTHREAD_PRIO_INHERIT, "robust, PRIO_INHERIT");
    return t_done();
}
