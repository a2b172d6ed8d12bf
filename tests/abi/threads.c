/* SPDX-License-Identifier: BSD-3-Clause */
/* pthreads: create, join, mutexes, conditions, time limits, barriers, once, cancellation. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N = 6, LOOPS = 2000 };

static struct timespec from_now(clockid_t clock, long ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void start(pthread_t *t, void *(*fn)(void *), int n)
{
    for (intptr_t i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, fn, (void *)i) != 0)
            t_bail("pthread_create failed");
}

static void join(pthread_t *t, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;

static void *count(void *arg)
{
    for (int i = 0; i < LOOPS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        if (i % 100 == 0)
            sched_yield(); /* so that others meet a locked mutex */
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

static void *square(void *arg)
{
    return (void *)((intptr_t)arg * (intptr_t)arg);
}

static void test_create(void)
{
    pthread_t t[N];
    void *r;
    bool good = true;

    start(t, square, N);
    for (intptr_t i = 0; i < N; i++)
        good &= pthread_join(t[i], &r) == 0 && (intptr_t)r == i * i;
    t_ok(good, "%d threads return their results", N);
    for (int i = 0; i < 200; i++) {
        start(t, square, 1);
        good &= pthread_join(t[0], &r) == 0;
    }
    t_ok(good, "200 threads one after the other");
    counter = 0;
    start(t, count, N);
    join(t, N);
    t_eq(counter, (long)N * LOOPS, "a mutex keeps a counter right");
}

static pthread_cond_t turn_cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *take_turns(void *arg)
{
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % N != (intptr_t)arg)
            pthread_cond_wait(&turn_cond, &mutex);
        turn++;
        pthread_cond_broadcast(&turn_cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void test_condition(void)
{
    pthread_t t[N];
    struct timespec limit;
    double before;
    pthread_condattr_t attr;
    pthread_cond_t mono;
    int rc;

    start(t, take_turns, N);
    join(t, N);
    t_eq(turn, 50 * N, "threads take turns through a condition");

    pthread_mutex_lock(&mutex);
    before = now();
    limit = from_now(CLOCK_REALTIME, 50);
    rc = pthread_cond_timedwait(&cond, &mutex, &limit);
    t_ok(rc == ETIMEDOUT && now() - before > 0.045, "a wait with a time limit ends after it");
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&mono, &attr);
    before = now();
    limit = from_now(CLOCK_MONOTONIC, 50);
    rc = pthread_cond_timedwait(&mono, &mutex, &limit);
    t_ok(rc == ETIMEDOUT && now() - before > 0.045, "on the monotonic clock as well");
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&mono);
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;

static void *hold(void *arg)
{
    pthread_mutex_lock(&held);
    sem_post(&semaphore);
    usleep(150000);
    pthread_mutex_unlock(&held);
    return arg;
}

static void test_locks(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t m;
    pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
    pthread_t t;
    struct timespec limit;

    sem_init(&semaphore, 0, 0);
    start(&t, hold, 1);
    sem_wait(&semaphore);
    t_eq(pthread_mutex_trylock(&held), EBUSY, "trylock on a held mutex");
    limit = from_now(CLOCK_REALTIME, 20);
    t_eq(pthread_mutex_timedlock(&held, &limit), ETIMEDOUT, "timedlock gives up");
    t_eq(pthread_mutex_lock(&held), 0, "lock waits until it is free");
    pthread_mutex_unlock(&held);
    pthread_join(t, NULL);
    limit = from_now(CLOCK_REALTIME, 20);
    t_ok(sem_timedwait(&semaphore, &limit) == -1 && errno == ETIMEDOUT, "sem_timedwait gives up");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m, &attr);
    t_ok(pthread_mutex_lock(&m) == 0 && pthread_mutex_lock(&m) == 0, "a recursive mutex");
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &attr);
    t_ok(pthread_mutex_lock(&m) == 0 && pthread_mutex_lock(&m) == EDEADLK, "a checking mutex");
    t_ok(pthread_rwlock_rdlock(&rw) == 0 && pthread_rwlock_rdlock(&rw) == 0 &&
             pthread_rwlock_trywrlock(&rw) == EBUSY,
         "a read-write lock");
}

static pthread_barrier_t barrier;
static int phase[N];
static atomic_int serial, wrong;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int once_count;

static void only_once(void)
{
    atomic_fetch_add(&once_count, 1);
    usleep(1000);
}

static void *phases(void *arg)
{
    intptr_t me = (intptr_t)arg;

    pthread_once(&once, only_once);
    if (atomic_load(&once_count) != 1)
        atomic_fetch_add(&wrong, 1);
    for (int i = 1; i <= 30; i++) {
        phase[me] = i;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&serial, 1);
        for (int k = 0; k < N; k++)
            if (phase[k] != i)
                atomic_fetch_add(&wrong, 1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void test_barrier(void)
{
    pthread_t t[N];

    pthread_barrier_init(&barrier, NULL, N);
    start(t, phases, N);
    join(t, N);
    t_eq(atomic_load(&wrong), 0, "nobody passes a barrier early; pthread_once runs once");
    t_eq(atomic_load(&serial), 30, "one thread of each round is the serial one");
}

static atomic_int cleaned, detached_done;

static void clean(void *arg)
{
    (void)arg;
    atomic_fetch_add(&cleaned, 1);
}

static void *sleeper(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    sem_post(&semaphore);
    for (;;)
        sleep(1000);
    pthread_cleanup_pop(0);
    return arg;
}

static void *leaver(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    pthread_exit(arg);
    pthread_cleanup_pop(0);
}

static void *detached(void *arg)
{
    atomic_fetch_add(&detached_done, 1);
    return arg;
}

static void test_ends(void)
{
    pthread_t t;
    pthread_attr_t attr;
    void *r = NULL;
    char name[16] = "";

    start(&t, sleeper, 1);
    sem_wait(&semaphore);
    t_eq(pthread_cancel(t), 0, "a sleeping thread is cancelled");
    pthread_join(t, &r);
    t_ok(r == PTHREAD_CANCELED && atomic_load(&cleaned) == 1, "and its clean-up has run");
    pthread_create(&t, NULL, leaver, &attr);
    pthread_join(t, &r);
    t_ok(r == &attr && atomic_load(&cleaned) == 2, "pthread_exit cleans up as well");
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 20; i++)
        if (pthread_create(&t, &attr, detached, NULL) != 0)
            t_diag("detached thread %d could not be created", i);
    for (int i = 0; i < 2000 && atomic_load(&detached_done) < 20; i++)
        usleep(1000);
    t_eq(atomic_load(&detached_done), 20, "detached threads run and end");
    if (pthread_setname_np(pthread_self(), "toro-thread") == 0 &&
        pthread_getname_np(pthread_self(), name, sizeof(name)) == 0)
        t_ok(strcmp(name, "toro-thread") == 0, "a thread has a name");
    else
        t_skip(1, "threads have no names here");
}

int main(void)
{
    test_create();
    test_condition();
    test_locks();
    test_barrier();
    test_ends();
    return t_done();
}
