/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler as programs see it: yielding, affinity, fairness to those who do not yield. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int stop, flag;
static atomic_long ticks;

static void *spin(void *arg)
{
    while (!atomic_load(&stop))
        continue;
    return arg;
}

static void *worker(void *arg)
{
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&ticks, 1);
        usleep(1000);
    }
    return arg;
}

static void *set_flag(void *arg)
{
    atomic_store(&flag, 1);
    return arg;
}

static void *yield_often(void *arg)
{
    long n = 0;

    while (!atomic_load(&stop)) {
        sched_yield();
        n++;
    }
    *(long *)arg = n;
    return NULL;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_affinity(void)
{
    cpu_set_t set, one, got;
    unsigned cpu = 999, node = 999;
    int first = -1;

    CPU_ZERO(&set);
    t_ok(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1,
         "sched_getaffinity: %d processors", CPU_COUNT(&set));
    t_ok(sched_getcpu() >= 0 && CPU_ISSET(sched_getcpu(), &set), "sched_getcpu: one of them");
    t_ok(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && CPU_ISSET((int)cpu, &set),
         "getcpu as well");
    for (int i = 0; i < CPU_SETSIZE && first < 0; i++)
        if (CPU_ISSET(i, &set))
            first = i;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    t_eq(sched_setaffinity(0, sizeof(one), &one), 0, "sched_setaffinity to one");
    t_ok(sched_getaffinity(0, sizeof(got), &got) == 0 && CPU_EQUAL(&got, &one), "is seen");
    t_eq(sched_getcpu(), first, "and we are there");
    t_eq(sched_setaffinity(0, sizeof(set), &set), 0, "and back");
    CPU_ZERO(&one);
    errno = 0;
    t_ok(sched_setaffinity(0, sizeof(one), &one) == -1 && errno == EINVAL, "to none: EINVAL");
    t_ok(sched_getaffinity(0, 1, &got) == -1 && errno == EINVAL, "a set that is too small: EINVAL");
}

static void test_progress(void)
{
    enum { N = 3 };
    pthread_t t[N], w;
    double before = now();
    bool in_time;

    pthread_create(&t[0], NULL, set_flag, NULL);
    while (!atomic_load(&flag) && now() - before < 20)
        continue; /* no call: somebody else has to make room */
    t_ok(atomic_load(&flag), "a thread runs while its maker spins");
    pthread_join(t[0], NULL);

    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, spin, NULL);
    pthread_create(&w, NULL, worker, NULL);
    before = now();
    while (atomic_load(&ticks) < 5 && now() - before < 20)
        usleep(1000);
    in_time = now() - before < 20;
    t_ok(in_time, "a thread gets on beside %d that spin: %ld ticks in %.2f s", N,
         atomic_load(&ticks), now() - before);
    atomic_store(&stop, 1);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    pthread_join(w, NULL);
}

static void test_yield(void)
{
    enum { N = 3 };
    pthread_t t[N];
    long n[N], min, max;

    atomic_store(&stop, 0);
    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, yield_often, &n[i]);
    usleep(200000);
    atomic_store(&stop, 1);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    min = max = n[0];
    for (int i = 1; i < N; i++) {
        min = n[i] < min ? n[i] : min;
        max = n[i] > max ? n[i] : max;
    }
    t_ok(min > 10, "threads that yield all get on: %ld to %ld times", min, max);
    t_eq(sched_yield(), 0, "sched_yield alone");
}

static void test_policy(void)
{
    struct sched_param p;

    t_eq(sched_getscheduler(0), SCHED_OTHER, "sched_getscheduler");
    t_ok(sched_getparam(0, &p) == 0 && p.sched_priority == 0, "sched_getparam");
    t_ok(sched_get_priority_max(SCHED_OTHER) == 0 && sched_get_priority_min(SCHED_OTHER) == 0,
         "sched_get_priority_max and _min");
    errno = 0;
    t_ok(getpriority(PRIO_PROCESS, 0) != -1 || errno == 0, "getpriority");
}

int main(void)
{
    test_affinity();
    test_progress();
    test_yield();
    test_policy();
    return t_done();
}
