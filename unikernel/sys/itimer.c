/* SPDX-License-Identifier: BSD-3-Clause */
/* alarm() and the interval timers. Those that count CPU time, which has no tick here, look when it
 * could have passed at the earliest, and look again if the rank was idle meanwhile. */
#include "sys.h"

#define SIGVTALRM_ 26
#define SIGPROF_   27
/* Between two looks, at least. */
#define CPU_LOOK_NS 1000000ull

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

/* The soonest that the rank's threads can have used up ns more. */
static uint64_t soonest(const struct toro_proc *p, uint64_t ns)
{
    uint64_t left = atomic_load_explicit(&p->mm.cores, memory_order_relaxed);
    unsigned cores = 0;

    for (; left != 0; left &= left - 1)
        cores++;
    return arch_now_ns() + TORO_MAX(ns / TORO_MAX(cores, 1u), CPU_LOOK_NS);
}

/* Interrupt context. */
static void cpu_look(struct toro_proc *p, unsigned i, int sig)
{
    struct toro_siginfo info = {.code = SI_KERNEL_};
    uint64_t now = toro_proc_cpu_ns(p), at = p->cpu_timer[i].at,
             interval = p->cpu_timer[i].interval;

    if (at == 0)
        return;
    if (now >= at) {
        /* What was missed is one signal, as with every pending one. */
        at = interval == 0 ? 0 : at + ((now - at) / interval + 1) * interval;
        p->cpu_timer[i].at = at;
        (void)toro_proc_siginfo(p, 0, sig, &info);
    }
    if (at != 0)
        toro_timer_set(&p->cpu_timer[i].timer, soonest(p, at - now));
}

static void virtual_look(struct toro_timer *tm)
{
    cpu_look(toro_list_entry(tm, struct toro_proc, cpu_timer[0].timer), 0, SIGVTALRM_);
}

static void prof_look(struct toro_timer *tm)
{
    cpu_look(toro_list_entry(tm, struct toro_proc, cpu_timer[1].timer), 1, SIGPROF_);
}

static uint64_t cpu_remaining(struct toro_proc *p, unsigned i)
{
    uint64_t now = toro_proc_cpu_ns(p), at = p->cpu_timer[i].at;

    return at == 0 ? 0 : at > now ? at - now : 1000;
}

static void cpu_start(struct toro_proc *p, unsigned i, uint64_t value, uint64_t interval)
{
    toro_timer_cancel(&p->cpu_timer[i].timer);
    p->cpu_timer[i].interval = interval;
    p->cpu_timer[i].at = value != 0 ? toro_proc_cpu_ns(p) + value : 0;
    if (value != 0)
        toro_timer_set(&p->cpu_timer[i].timer, soonest(p, value));
}

void sys_itimer_init(struct toro_proc *p)
{
    toro_timer_init(&p->itimer, expired);
    toro_timer_init(&p->cpu_timer[0].timer, virtual_look);
    toro_timer_init(&p->cpu_timer[1].timer, prof_look);
}

void toro_proc_timers_end(struct toro_proc *p)
{
    toro_timer_cancel(&p->itimer);
    toro_timer_cancel(&p->cpu_timer[0].timer);
    toro_timer_cancel(&p->cpu_timer[1].timer);
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
    if (which < 0 || which > 2)
        return -EINVAL;
    if (which != 0)
        return put(user, cpu_remaining(p, (unsigned)which - 1), p->cpu_timer[which - 1].interval);
    return put(user, remaining(p), p->itimer_interval);
}

long sys_setitimer(long which, long new, long old, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    struct itimerval v = {0};
    uint64_t left, interval, value;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (which < 0 || which > 2)
        return -EINVAL;
    left = which == 0 ? remaining(p) : cpu_remaining(p, (unsigned)which - 1);
    interval = which == 0 ? p->itimer_interval : p->cpu_timer[which - 1].interval;
    if (new != 0 && toro_copy_from_user(&v, (void *)new, sizeof(v)) != 0)
        return -EFAULT;
    if ((uint64_t)v.value_usec >= 1000000 || (uint64_t)v.interval_usec >= 1000000 ||
        (uint64_t)v.value_sec > 4000000000u || (uint64_t)v.interval_sec > 4000000000u)
        return -EINVAL;
    value = (uint64_t)v.value_sec * SYS_NS_PER_S + (uint64_t)v.value_usec * 1000;
    if (which == 0)
        start(p, value, (uint64_t)v.interval_sec * SYS_NS_PER_S + (uint64_t)v.interval_usec * 1000);
    else
        cpu_start(p, (unsigned)which - 1, value,
                  (uint64_t)v.interval_sec * SYS_NS_PER_S + (uint64_t)v.interval_usec * 1000);
    return old != 0 ? put(old, left, interval) : 0;
}
