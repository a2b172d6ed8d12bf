/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of a rank: clone, exit, the end of the rank. */
#include "sys.h"

#define CLONE_VM_             0x100ull
#define CLONE_SIGHAND_        0x800ull
#define CLONE_THREAD_         0x10000ull
#define CLONE_SETTLS_         0x80000ull
#define CLONE_PARENT_SETTID_  0x100000ull
#define CLONE_CHILD_CLEARTID_ 0x200000ull
#define CLONE_CHILD_SETTID_   0x1000000ull
#define CLONE_NEEDED          (CLONE_VM_ | CLONE_SIGHAND_ | CLONE_THREAD_)
/* FS, FILES, SYSVSEM, DETACHED, UNTRACED: what threads of one process share anyway. */
#define CLONE_HARMLESS (0x200ull | 0x400ull | 0x40000ull | 0x400000ull | 0x800000ull)
#define CLONE_KNOWN                                                                                \
    (CLONE_NEEDED | CLONE_SETTLS_ | CLONE_PARENT_SETTID_ | CLONE_CHILD_CLEARTID_ |                 \
     CLONE_CHILD_SETTID_ | CLONE_HARMLESS)

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

struct clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static void user_thread_main(void *arg)
{
    struct toro_thread *t = arg;

    toro_user_return(arch_user_frame(&t->arch), false);
    arch_enter_user(&t->arch);
}

#define RUNNABLE_WEIGHT 4096u /* more than a rank has threads */

unsigned sys_pick_core(struct toro_proc *p, uint64_t cores, const struct toro_thread *except)
{
    unsigned load[TORO_MAX_CORES] = {0}, best = (unsigned)__builtin_ctzll(cores);

    toro_list_each(&p->threads, it)
    {
        const struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

        /* One that wants the core now counts more than any number of those that wait. */
        if (t != except)
            load[t->core] += atomic_load_explicit(&t->state, memory_order_relaxed) == TORO_BLOCKED
                                 ? 1
                                 : RUNNABLE_WEIGHT;
    }
    for (; cores != 0; cores &= cores - 1) {
        unsigned c = (unsigned)__builtin_ctzll(cores);

        if (load[c] < load[best])
            best = c;
    }
    return best;
}

static long make_thread(const struct clone_args *a)
{
    struct toro_thread *self = toro_current(), *t;
    struct toro_proc *p = self->proc;
    struct arch_frame *f;
    unsigned core;
    int tid;

    if ((a->flags & CLONE_NEEDED) != CLONE_NEEDED || (a->flags & ~CLONE_KNOWN & ~0xffull) != 0)
        return -ENOSYS; /* processes are not for this kernel */
    if (a->stack == 0)
        return -EINVAL;
    toro_spin_lock(&p->lock);
    core = sys_pick_core(p, self->affinity, NULL);
    toro_spin_unlock(&p->lock);
    t = toro_thread_new(self->name, core, p, user_thread_main, NULL);
    if (t == NULL)
        return -EAGAIN;
    atomic_fetch_or_explicit(&p->mm.cores, 1ull << t->core, memory_order_relaxed);
    t->arg = t;
    t->tid = tid = toro_tid_new();
    t->affinity = self->affinity;
    t->sigmask = self->sigmask;
    arch_fpu_save(t->arch.fpu);
    t->arch.gs_base = self->arch.gs_base;
    if ((a->flags & CLONE_SETTLS_) != 0)
        arch_set_fs(&t->arch, a->tls);
    f = arch_user_frame(&t->arch);
    *f = *arch_user_frame(&self->arch);
    f->rax = 0;
    f->rsp = a->stack + a->stack_size;
    if ((a->flags & CLONE_CHILD_CLEARTID_) != 0)
        t->clear_child_tid = a->child_tid;
    if (((a->flags & CLONE_PARENT_SETTID_) != 0 &&
         toro_copy_to_user((void *)a->parent_tid, &tid, sizeof(tid)) != 0) ||
        ((a->flags & CLONE_CHILD_SETTID_) != 0 &&
         toro_copy_to_user((void *)a->child_tid, &tid, sizeof(tid)) != 0)) {
        toro_thread_discard(t);
        return -EFAULT;
    }
    toro_spin_lock(&p->lock);
    t->killed = p->exiting;
    toro_list_push(&p->threads, &t->peer);
    p->nthreads++;
    toro_spin_unlock(&p->lock);
    toro_thread_ready(t);
    return tid;
}

long sys_clone(long flags, long stack, long ptid, long ctid, long tls, long a5)
{
    struct clone_args a = {.flags = (uint64_t)flags,
                           .stack = (uint64_t)stack,
                           .parent_tid = (uint64_t)ptid,
                           .child_tid = (uint64_t)ctid,
                           .tls = (uint64_t)tls};

    SYS_UNUSED(a5);
    return make_thread(&a);
}

