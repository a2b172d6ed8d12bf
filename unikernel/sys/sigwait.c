/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for signals: pause, rt_sigsuspend, rt_sigtimedwait. */
#include "sys.h"

/* Until a signal ends the wait; the handler, if any, runs on the way back. */
static long wait_for_signal(void)
{
    int r;

    toro_current()->where = "signal";
    do {
        toro_block_begin();
        r = toro_block(UINT64_MAX, true);
    } while (r == 0);
    toro_current()->where = NULL;
    return r;
}

long sys_pause(SYS_ARGS0)
{
    SYS_REST0;
    return wait_for_signal();
}

long sys_rt_sigsuspend(long user, long size, long a2, long a3, long a4, long a5)
{
    uint64_t set;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size != 8)
        return -EINVAL;
    if (toro_copy_from_user(&set, (void *)user, sizeof(set)) != 0)
        return -EFAULT;
    toro_sigmask_swap(set);
    return wait_for_signal();
}

void toro_sigmask_swap(uint64_t set)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;

    toro_spin_lock(&p->lock);
    t->sigmask_saved = t->sigmask;
    t->sigmask_restore = true;
    t->sigmask = set & ~SIG_NEVER;
    if (sys_signal_ready(p, t))
        atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
    toro_spin_unlock(&p->lock);
}

void toro_sigmask_restore(void)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;

    if (!t->sigmask_restore)
        return;
    toro_spin_lock(&p->lock);
    t->sigmask = t->sigmask_saved;
    t->sigmask_restore = false;
    if (sys_signal_ready(p, t))
        atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
    toro_spin_unlock(&p->lock);
}

/* Take a pending signal out of `set`. @return 0 if there is none. */
static int take(struct toro_proc *p, struct toro_thread *t, uint64_t set, struct toro_siginfo *info)
{
    uint64_t *from = (t->sigpending & set) != 0 ? &t->sigpending : &p->sigpending;
    int sig = 0;

    if ((*from & set) != 0) {
        sig = __builtin_ctzll(*from & set) + 1;
        *from &= ~SIG_BIT(sig);
        *info = p->siginfo[sig];
    }
    return sig;
}

long sys_rt_sigtimedwait(long user, long uinfo, long timeout, long size, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    uint64_t set, ns, deadline = UINT64_MAX;
    struct toro_siginfo info;
    uint8_t raw[128];
    int sig, r = 0;

    SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size != 8)
        return -EINVAL;
    if (toro_copy_from_user(&set, (void *)user, sizeof(set)) != 0)
        return -EFAULT;
    if (timeout != 0) {
        r = sys_timespec_get((void *)timeout, &ns);
        if (r != 0)
            return r;
        deadline = sys_deadline(false, false, ns);
    }
    set &= ~SIG_NEVER;
    t->where = "sigwait";
    for (;;) {
        toro_block_begin();
        toro_spin_lock(&p->lock);
        sig = take(p, t, set, &info);
        t->sigwait = sig == 0 && r == 0 ? set : 0;
        if (sig != 0 || r == 0)
            atomic_store_explicit(&t->interrupt, t->killed || sys_signal_ready(p, t),
                                  memory_order_seq_cst);
        toro_spin_unlock(&p->lock);
        if (sig != 0 || r != 0)
            break;
        r = toro_block(deadline, true);
    }
    t->where = NULL;
    if (sig == 0)
        return r == -ETIMEDOUT ? -EAGAIN : r;
    if (uinfo != 0) {
        sys_siginfo_fill(raw, sig, &info);
        if (toro_copy_to_user((void *)uinfo, raw, sizeof(raw)) != 0)
            return -EFAULT;
    }
    return sig;
}
