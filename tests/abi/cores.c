/* SPDX-License-Identifier: BSD-3-Clause */
/* A process with several cores: where its threads run, how they move, wake and stop each other.
 * cores: 4 timeout: 240 */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 64 };

static int cpu[MAX], ncpus;
static bool guest; /* where a processor is a core of our own */
static atomic_int stop, arrived;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int pin(pthread_t t, int to)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(to, &set);
    return pthread_setaffinity_np(t, sizeof(set), &set);
}

static void test_view(void)
{
    const char *want = getenv("TOROBUS_CORES_PER_RANK");
    struct utsname u;
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        t_bail("sched_getaffinity");
    for (int i = 0; i < CPU_SETSIZE && ncpus < MAX; i++)
        if (CPU_ISSET(i, &set))
            cpu[ncpus++] = i;
    guest = uname(&u) == 0 && strstr(u.release, "torobus") != NULL;
    if (guest && want != NULL)
        t_eq(ncpus, atoi(want), "as many processors as were asked for");
    else
        t_ok(ncpus >= 1, "%d processors", ncpus);
    if (guest) {
        t_eq(sysconf(_SC_NPROCESSORS_ONLN), ncpus, "sysconf counts the same");
        t_eq(get_nprocs(), ncpus, "get_nprocs as well");
    } else {
        t_ok(sysconf(_SC_NPROCESSORS_ONLN) >= ncpus, "sysconf counts at least as many");
        t_ok(get_nprocs() >= ncpus, "get_nprocs as well");
    }
}

static void *meet(void *arg)
{
    double end = now() + 60;

    /* Without a call: all of them must run at the same time, or the guard time lets them. */
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < ncpus && now() < end)
        continue;
    *(int *)arg = sched_getcpu();
    return NULL;
}

static void test_spread(void)
{
    pthread_t t[MAX];
    int where[MAX];
    cpu_set_t seen;

    CPU_ZERO(&seen);
    atomic_store(&arrived, 1);
    for (int i = 1; i < ncpus; i++)
        pthread_create(&t[i], NULL, meet, &where[i]);
    where[0] = sched_getcpu();
    for (int i = 1; i < ncpus; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < ncpus; i++)
        CPU_SET(where[i], &seen);
    t_eq(atomic_load(&arrived), ncpus, "a thread for each processor meets the others");
    if (guest)
        t_eq(CPU_COUNT(&seen), ncpus, "each had a core of its own");
    else
        t_skip(1, "Linux puts them where it likes");
}

static __thread double mine;

static void *hop(void *arg)
{
    long wrong = 0;

    mine = (double)(long)arg;
    for (int i = 0; i < 40 * ncpus; i++) {
        double x = mine + i * 0.5;
        int to = cpu[(i + (long)arg) % ncpus];

        if (pin(pthread_self(), to) != 0 || sched_getcpu() != to)
            wrong++;
        /* Registers and thread pointer have come along. */
        if (x != (double)(long)arg + i * 0.5 || mine != (double)(long)arg)
            wrong++;
    }
    return (void *)wrong;
}

static void test_hop(void)
{
    enum { N = 6 };
    pthread_t t[N];
    long wrong = 0;

    for (long i = 0; i < N; i++)
        pthread_create(&t[i], NULL, hop, (void *)i);
    for (int i = 0; i < N; i++) {
        void *w;

        pthread_join(t[i], &w);
        wrong += (long)w;
    }
    t_eq(wrong, 0, "threads move from core to core, with all that is theirs");
}

static atomic_int seen_cpu;

static void *look(void *arg)
{
    while (!atomic_load(&stop))
        atomic_store(&seen_cpu, sched_getcpu());
    return arg;
}

