/* SPDX-License-Identifier: BSD-3-Clause */
/* The futex system call itself. */
#include <tap.h>

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PRIVATE FUTEX_PRIVATE_FLAG

static _Atomic uint32_t word, other;
static atomic_int waiting, woken;

static long futex(_Atomic uint32_t *at, int op, uint32_t val, const void *timeout,
                  _Atomic uint32_t *at2, uint32_t val3)
{
    long rc = syscall(SYS_futex, at, op, val, timeout, at2, val3);

    return rc == -1 ? -errno : rc;
}

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct timespec as_timespec(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

    return t;
}

static void *waiter(void *arg)
{
    uint32_t mask = (uint32_t)(uintptr_t)arg;

    atomic_fetch_add(&waiting, 1);
    while (futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, NULL, NULL, mask) == -EINTR)
        continue;
    atomic_fetch_add(&woken, 1);
    return NULL;
}

static void start(pthread_t *t, int n, uint32_t mask)
{
    int before = atomic_load(&waiting);

    for (int i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, waiter, (void *)(uintptr_t)mask) != 0)
            t_bail("pthread_create failed");
    while (atomic_load(&waiting) < before + n)
        usleep(1000);
    usleep(50000); /* from there into the system call */
}

static void settle(int want)
{
    for (int i = 0; i < 1000 && atomic_load(&woken) < want; i++)
        usleep(1000);
    usleep(20000);
}

static void test_timeouts(void)
{
    struct timespec t = {0, 50000000};
    double before;
    long rc;

    word = 0;
    t_eq(futex(&word, FUTEX_WAIT | PRIVATE, 1, NULL, NULL, 0), -EAGAIN, "another value: EAGAIN");
    t_eq(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), 0, "nobody to wake");
    before = now(CLOCK_MONOTONIC);
    rc = futex(&word, FUTEX_WAIT | PRIVATE, 0, &t, NULL, 0);
    t_ok(rc == -ETIMEDOUT && now(CLOCK_MONOTONIC) - before >= 0.049, "WAIT: a relative time limit");
    before = now(CLOCK_MONOTONIC);
    t = as_timespec(before + 0.05);
    rc = futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, &t, NULL, FUTEX_BITSET_MATCH_ANY);
    t_ok(rc == -ETIMEDOUT && now(CLOCK_MONOTONIC) - before >= 0.049,
         "WAIT_BITSET: an absolute one");
    before = now(CLOCK_REALTIME);
    t = as_timespec(before + 0.05);
    rc = futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME | PRIVATE, 0, &t, NULL,
               FUTEX_BITSET_MATCH_ANY);
    t_ok(rc == -ETIMEDOUT && now(CLOCK_REALTIME) - before >= 0.049, "on the real-time clock");
    t = as_timespec(now(CLOCK_MONOTONIC) - 1);
    rc = futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, &t, NULL, FUTEX_BITSET_MATCH_ANY);
    t_eq(rc, -ETIMEDOUT, "a time that is over");
    t.tv_nsec = 2000000000;
    t_eq(futex(&word, FUTEX_WAIT | PRIVATE, 0, &t, NULL, 0), -EINVAL, "an impossible time: EINVAL");
    t_eq(futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, NULL, NULL, 0), -EINVAL, "no bits: EINVAL");
    t_eq(futex((_Atomic uint32_t *)((char *)&word + 1), FUTEX_WAIT | PRIVATE, 0, NULL, NULL, 0),
         -EINVAL, "an odd address: EINVAL");
    t_eq(futex((_Atomic uint32_t *)4096, FUTEX_WAIT | PRIVATE, 0, NULL, NULL, 0), -EFAULT,
         "a bad address: EFAULT");
}

static void test_wake(void)
{
    pthread_t t[6];

    start(t, 3, FUTEX_BITSET_MATCH_ANY);
    t_eq(atomic_load(&woken), 0, "three threads wait");
    t_eq(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), 1, "one is woken");
    settle(1);
    t_eq(atomic_load(&woken), 1, "and only one");
    t_eq(futex(&word, FUTEX_WAKE | PRIVATE, 100, NULL, NULL, 0), 2, "then the others");
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);

    atomic_store(&woken, 0);
    start(t, 2, 1);
    start(t + 2, 2, 6);
    t_eq(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 100, NULL, NULL, 8), 0, "nobody has this bit");
    t_eq(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 100, NULL, NULL, 4), 2, "two have that one");
    settle(2);
    t_eq(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 100, NULL, NULL, 3), 2, "and two the other");
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
}

static void test_requeue(void)
{
    pthread_t t[4];
    const void *all = (const void *)(uintptr_t)100;

    atomic_store(&woken, 0);
    start(t, 4, FUTEX_BITSET_MATCH_ANY);
    t_eq(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, all, &other, 5), -EAGAIN,
         "CMP_REQUEUE with another value: EAGAIN");
    t_eq(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, all, &other, 0), 4,
         "CMP_REQUEUE: one woken, three moved");
    settle(1);
    t_eq(atomic_load(&woken), 1, "one runs");
    t_eq(futex(&word, FUTEX_WAKE | PRIVATE, 100, NULL, NULL, 0), 0, "nobody is left behind");
    t_eq(futex(&other, FUTEX_WAKE | PRIVATE, 100, NULL, NULL, 0), 3, "three wait at the new place");
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);

    atomic_store(&woken, 0);
    start(t, 2, FUTEX_BITSET_MATCH_ANY);
    other = 7;
    t_eq(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, (const void *)(uintptr_t)1, &other,
               FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 8)),
         1, "WAKE_OP: one woken, the comparison fails");
    t_eq(atomic_load(&other), 10, "and the word was added to");
    t_eq(futex(&word, FUTEX_WAKE | PRIVATE, 100, NULL, NULL, 0), 1, "the last one");
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
}

/* Two threads hand a word to each other: every wake must arrive. */
static void *ping(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;

    for (int i = 0; i < 2000; i++) {
        while (atomic_load(&other) % 2 != me)
            futex(&other, FUTEX_WAIT | PRIVATE, 1 - me, NULL, NULL, 0);
        atomic_store(&other, 1 - me);
        futex(&other, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0);
    }
    return NULL;
}

int main(void)
{
    pthread_t t[2];

    test_timeouts();
    test_wake();
    test_requeue();
    other = 0;
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, ping, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    t_ok(true, "4000 hand-overs between two threads");
    t_eq(futex(&word, 127, 0, NULL, NULL, 0), -ENOSYS, "an unknown operation: ENOSYS");
    return t_done();
}
