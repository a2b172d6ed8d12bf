/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks and sleeping. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timespec t)
{
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now(clockid_t clock)
{
    struct timespec t = {0, 0};

    clock_gettime(clock, &t);
    return seconds(t);
}

static void test_clocks(void)
{
    static const struct {
        const char *name;
        clockid_t id;
    } clocks[] = {
        {"REALTIME", CLOCK_REALTIME},
        {"MONOTONIC", CLOCK_MONOTONIC},
        {"MONOTONIC_RAW", CLOCK_MONOTONIC_RAW},
        {"REALTIME_COARSE", CLOCK_REALTIME_COARSE},
        {"MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE},
        {"BOOTTIME", CLOCK_BOOTTIME},
        {"PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID},
        {"THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID},
    };
    struct timespec res, t;

    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        bool up = true;
        double last = 0;

        for (int k = 0; k < 2000; k++) {
            double v;

            memset(&t, 0, sizeof(t));
            up &= clock_gettime(clocks[i].id, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000;
            v = seconds(t);
            up &= v >= last;
            last = v;
        }
        t_ok(up, "CLOCK_%s: 2000 readings never go back", clocks[i].name);
    }
    t_ok(clock_getres(CLOCK_MONOTONIC, &res) == 0 && seconds(res) > 0 && seconds(res) <= 0.01,
         "resolution of CLOCK_MONOTONIC is %ld ns", res.tv_nsec);
    errno = 0;
    t_ok(clock_gettime(12345, &t) == -1 && errno == EINVAL, "an unknown clock: EINVAL");
    t_ok(now(CLOCK_REALTIME) > 1.6e9 && now(CLOCK_REALTIME) < 5e9, "the year can be right");
}

static void test_wall(void)
{
    struct timeval tv, before = {0, 0};
    bool up = true;
    time_t t;

    for (int i = 0; i < 2000; i++) {
        up &= gettimeofday(&tv, NULL) == 0 && tv.tv_usec >= 0 && tv.tv_usec < 1000000;
        up &= timercmp(&tv, &before, >=) != 0;
        before = tv;
    }
    t_ok(up, "gettimeofday never goes back");
    t = time(NULL);
    t_ok(t >= tv.tv_sec && t - tv.tv_sec < 5, "time agrees with it");
    t_ok((double)tv.tv_sec + (double)tv.tv_usec * 1e-6 <= now(CLOCK_REALTIME) + 0.001,
         "and CLOCK_REALTIME does");
    t_ok(clock() != (clock_t)-1, "clock");
    t_ok(times(NULL) != (clock_t)-1, "times");
}

/* Sleeps at least as long as asked; the upper bound allows for a loaded, emulated machine. */
static void test_sleep(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    double before = now(CLOCK_MONOTONIC), took;
    int rc = nanosleep(&t, NULL);

    took = now(CLOCK_MONOTONIC) - before;
    t_ok(rc == 0 && took >= (double)ms * 1e-3 && took < (double)ms * 1e-3 + 1.0,
         "nanosleep of %ld ms took %.3f ms", ms, took * 1e3);
}

static void test_sleeps(void)
{
    double before, took, cpu;
    struct timespec t;
    int rc;

    test_sleep(0);
    test_sleep(1);
    test_sleep(20);
    test_sleep(300);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    before = now(CLOCK_MONOTONIC);
    t.tv_sec = (time_t)(before + 0.1);
    t.tv_nsec = (long)((before + 0.1 - (double)t.tv_sec) * 1e9);
    rc = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    took = now(CLOCK_MONOTONIC) - before;
    t_ok(rc == 0 && took >= 0.0999 && took < 1.1, "clock_nanosleep until a time: %.3f s", took);
    t.tv_sec = 0;
    t_ok(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0, "until a time long ago");
    before = now(CLOCK_REALTIME);
    usleep(30000);
    took = now(CLOCK_REALTIME) - before;
    t_ok(took >= 0.0299 && took < 1.1, "usleep on the real-time clock: %.3f s", took);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    t_ok(cpu < 0.1, "sleeping costs no processor time: %.3f s", cpu);
    t.tv_sec = 0;
    t.tv_nsec = 1000000000;
    errno = 0;
    t_ok(nanosleep(&t, NULL) == -1 && errno == EINVAL, "an impossible time: EINVAL");
    t_eq(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL), EINVAL,
         "an impossible clock: EINVAL");
}

static void test_cpu_time(void)
{
    double before = now(CLOCK_THREAD_CPUTIME_ID), wall = now(CLOCK_MONOTONIC), used;
    volatile unsigned long x = 0;

    while (now(CLOCK_MONOTONIC) - wall < 0.2)
        for (int i = 0; i < 1000; i++)
            x = x + 1;
    used = now(CLOCK_THREAD_CPUTIME_ID) - before;
    t_ok(used > 0.02 && used < 1.0, "working for 0.2 s costs processor time: %.3f s", used);
}

int main(void)
{
    test_clocks();
    test_wall();
    test_sleeps();
    test_cpu_time();
    return t_done();
}
