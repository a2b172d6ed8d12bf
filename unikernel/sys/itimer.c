/* SPDX-License-Identifier: BSD-3-Clause */
/* alarm() and ITIMER_REAL. The timers that count CPU time are not there. */
#include "sys.h"

struct itimerval {
    int64_t interval_sec, interval_usec, value_sec, value_usec;
};

static void expired(struct toro_timer *tm)
{
    struct toro_proc *p = toro_list_entry(tm, struct toro_proc, itimer);
    struct toro_siginfo info = {.code = SI_KERNEL_};

    if (p->itimer_interval != 0)
        toro_timer_set(tm, tm->when + p->itimer_interval);
    (void)toro_proc_siginfo(p, 0, SIGALRM_, &info);
}

static uint64_t remaining(const struct toro_proc *p)
{
    uint64_t now = arch_now_ns();

    if (atomic_load_explicit(&p->itimer.core, memory_order_relaxed) < 0)
        return 0;
    /* A timer that is set never shows 0. */
    return p->itimer.when > now ? p->itimer.when - now : 1000;
}

static void start(struct toro_proc *p, uint64_t value, uint64_t interval)
{
    toro_timer_cancel(&p->itimer);
    p->itimer_interval = interval;
    if (value != 0)
        toro_timer_set(&p->itimer, arch_now_ns() + value);
}

void sys_itimer_init(struct toro_proc *p)
{
    toro_timer_init(&p->itimer, expired);
}

long sys_alarm(long seconds, long a1, long a2, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    uint64_t left = remaining(p);

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    start(p, (uint64_t)(uint32_t)seconds * SYS_NS_PER_S, 0);
    return (long)((left + SYS_NS_PER_S - 1) / SYS_NS_PER_S);
}

static int put(long user, uint64_t value, uint64_t interval)
{
    struct itimerval v = {(int64_t)(interval / SYS_NS_PER_S),
                          (int64_t)(interval % SYS_NS_PER_S / 1000),
                          (int64_t)(value / SYS_NS_PER_S), (int64_t)(value % SYS_NS_PER_S / 1000)};

    return toro_copy_to_user((void *)user, &v, sizeof(v));
}

long sys_getitimer(long which, long user, long a2, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (which != 0)
        return which == 1 || which == 2 ? -ENOSYS : -EINVAL;
    return put(user, remaining(p), p->itimer_interval);
}

long sys_setitimer(long which, long new, long old, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    uint64_t left = remaining(p), interval = p->itimer_interval;
    struct itimerval v = {0};

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (which != 0)
        return which == 1 || which == 2 ? -ENOSYS : -EINVAL;
    if (new != 0 && toro_copy_from_user(&v, (void *)new, sizeof(v)) != 0)
        return -EFAULT;
    if ((uint64_t)v.value_usec >= 1000000 || (uint64_t)v.interval_usec >= 1000000 ||
        (uint64_t)v.value_sec > 4000000000u || (uint64_t)v.interval_sec > 4000000000u)
        return -EINVAL;
    start(p, (uint64_t)v.value_sec * SYS_NS_PER_S + (uint64_t)v.value_usec * 1000,
          (uint64_t)v.interval_sec * SYS_NS_PER_S + (uint64_t)v.interval_usec * 1000);
    return old != 0 ? put(old, left, interval) : 0;
}
