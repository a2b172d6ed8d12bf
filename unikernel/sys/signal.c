/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals: posting, masks, actions, and what happens on the way back to user mode. */
#include "sys.h"

#define SA_ONSTACK_   0x08000000ull
#define SA_RESTART_   0x10000000ull
#define SA_NODEFER_   0x40000000ull
#define SA_RESETHAND_ 0x80000000ull

#define SIG_DFL_      0
#define SIG_IGN_      1

#define IGNORED_BY_DEFAULT                                                                         \
    (SIG_BIT(SIGCHLD_) | SIG_BIT(SIGURG_) | SIG_BIT(SIGWINCH_) | SIG_BIT(SIGCONT_))
#define STOPS (SIG_BIT(SIGSTOP_) | SIG_BIT(SIGTSTP_) | SIG_BIT(SIGTTIN_) | SIG_BIT(SIGTTOU_))

void toro_proc_signals_init(struct toro_proc *p)
{
    sys_itimer_init(p);
}

static bool ignored(const struct toro_proc *p, int sig)
{
    uint64_t h = p->sig[sig].handler;

    return h == SIG_IGN_ || (h == SIG_DFL_ && (SIG_BIT(sig) & IGNORED_BY_DEFAULT) != 0);
}

bool sys_signal_ready(struct toro_proc *p, struct toro_thread *t)
{
    return ((p->sigpending | t->sigpending) & ~t->sigmask) != 0;
}

static bool takes(const struct toro_thread *t, int sig)
{
    return (t->sigmask & SIG_BIT(sig)) == 0 || (t->sigwait & SIG_BIT(sig)) != 0;
}

int toro_proc_siginfo(struct toro_proc *p, int tid, int sig, const struct toro_siginfo *info)
{
    struct toro_thread *to = NULL;
    int err = 0;

    if (sig < 0 || sig > TORO_NSIG)
        return -EINVAL;
    if (sig == SIGKILL_) {
        toro_proc_end(p, 256 + SIGKILL_);
        return p->dead ? -ESRCH : 0;
    }
    toro_spin_lock(&p->lock);
    if (tid != 0)
        to = toro_proc_thread(p, tid);
    if (p->dead || (tid != 0 && to == NULL)) {
        err = -ESRCH;
    } else if (sig != 0 && !p->exiting) {
        bool blocked = true;

        if (sig == SIGCONT_) {
            p->sigpending &= ~STOPS;
            p->stopped = false;
        } else if ((SIG_BIT(sig) & STOPS) != 0) {
            p->sigpending &= ~SIG_BIT(SIGCONT_);
        }
        toro_list_each(&p->threads, it)
        {
            struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

            if ((to == NULL || t == to) && takes(t, sig)) {
                to = t;
                blocked = false;
                break;
            }
        }
        /* An ignored signal is dropped, unless it may be waited for later. */
        if (blocked || !ignored(p, sig) || (to->sigwait & SIG_BIT(sig)) != 0) {
            if (tid != 0)
                to->sigpending |= SIG_BIT(sig);
            else
                p->sigpending |= SIG_BIT(sig);
            if (info != NULL)
                p->siginfo[sig] = *info;
            else
                p->siginfo[sig] = (struct toro_siginfo){.code = SI_USER_};
            if (!blocked)
                toro_thread_interrupt(to);
        }
    }
    toro_spin_unlock(&p->lock);
    if (sig == SIGCONT_)
        toro_wake(&p->sigwait, UINT32_MAX);
    return err;
}

int toro_proc_signal(struct toro_proc *p, int tid, int sig)
{
    return toro_proc_siginfo(p, tid, sig, NULL);
}

/* Take the next signal that t can have. @return 0 if none. */
static int take(struct toro_proc *p, struct toro_thread *t, struct toro_sigaction *act,
                struct toro_siginfo *info)
{
    uint64_t mine, all;
    int sig = 0;

    toro_spin_lock(&p->lock);
    mine = t->sigpending & ~t->sigmask;
    all = mine | (p->sigpending & ~t->sigmask);
    if (all != 0) {
        sig = __builtin_ctzll(mine != 0 ? mine : all) + 1;
        if (mine != 0)
            t->sigpending &= ~SIG_BIT(sig);
        else
            p->sigpending &= ~SIG_BIT(sig);
        *act = p->sig[sig];
        *info = p->siginfo[sig];
        if ((act->flags & SA_RESETHAND_) != 0 && act->handler > SIG_IGN_)
            p->sig[sig].handler = SIG_DFL_;
    }
    toro_spin_unlock(&p->lock);
    return sig;
}

