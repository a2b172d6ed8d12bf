/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits and accounting. */
#include "sys.h"

struct rusage {
    int64_t utime_sec, utime_usec, stime_sec, stime_usec;
    int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv,
        nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct rusage) == 144, "struct rusage layout");

struct sysinfo {
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit, pad2;
};
_Static_assert(sizeof(struct sysinfo) == 112, "struct sysinfo layout");

static long limit(long which, const void *new, void *old)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_rlimit n, o;

    if (which < 0 || which >= TORO_NRLIMITS)
        return -EINVAL;
    if (new != NULL && toro_copy_from_user(&n, new, sizeof(n)) != 0)
        return -EFAULT;
    toro_spin_lock(&p->lock);
    o = p->rlimit[which];
    if (new != NULL && (n.cur > n.max || n.max > o.max)) {
        toro_spin_unlock(&p->lock);
        return n.cur > n.max ? -EINVAL : -EPERM;
    }
    if (new != NULL)
        p->rlimit[which] = n;
    toro_spin_unlock(&p->lock);
    return old != NULL ? toro_copy_to_user(old, &o, sizeof(o)) : 0;
}

long sys_prlimit64(long pid, long which, long new, long old, long a4, long a5)
{
    SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (pid != 0 && pid != toro_current_proc()->pid)
        return -ESRCH;
    return limit(which, (void *)new, (void *)old);
}

long sys_getrlimit(long which, long user, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return user != 0 ? limit(which, NULL, (void *)user) : -EFAULT;
}

long sys_setrlimit(long which, long user, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return user != 0 ? limit(which, (void *)user, NULL) : -EFAULT;
}

long sys_getrusage(long who, long user, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    struct rusage r = {0};
    uint64_t ns = 0, peak;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if ((int)who == 0) {
        ns = toro_proc_cpu_ns(p);
        r.nvcsw = (int64_t)(p->gone_switches + t->switches);
    } else if ((int)who == 1) {
        ns = toro_thread_cpu_ns(t);
        r.nvcsw = (int64_t)t->switches;
    } else if ((int)who != -1) {
        return -EINVAL;
    }
    if ((int)who >= 0) {
        (void)toro_mm_committed(&p->mm, &peak);
        r.maxrss = (int64_t)(peak / 1024);
    }
    r.utime_sec = (int64_t)(ns / SYS_NS_PER_S);
    r.utime_usec = (int64_t)(ns % SYS_NS_PER_S / 1000);
    return toro_copy_to_user((void *)user, &r, sizeof(r));
}

long sys_sysinfo(long user, long a1, long a2, long a3, long a4, long a5)
{
    struct sysinfo s = {.uptime = (int64_t)(arch_now_ns() / SYS_NS_PER_S), .mem_unit = 1};
    uint64_t used, size;

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    for (unsigned i = 0; i < arch_ncores(); i++)
        s.procs += toro_proc(i) != NULL;
    s.totalram = toro_pools_limit(&used);
    s.freeram = s.totalram - TORO_MIN(used, s.totalram);
    toro_pool_usage(toro_pool(arch_ncores()), &used, &size);
    s.sharedram = used;
    return toro_copy_to_user((void *)user, &s, sizeof(s));
}