static void test_moved(void)
{
    pthread_t t;
    int ok = 0;

    atomic_store(&stop, 0);
    atomic_store(&seen_cpu, -1);
    pthread_create(&t, NULL, look, NULL);
    for (int i = 0; i < 3 * ncpus; i++) {
        double end = now() + 30;
        int to = cpu[i % ncpus];

        if (pin(t, to) != 0)
            continue;
        while (atomic_load(&seen_cpu) != to && now() < end)
            sched_yield();
        ok += atomic_load(&seen_cpu) == to;
    }
    atomic_store(&stop, 1);
    pthread_join(t, NULL);
    t_eq(ok, 3 * ncpus, "a thread that runs is moved by another, to idle cores too");
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *player(void *arg)
{
    int me = (int)(long)arg;

    pin(pthread_self(), cpu[me % ncpus]);
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % 3 != me)
            pthread_cond_wait(&cond, &mutex);
        turn++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void test_wake(void)
{
    pthread_t t[3];

    turn = 0;
    for (long i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, player, (void *)i);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    t_eq(turn, 3000, "threads of different cores wake each other, no wake is lost");
}

static atomic_int handled_by[MAX];
static __thread int number;

static void on_usr1(int sig)
{
    (void)sig;
    atomic_fetch_add(&handled_by[number], 1);
}

static void *spin_as(void *arg)
{
    number = (int)(long)arg;
    atomic_fetch_add(&arrived, 1);
    while (!atomic_load(&stop))
        continue;
    return NULL;
}

static void test_signals(void)
{
    struct sigaction sa = {.sa_handler = on_usr1};
    pthread_t t[MAX];
    double end = now() + 60;
    int n = ncpus + 1, ok = 0;

    sigaction(SIGUSR1, &sa, NULL);
    atomic_store(&stop, 0);
    atomic_store(&arrived, 0);
    for (long i = 1; i <= n; i++)
        pthread_create(&t[i], NULL, spin_as, (void *)i);
    while (atomic_load(&arrived) < n && now() < end)
        sched_yield();
    for (int i = 1; i <= n; i++)
        pthread_kill(t[i], SIGUSR1);
    for (int i = 1; i <= n; i++) {
        while (atomic_load(&handled_by[i]) == 0 && now() < end)
            sched_yield();
        ok += atomic_load(&handled_by[i]) == 1;
    }
    t_eq(ok, n, "a signal reaches each of the threads that spin, more of them than cores");
    atomic_store(&stop, 1);
    for (int i = 1; i <= n; i++)
        pthread_join(t[i], NULL);
}

static pthread_key_t key;
static atomic_int destroyed;

static void destroy(void *arg)
{
    (void)arg;
    atomic_fetch_add(&destroyed, 1);
}

static void *endless(void *arg)
{
    int old;

    pthread_setspecific(key, &key);
    pthread_setcanceltype(*(int *)arg, &old);
    atomic_fetch_add(&arrived, 1);
    for (;;) {
        if (*(int *)arg == PTHREAD_CANCEL_DEFERRED)
            usleep(1000);
    }
    return NULL;
}

static void test_cancel(void)
{
    int type[MAX], n = 2 * ncpus, canceled = 0;
    double end = now() + 60;
    pthread_t t[MAX];

    pthread_key_create(&key, destroy);
    atomic_store(&arrived, 0);
    for (int i = 0; i < n; i++) {
        type[i] = i % 2 ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
        pthread_create(&t[i], NULL, endless, &type[i]);
    }
    while (atomic_load(&arrived) < n && now() < end)
        usleep(1000);
    for (int i = 0; i < n; i++)
        pthread_cancel(t[i]);
    for (int i = 0; i < n; i++) {
        void *r;

        canceled += pthread_join(t[i], &r) == 0 && r == PTHREAD_CANCELED;
    }
    t_eq(canceled, n, "threads of all cores are cancelled, those that spin too");
    t_eq(atomic_load(&destroyed), n, "and their destructors ran");
}

static void *nothing(void *arg)
{
    return arg;
}

static void test_storm(void)
{
    pthread_t t[8];
    int bad = 0;

    for (int round = 0; round < 50; round++) {
        for (long i = 0; i < 8; i++)
            bad += pthread_create(&t[i], NULL, nothing, (void *)i) != 0;
        for (long i = 0; i < 8; i++) {
            void *r;

            bad += pthread_join(t[i], &r) != 0 || r != (void *)i;
        }
    }
    t_eq(bad, 0, "400 threads come and go");
}

int main(void)
{
    pthread_t t;
    int status;

    test_view();
    test_spread();
    test_hop();
    test_moved();
    test_wake();
    test_signals();
    test_cancel();
    test_storm();
    /* The end must not wait for those that spin, nor leave one behind. */
    atomic_store(&stop, 0);
    status = t_done();
    for (long i = 0; i < ncpus + 1; i++)
        pthread_create(&t, NULL, spin_as, (void *)i);
    return status;
}
