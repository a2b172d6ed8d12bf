/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks and sleeping. */
#include "sys.h"

/* Seconds beyond this are "for ever": sums stay far from wrapping. */
#define SEC_MAX 4000000000ll

enum {
    CLOCK_REALTIME_ = 0,
    CLOCK_MONOTONIC_ = 1,
    CLOCK_PROCESS_CPUTIME_ = 2,
    CLOCK_THREAD_CPUTIME_ = 3,
    CLOCK_MONOTONIC_RAW_ = 4,
    CLOCK_REALTIME_COARSE_ = 5,
    CLOCK_MONOTONIC_COARSE_ = 6,
    CLOCK_BOOTTIME_ = 7,
};

int sys_timespec_get(const void *user, uint64_t *ns)
{
    struct toro_timespec ts;

    if (!toro_user_ok(user, sizeof(ts)) || toro_copy_from_user(&ts, user, sizeof(ts)) != 0)
        return -EFAULT;
    if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)SYS_NS_PER_S)
        return -EINVAL;
    *ns = (uint64_t)TORO_MIN(ts.sec, SEC_MAX) * SYS_NS_PER_S + (uint64_t)ts.nsec;
    return 0;
}

int sys_timespec_put(void *user, uint64_t ns)
{
    struct toro_timespec ts = {(int64_t)(ns / SYS_NS_PER_S), (int64_t)(ns % SYS_NS_PER_S)};

    return toro_user_ok(user, sizeof(ts)) ? toro_copy_to_user(user, &ts, sizeof(ts)) : -EFAULT;
}

uint64_t sys_deadline(bool realtime, bool absolute, uint64_t ns)
{
    uint64_t clock;

    if (absolute) {
        clock = realtime ? arch_realtime_ns() : arch_monotonic_ns();
        ns = ns > clock ? ns - clock : 0;
    }
    return arch_now_ns() + ns;
}

static int read_clock(int clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME_:
    case CLOCK_REALTIME_COARSE_:
        *ns = arch_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC_:
    case CLOCK_MONOTONIC_RAW_:
    case CLOCK_MONOTONIC_COARSE_:
    case CLOCK_BOOTTIME_:
        *ns = arch_monotonic_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_:
        *ns = toro_proc_cpu_ns(toro_current_proc());
        return 0;
    case CLOCK_THREAD_CPUTIME_:
        *ns = toro_thread_cpu_ns(toro_current());
        return 0;
    default:
        return -EINVAL;
    }
}

/* Clocks of threads and processes that pthread_getcpuclockid() and clock_getcpuclockid() make:
 * ~pid << 3, bit 2 for a thread. */
static int read_cpu_clock(int clock, uint64_t *ns)
{
    struct toro_proc *p = toro_current_proc();
    int id = ~(clock >> 3), err = 0;
    struct toro_thread *t;

    if ((clock & 4) == 0) {
        if (id != 0 && id != p->pid)
            return -EINVAL;
        *ns = toro_proc_cpu_ns(p);
        return 0;
    }
    toro_spin_lock(&p->lock);
    t = id == 0 ? toro_current() : toro_proc_thread(p, id);
    if (t != NULL)
        *ns = toro_thread_cpu_ns(t);
    else
        err = -EINVAL;
    toro_spin_unlock(&p->lock);
    return err;
}

long sys_clock_gettime(long clock, long user, long a2, long a3, long a4, long a5)
{
    uint64_t ns;
    int err = (int)clock < 0 ? read_cpu_clock((int)clock, &ns) : read_clock((int)clock, &ns);

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return err == 0 ? sys_timespec_put((void *)user, ns) : err;
}

long sys_clock_getres(long clock, long user, long a2, long a3, long a4, long a5)
{
    uint64_t ns;
    int err = (int)clock < 0 ? read_cpu_clock((int)clock, &ns) : read_clock((int)clock, &ns);

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (err != 0)
        return err;
    return user == 0 ? 0 : sys_timespec_put((void *)user, 1);
}

long sys_gettimeofday(long tv, long tz, long a2, long a3, long a4, long a5)
{
    uint64_t ns = arch_realtime_ns();
    int64_t v[2] = {(int64_t)(ns / SYS_NS_PER_S), (int64_t)(ns % SYS_NS_PER_S / 1000)};
    int32_t zone[2] = {0, 0};

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (tv != 0 && toro_copy_to_user((void *)tv, v, sizeof(v)) != 0)
        return -EFAULT;
    if (tz != 0 && toro_copy_to_user((void *)tz, zone, sizeof(zone)) != 0)
        return -EFAULT;
    return 0;
}

long sys_time(long user, long a1, long a2, long a3, long a4, long a5)
{
    int64_t s = (int64_t)(arch_realtime_ns() / SYS_NS_PER_S);

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (user != 0 && toro_copy_to_user((void *)user, &s, sizeof(s)) != 0)
        return -EFAULT;
    return s;
}

long sys_times(long user, long a1, long a2, long a3, long a4, long a5)
{
    int64_t ticks[4] = {(int64_t)(toro_proc_cpu_ns(toro_current_proc()) / 10000000u), 0, 0, 0};

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (user != 0 && toro_copy_to_user((void *)user, ticks, sizeof(ticks)) != 0)
        return -EFAULT;
    return (long)(arch_monotonic_ns() / 10000000u);
}

/* Sleep until `deadline`; rem gets what is left when a signal handler ends it. */
static long sleep_until(uint64_t deadline, long rem)
{
    struct toro_thread *t = toro_current();
    uint64_t now;
    int r;

    t->where = "sleep";
    do {
        toro_block_begin();
        r = toro_block(deadline, true);
    } while (r == 0);
    t->where = NULL;
    if (r == -ETIMEDOUT)
        return 0;
    now = arch_now_ns();
    if (rem != 0) {
        int err = sys_timespec_put((void *)rem, deadline > now ? deadline - now : 0);

        if (err != 0)
            return err;
    }
    t->restart_at = deadline; /* if no handler runs, it goes on to the same end */
    return r;
}

long sys_nanosleep(long req, long rem, long a2, long a3, long a4, long a5)
{
    uint64_t ns, at = toro_current()->restart_at;
    int err = sys_timespec_get((void *)req, &ns);

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (err != 0)
        return err;
    return sleep_until(at != 0 ? at : sys_deadline(false, false, ns), rem);
}

long sys_clock_nanosleep(long clock, long flags, long req, long rem, long a4, long a5)
{
    bool absolute = (flags & 1) != 0;
    uint64_t ns, at = toro_current()->restart_at;
    int err;

    SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (clock != CLOCK_REALTIME_ && clock != CLOCK_MONOTONIC_ && clock != CLOCK_BOOTTIME_)
        return clock == CLOCK_PROCESS_CPUTIME_ || clock == CLOCK_THREAD_CPUTIME_ ? -EOPNOTSUPP
                                                                                 : -EINVAL;
    err = sys_timespec_get((void *)req, &ns);
    if (err != 0)
        return err;
    if (at == 0)
        at = sys_deadline(clock == CLOCK_REALTIME_, absolute, ns);
    return sleep_until(at, absolute ? 0 : rem);
}