/* Run a handler. @return false if the frame does not fit on the stack. */
static bool deliver(struct arch_frame *f, struct toro_thread *t, int sig,
                    const struct toro_sigaction *act, const struct toro_siginfo *info, bool fault)
{
    uint64_t old = t->sigmask_restore ? t->sigmask_saved : t->sigmask;

    if (f->vector == ARCH_VECTOR_SYSCALL && t->sysno >= 0 && (long)f->rax == -EINTR && !fault &&
        t->restart && (act->flags & SA_RESTART_) != 0) {
        f->rax = (uint64_t)t->sysno;
        f->rip -= 2;
    }
    t->sysno = -1;
    if (sys_sigframe_push(f, sig, act, old, info, fault) != 0)
        return false;
    t->sigmask_restore = false;
    t->sigmask |= act->mask | ((act->flags & SA_NODEFER_) != 0 ? 0 : SIG_BIT(sig));
    t->sigmask &= ~SIG_NEVER;
    return true;
}

/* Sent by the rank itself: abort(), a failed assertion, or a handler that has had its say. */
static bool own(const struct toro_thread *t, int sig, const struct toro_siginfo *info)
{
    return (SIG_BIT(sig) & SYS_CORE_SIGNALS) != 0 && info->pid == t->proc->pid &&
           (info->code == SI_USER_ || info->code == SI_TKILL_);
}

static void die(struct arch_frame *f, struct toro_thread *t, int sig,
                const struct toro_siginfo *info, bool fault, const char *note)
{
    if (fault)
        sys_fault_report(f, sig, note);
    else if (own(t, sig, info))
        sys_fault_report(f, sig, "raised by the program itself");
    sys_core_dump(sig, info);
    toro_proc_end(t->proc, 256 + (uint32_t)sig);
    toro_proc_thread_end();
}

/* A CPU exception: if it cannot be handled, it is the end. */
static void force(struct arch_frame *f, struct toro_thread *t)
{
    struct toro_proc *p = t->proc;
    int sig = t->fault_sig;
    struct toro_siginfo info = {.code = t->fault_code, .value = t->fault_addr};
    struct toro_sigaction act;

    t->fault_sig = 0;
    toro_spin_lock(&p->lock);
    act = p->sig[sig];
    if ((act.flags & SA_RESETHAND_) != 0 && act.handler > SIG_IGN_)
        p->sig[sig].handler = SIG_DFL_;
    toro_spin_unlock(&p->lock);
    if (act.handler <= SIG_IGN_ || (t->sigmask & SIG_BIT(sig)) != 0)
        die(f, t, sig, &info, true, NULL);
    if (!deliver(f, t, sig, &act, &info, true))
        die(f, t, sig, &info, true, "no room on the stack for the signal handler");
}

static void stop(struct toro_proc *p)
{
    toro_spin_lock(&p->lock);
    p->stopped = true;
    toro_list_each(&p->threads, it)
        toro_thread_interrupt(toro_list_entry(it, struct toro_thread, peer));
    toro_spin_unlock(&p->lock);
}

static void stay_stopped(struct toro_proc *p, struct toro_thread *t)
{
    t->where = "stopped";
    (void)toro_wait_event(&p->sigwait, !p->stopped || t->killed, UINT64_MAX, false);
    t->where = NULL;
}

void toro_signal_return(struct arch_frame *f)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    struct toro_sigaction act;
    struct toro_siginfo info;
    int sig;

    /* Order: the flag goes down before the pending sets are read; posters set it after them. */
    atomic_store_explicit(&t->interrupt, false, memory_order_seq_cst);
    if (t->fault_sig != 0 && !t->killed) {
        force(f, t);
        atomic_store_explicit(&t->interrupt, true, memory_order_relaxed); /* look again */
        return;
    }
    for (;;) {
        if (p->stopped && !t->killed)
            stay_stopped(p, t);
        if (p->dumper != NULL && p->dumper != t && !t->killed)
            sys_core_halt(t);
        if (t->killed)
            toro_proc_thread_end();
        sig = take(p, t, &act, &info);
        if (sig == 0)
            break;
        if (act.handler == SIG_DFL_ && (SIG_BIT(sig) & STOPS) != 0) {
            stop(p);
        } else if (act.handler == SIG_DFL_ && (SIG_BIT(sig) & IGNORED_BY_DEFAULT) == 0) {
            die(f, t, sig, &info, false, NULL);
        } else if (act.handler > SIG_IGN_) {
            if (!deliver(f, t, sig, &act, &info, false))
                die(f, t, SIGSEGV_, &info, true, "no room on the stack for a signal handler");
            atomic_store_explicit(&t->interrupt, true, memory_order_relaxed); /* more may wait */
            return;
        }
    }
    /* No handler: a call that was interrupted goes on as if nothing had been. */
    if (f->vector == ARCH_VECTOR_SYSCALL && t->sysno >= 0 && (long)f->rax == -EINTR) {
        f->rax = (uint64_t)t->sysno;
        f->rip -= 2;
        f->rcx = f->rip;
        t->restarted = true;
    }
    if (t->sigmask_restore) {
        t->sigmask = t->sigmask_saved;
        t->sigmask_restore = false;
        if (sys_signal_ready(p, t))
            atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
    }
}

