/* SPDX-License-Identifier: BSD-3-Clause */
/* Interval timers that count processor time, and getrusage. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t vtalrm, prof;

static void on_signal(int sig)
{
    if (sig == SIGVTALRM)
        vtalrm++;
    else
        prof++;
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void burn(double s)
{
    double end = cpu_s() + s;
    volatile unsigned n = 0;

    while (cpu_s() < end)
        for (int i = 0; i < 1000; i++)
            n += (unsigned)i;
}

static void *burner(void *arg)
{
    burn(*(double *)arg);
    return NULL;
}

static void one(int which, const char *name, volatile sig_atomic_t *count)
{
    struct itimerval it = {.it_interval = {0, 20000}, .it_value = {0, 40000}}, now, off = {0};
    struct timespec nap = {0, 150000000};

    *count = 0;
    t_ok(setitimer(which, &it, NULL) == 0, "%s", name);
    while (nanosleep(&nap, &nap) != 0)
        ;
    t_ok(*count == 0, "%s: sleeping does not count", name);
    t_ok(getitimer(which, &now) == 0 && now.it_interval.tv_usec == 20000 &&
             now.it_value.tv_sec == 0 && now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 50000,
         "%s: getitimer tells the rest", name);
    burn(0.2);
    t_ok(*count >= 3 && *count <= 9, "%s: working does: %d signals in 0.2 s", name, (int)*count);
    memset(&now, 0, sizeof(now));
    t_ok(setitimer(which, &off, &now) == 0 && now.it_interval.tv_usec == 20000, "%s: off", name);
    *count = 0;
    burn(0.06);
    t_ok(*count == 0, "%s: no more of them", name);
}

int main(void)
{
    struct itimerval it = {.it_value = {0, 50000}};
    struct rusage a, b;
    double s = 0.05;
    pthread_t t;

    signal(SIGVTALRM, on_signal);
    signal(SIGPROF, on_signal);
    one(ITIMER_VIRTUAL, "ITIMER_VIRTUAL", &vtalrm);
    one(ITIMER_PROF, "ITIMER_PROF", &prof);
    prof = 0;
    setitimer(ITIMER_PROF, &it, NULL);
    pthread_create(&t, NULL, burner, &s);
    pthread_join(t, NULL);
    burn(0.03);
    t_eq(prof, 1, "the time of all threads counts, once without an interval");
    t_ok(getitimer(ITIMER_PROF, &it) == 0 && it.it_value.tv_usec == 0, "then it is off");
    t_ok(setitimer(3, &it, NULL) == -1 && errno == EINVAL, "no such timer: EINVAL");
    t_eq(getrusage(RUSAGE_SELF, &a), 0, "getrusage");
    burn(0.1);
    t_eq(getrusage(RUSAGE_SELF, &b), 0, "again");
    s = (double)(b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec - a.ru_stime.tv_sec) +
        (double)(b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec -
                 a.ru_stime.tv_usec) *
            1e-6;
    t_ok(s > 0.08 && s < 0.3, "it tells the time that was worked: %.3f s", s);
    t_ok(b.ru_maxrss > 100, "and the memory: %ld KiB", b.ru_maxrss);
    return t_done();
}