long sys_clone3(long args, long size, long a2, long a3, long a4, long a5)
{
    struct clone_args a;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (size < (long)sizeof(a))
        return -EINVAL;
    if (!toro_user_ok((void *)args, sizeof(a)) ||
        toro_copy_from_user(&a, (void *)args, sizeof(a)) != 0)
        return -EFAULT;
    return make_thread(&a);
}

void toro_proc_end(struct toro_proc *p, uint32_t exit_arg)
{
    toro_spin_lock(&p->lock);
    if (!p->exiting) {
        p->exiting = true;
        p->exit_arg = exit_arg;
    }
    toro_list_each(&p->threads, it)
    {
        struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

        t->killed = true;
        toro_thread_interrupt(t);
    }
    toro_spin_unlock(&p->lock);
    toro_wake(&p->sigwait, UINT32_MAX);
}

static void report_unknown(struct toro_proc *p)
{
    for (unsigned nr = 0; nr < TORO_SYSCALL_MAX; nr++)
        if (p->unknown[nr] != 0)
            toro_proc_complain(p,
                               "torobus: rank %u used system call %u, which is not there, "
                               "%u times\n",
                               p->world_rank, nr, p->unknown[nr]);
}

void toro_proc_thread_end(void)
{
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    bool last;

    sys_futex_thread_end(t);
    toro_spin_lock(&p->lock);
    last = p->nthreads == 1;
    if (last) {
        p->exiting = true;
    } else {
        toro_list_del(&t->peer);
        p->nthreads--;
        p->gone_ns += toro_thread_cpu_ns(t);
        p->gone_switches += t->switches;
        p->gone_syscalls += t->syscalls;
    }
    /* The last one stays in the list: a second SIGKILL ends its waits below. */
    t->killed = false;
    atomic_store_explicit(&t->interrupt, false, memory_order_relaxed);
    toro_spin_unlock(&p->lock);
    if (last) {
        if (p->report_syscalls)
            report_unknown(p);
        toro_proc_finish(p);
    }
    toro_thread_exit();
}

long sys_exit(long status, long a1, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (t->tid == t->proc->pid && !t->proc->exiting)
        t->proc->exit_arg = (uint32_t)status & 0xff;
    toro_proc_thread_end();
}

long sys_exit_group(long status, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    toro_proc_end(toro_current_proc(), (uint32_t)status & 0xff);
    toro_proc_thread_end();
}

struct toro_thread *toro_proc_thread(struct toro_proc *p, int tid)
{
    toro_list_each(&p->threads, it)
    {
        struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

        if (t->tid == tid)
            return t;
    }
    return NULL;
}

uint64_t toro_proc_cpu_ns(struct toro_proc *p)
{
    uint64_t ns;

    toro_spin_lock(&p->lock);
    ns = p->gone_ns;
    toro_list_each(&p->threads, it) ns +=
        toro_thread_cpu_ns(toro_list_entry(it, struct toro_thread, peer));
    toro_spin_unlock(&p->lock);
    return ns;
}

void toro_proc_complain(struct toro_proc *p, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = toro_vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    (void)toro_stdio_complain(p->index, line, TORO_MIN((size_t)n, sizeof(line) - 1));
}

long sys_gettid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current()->tid;
}

long sys_set_tid_address(long addr, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    toro_current()->clear_child_tid = (uint64_t)addr;
    return toro_current()->tid;
}

long sys_set_robust_list(long head, long len, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (len != 24)
        return -EINVAL;
    toro_current()->robust_list = (uint64_t)head;
    toro_current()->robust_len = (uint64_t)len;
    return 0;
}

long sys_get_robust_list(long tid, long head, long len, long a3, long a4, long a5)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_thread *t;
    uint64_t list = 0, size = 0;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    toro_spin_lock(&p->lock);
    t = tid == 0 ? toro_current() : toro_proc_thread(p, (int)tid);
    if (t != NULL) {
        list = t->robust_list;
        size = t->robust_len;
    }
    toro_spin_unlock(&p->lock);
    if (t == NULL)
        return -ESRCH;
    return toro_copy_to_user((void *)head, &list, 8) != 0 ||
                   toro_copy_to_user((void *)len, &size, 8) != 0
               ? -EFAULT
               : 0;
}

/* Known not to be there: the C library asks, and does without. Not counted as missing. */
long sys_rseq(SYS_ARGS0)
{
    SYS_REST0;
    return -ENOSYS;
}

long sys_membarrier(SYS_ARGS0)
{
    SYS_REST0;
    return -ENOSYS;
}

long sys_arch_prctl(long code, long addr, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    switch (code) {
    case ARCH_SET_FS:
        if ((uint64_t)addr >> 47 != 0)
            return -EPERM;
        arch_set_fs(&t->arch, (uint64_t)addr);
        return 0;
    case ARCH_GET_FS:
        return toro_copy_to_user((void *)addr, &t->arch.fs_base, 8);
    default:
        return -EINVAL;
    }
}
