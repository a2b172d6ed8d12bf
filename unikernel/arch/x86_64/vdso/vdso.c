/* SPDX-License-Identifier: BSD-3-Clause */
/* The vDSO: what a program may ask without a system call. No relocation, no writable data: the
 * loader copies the image as it is. */
#include "data.h"
#include <stddef.h>

#define EXPORT            __attribute__((visibility("default")))
#define NS                1000000000ull
#define COARSE_NS         4000000l /* as Linux with 250 ticks a second */

#define SYS_CLOCK_GETTIME 228
#define SYS_CLOCK_GETRES  229

struct timespec {
    int64_t sec, nsec;
};
struct timeval {
    int64_t sec, usec;
};
struct timezone {
    int32_t minuteswest, dsttime;
};

extern const struct toro_vdso_data toro_vdso_data __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
int64_t __vdso_time(int64_t *t);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static long syscall2(long nr, long a, long b)
{
    long r;

    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return r;
}

static uint64_t read_clock(int realtime)
{
    const struct toro_vdso_data *d = &toro_vdso_data;

    for (;;) {
        uint32_t s = atomic_load_explicit(&d->seq, memory_order_acquire), lo, hi;
        uint64_t tsc, ns;

        __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
        tsc = (uint64_t)hi << 32 | lo;
        ns = realtime ? d->realtime_ns : d->monotonic_ns;
        if (tsc > d->base_tsc)
            ns += (uint64_t)(((unsigned __int128)(tsc - d->base_tsc) * d->mult) >> TORO_VDSO_SHIFT);
        atomic_thread_fence(memory_order_acquire);
        if (!(s & 1) && atomic_load_explicit(&d->seq, memory_order_relaxed) == s)
            return ns;
    }
}

/* 1 realtime, 0 monotonic, -1 not served here. */
static int kind(int clock)
{
    switch (clock) {
    case 0: /* REALTIME */
    case 5: /* REALTIME_COARSE */
        return 1;
    case 1: /* MONOTONIC */
    case 4: /* MONOTONIC_RAW */
    case 6: /* MONOTONIC_COARSE */
    case 7: /* BOOTTIME */
        return 0;
    default:
        return -1;
    }
}

EXPORT int __vdso_clock_gettime(int clock, struct timespec *ts)
{
    int k = kind(clock);
    uint64_t ns;

    if (k < 0)
        return (int)syscall2(SYS_CLOCK_GETTIME, clock, (long)ts);
    ns = read_clock(k);
    ts->sec = (int64_t)(ns / NS);
    ts->nsec = (int64_t)(ns % NS);
    return 0;
}

EXPORT int __vdso_clock_getres(int clock, struct timespec *ts)
{
    if (kind(clock) < 0)
        return (int)syscall2(SYS_CLOCK_GETRES, clock, (long)ts);
    if (ts != NULL) {
        ts->sec = 0;
        ts->nsec = clock == 5 || clock == 6 ? COARSE_NS : 1;
    }
    return 0;
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
    if (tv != NULL) {
        uint64_t ns = read_clock(1);

        tv->sec = (int64_t)(ns / NS);
        tv->usec = (int64_t)(ns % NS / 1000);
    }
    if (tz != NULL)
        tz->minuteswest = tz->dsttime = 0;
    return 0;
}

EXPORT int64_t __vdso_time(int64_t *t)
{
    int64_t s = (int64_t)(read_clock(1) / NS);

    if (t != NULL)
        *t = s;
    return s;
}

EXPORT int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    unsigned core;

    (void)unused;
    /* The limit of the segment ARCH_LSL is the core's number. */
    __asm__ volatile("lsl %1, %0" : "=r"(core) : "r"(0x7b));
    if (cpu != NULL)
        *cpu = core;
    if (node != NULL)
        *node = 0;
    return 0;
}
