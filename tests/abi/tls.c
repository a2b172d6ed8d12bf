/* SPDX-License-Identifier: BSD-3-Clause */
/* Globals and thread-local storage: values, relocations, alignment, destructors. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

static int zero[10000];
static int values[4] = {1, 2, 3, 4};
static int *const pointer = &values[2];
static const char *const names[3] = {"one", "two", "three"};
static int (*const function)(const char *, const char *) = strcmp;

static __thread int tls_value = 42;
static __thread int tls_zero;
static __thread char tls_big[20000];
static __thread _Alignas(64) char tls_aligned[64] = "aligned";
static __thread int *tls_pointer = &values[1];

static pthread_key_t key;
static atomic_int destroyed;

static void destructor(void *p)
{
    if (p == (void *)&values[0])
        atomic_fetch_add(&destroyed, 1);
}

static void *thread(void *arg)
{
    intptr_t me = (intptr_t)arg;
    intptr_t fresh;
    bool zeroed = true;

    for (size_t i = 0; i < sizeof(tls_big); i++)
        zeroed &= tls_big[i] == 0;
    fresh = tls_value == 42 && tls_zero == 0 && zeroed && strcmp(tls_aligned, "aligned") == 0 &&
            (uintptr_t)tls_aligned % 64 == 0 && *tls_pointer == 2 && errno == 0;
    tls_value = (int)me;
    tls_zero = (int)me;
    memset(tls_big, (int)me, sizeof(tls_big));
    errno = (int)me;
    pthread_setspecific(key, &values[0]);
    for (int i = 0; i < 50; i++)
        sched_yield();
    for (size_t i = 0; i < sizeof(tls_big); i++)
        fresh &= tls_big[i] == (char)me;
    return (void *)(intptr_t)(fresh && tls_value == me && tls_zero == me && errno == (int)me);
}

int main(void)
{
    enum { N = 8 };
    pthread_t t[N];
    void *result;
    bool zeroed = true, good = true;

    for (size_t i = 0; i < 10000; i++)
        zeroed &= zero[i] == 0;
    t_ok(zeroed, "globals without a value are zero");
    t_ok(values[3] == 4 && *pointer == 3, "globals with a value, and a pointer to one");
    t_ok(strcmp(names[2], "three") == 0, "pointers to strings are relocated");
    t_ok(function("a", "a") == 0, "a pointer to a function");
    t_ok(tls_value == 42 && tls_zero == 0 && *tls_pointer == 2, "the first thread's own values");
    t_eq((uintptr_t)tls_aligned % 64, 0, "are aligned as asked");
    tls_value = 1000;
    errno = 0;
    pthread_key_create(&key, destructor);
    for (int round = 0; round < 5; round++) {
        for (intptr_t i = 0; i < N; i++)
            good &= pthread_create(&t[i], NULL, thread, (void *)(i + 1)) == 0;
        for (int i = 0; i < N; i++) {
            pthread_join(t[i], &result);
            good &= result == (void *)1;
        }
    }
    t_ok(good, "%d threads, five times: own, fresh, undisturbed values", N);
    t_eq(tls_value, 1000, "the first thread's value is as it was");
    t_eq(atomic_load(&destroyed), 5 * N, "destructors ran at each thread's end");
    return t_done();
}
