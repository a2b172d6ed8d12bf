/* SPDX-License-Identifier: BSD-3-Clause */
/* Affinity, yielding, and the scheduling parameters that this scheduler does not have. */
#include "sys.h"

long sys_sched_yield(SYS_ARGS0)
{
    SYS_REST0;
    toro_yield();
    return 0;
}

/* Thread of the caller's rank; pid 0 is the caller. p->lock held. */
static struct toro_thread *thread_of(struct toro_proc *p, int tid)
{
    return tid == 0 ? toro_current() : toro_proc_thread(p, tid);
}

long sys_sched_setaffinity(long tid, long size, long user, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_thread *t;
    uint64_t mask = 0;
    int err = 0;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size <= 0)
        return -EINVAL;
    if (toro_copy_from_user(&mask, (void *)user, TORO_MIN((size_t)size, sizeof(mask))) != 0)
        return -EFAULT;
    mask &= p->cores; /* the others are other ranks' */
    if (mask == 0)
        return -EINVAL;
    toro_spin_lock(&p->lock);
    t = thread_of(p, (int)tid);
    if (t == NULL) {
        err = -ESRCH;
    } else {
        t->affinity = mask;
        if ((mask >> t->core & 1) == 0)
            t->goal = sys_pick_core(p, mask, t);
        /* The thread moves on its next way to user mode; one that is there is called in. */
        if (t != toro_current() && (mask >> t->core & 1) == 0 && t->core != arch_core())
            arch_ipi(t->core);
    }
    toro_spin_unlock(&p->lock);
    return err;
}

long sys_sched_getaffinity(long tid, long size, long user, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_thread *t;
    uint64_t mask = 0;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size < (long)sizeof(mask) || size % 8 != 0)
        return -EINVAL;
    toro_spin_lock(&p->lock);
    t = thread_of(p, (int)tid);
    if (t != NULL)
        mask = t->affinity;
    toro_spin_unlock(&p->lock);
    if (t == NULL)
        return -ESRCH;
    return toro_copy_to_user((void *)user, &mask, sizeof(mask)) != 0 ? -EFAULT : (long)sizeof(mask);
}

long sys_getcpu(long cpu, long node, long a2, long a3, long a4, long a5)
{
    uint32_t c = arch_core(), n = 0;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (cpu != 0 && toro_copy_to_user((void *)cpu, &c, sizeof(c)) != 0)
        return -EFAULT;
    if (node != 0 && toro_copy_to_user((void *)node, &n, sizeof(n)) != 0)
        return -EFAULT;
    return 0;
}

static bool known(long tid)
{
    struct toro_proc *p = toro_current_proc();
    bool yes;

    toro_spin_lock(&p->lock);
    yes = thread_of(p, (int)tid) != NULL;
    toro_spin_unlock(&p->lock);
    return yes;
}

/* The only policy is SCHED_OTHER with priority 0. */
long sys_sched_getscheduler(long tid, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return known(tid) ? 0 : -ESRCH;
}

static long take_param(long tid, long user)
{
    int priority;

    if (!known(tid))
        return -ESRCH;
    if (toro_copy_from_user(&priority, (void *)user, sizeof(priority)) != 0)
        return -EFAULT;
    return priority == 0 ? 0 : -EINVAL;
}

long sys_sched_setscheduler(long tid, long policy, long user, long a3, long a4, long a5)
{
    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (policy < 0 || policy > 6)
        return -EINVAL;
    if (policy != 0)
        return -EPERM;
    return take_param(tid, user);
}

long sys_sched_setparam(long tid, long user, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return take_param(tid, user);
}

long sys_sched_getparam(long tid, long user, long a2, long a3, long a4, long a5)
{
    int priority = 0;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!known(tid))
        return -ESRCH;
    return toro_copy_to_user((void *)user, &priority, sizeof(priority));
}

long sys_sched_get_priority_max(long policy, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return policy == 1 || policy == 2                  ? 99
           : policy == 0 || policy == 3 || policy == 5 ? 0
                                                       : -EINVAL;
}

long sys_sched_get_priority_min(long policy, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return policy == 1 || policy == 2 ? 1 : policy == 0 || policy == 3 || policy == 5 ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(long tid, long user, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return known(tid) ? sys_timespec_put((void *)user, 10000000u) : -ESRCH;
}

/* Linux answers 20 - nice. */
long sys_getpriority(long which, long who, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(who), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return which >= 0 && which <= 2 ? 20 : -EINVAL;
}

long sys_setpriority(long which, long who, long nice, long a3, long a4, long a5)
{
    SYS_UNUSED(who), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (which < 0 || which > 2)
        return -EINVAL;
    return nice == 0 ? 0 : -EACCES;
}