long sys_rt_sigaction(long sig, long new, long old, long size, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_sigaction n, o;

    SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size != 8 || sig < 1 || sig > TORO_NSIG)
        return -EINVAL;
    if (new != 0) {
        if (sig == SIGKILL_ || sig == SIGSTOP_)
            return -EINVAL;
        if (toro_copy_from_user(&n, (void *)new, sizeof(n)) != 0)
            return -EFAULT;
        n.mask &= ~SIG_NEVER;
    }
    toro_spin_lock(&p->lock);
    o = p->sig[sig];
    if (new != 0) {
        p->sig[sig] = n;
        if (ignored(p, (int)sig)) {
            p->sigpending &= ~SIG_BIT(sig);
            toro_list_each(&p->threads, it) toro_list_entry(it, struct toro_thread, peer)
                ->sigpending &= ~SIG_BIT(sig);
        }
    }
    toro_spin_unlock(&p->lock);
    return old != 0 ? toro_copy_to_user((void *)old, &o, sizeof(o)) : 0;
}

long sys_rt_sigprocmask(long how, long new, long old, long size, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    uint64_t set = 0, was = t->sigmask;

    SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size != 8)
        return -EINVAL;
    if (new != 0) {
        if (toro_copy_from_user(&set, (void *)new, sizeof(set)) != 0)
            return -EFAULT;
        if (how != 0 && how != 1 && how != 2)
            return -EINVAL;
        set = how == 0 ? was | set : how == 1 ? was & ~set : set;
        toro_spin_lock(&p->lock);
        t->sigmask = set & ~SIG_NEVER;
        if (sys_signal_ready(p, t))
            atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
        toro_spin_unlock(&p->lock);
    }
    return old != 0 ? toro_copy_to_user((void *)old, &was, sizeof(was)) : 0;
}

long sys_rt_sigpending(long set, long size, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    uint64_t pending = (t->sigpending | t->proc->sigpending) & t->sigmask;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size > 8)
        return -EINVAL;
    return toro_copy_to_user((void *)set, &pending, (size_t)size);
}

static long post(int pid, int tid, int sig, int code)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_siginfo info = {.code = code, .pid = p->pid, .uid = p->uid};

    /* Other ranks are other machines' processes as far as kill() goes. */
    if (pid != p->pid && pid != 0 && pid != -p->pid && pid != -1)
        return -ESRCH;
    return toro_proc_siginfo(p, tid, sig, &info);
}

long sys_kill(long pid, long sig, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return post((int)pid, 0, (int)sig, SI_USER_);
}

long sys_tkill(long tid, long sig, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if ((int)tid <= 0)
        return -EINVAL;
    return post(0, (int)tid, (int)sig, SI_TKILL_);
}

long sys_tgkill(long pid, long tid, long sig, long a3, long a4, long a5)
{
    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if ((int)tid <= 0 || (int)pid <= 0)
        return -EINVAL;
    return post((int)pid, (int)tid, (int)sig, SI_TKILL_);
}

long sys_rt_sigqueueinfo(long pid, long sig, long user, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    uint8_t raw[32];
    struct toro_siginfo info;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (pid != p->pid)
        return -ESRCH;
    if (toro_copy_from_user(raw, (void *)user, sizeof(raw)) != 0)
        return -EFAULT;
    toro_memcpy(&info.code, raw + 8, 4);
    toro_memcpy(&info.pid, raw + 16, 4);
    toro_memcpy(&info.uid, raw + 20, 4);
    toro_memcpy(&info.value, raw + 24, 8);
    return toro_proc_siginfo(p, 0, (int)sig, &info);
}
