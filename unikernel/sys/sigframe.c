/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux's x86-64 signal frame: pushed before a handler runs, read back by rt_sigreturn. */
#include "sys.h"

#define SA_ONSTACK_   0x08000000ull
#define SA_RESTORER_  0x04000000ull
#define SS_ONSTACK_   1u
#define SS_DISABLE_   2u
#define MINSIGSTKSZ_  2048u

#define UC_FP_XSTATE  1u
#define UC_SIGCONTEXT 6u /* the stack segment is saved and valid */
#define FP_MAGIC1     0x46505853u
#define FP_MAGIC2     0x46505845u
#define FP_SW_OFFSET  464u /* bytes of the legacy area that the CPU leaves to software */
#define RED_ZONE      128u
#define USER_CS       0x33u
#define USER_SS       0x2bu

struct sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
        rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
_Static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext layout");

struct sigstack {
    uint64_t sp;
    uint32_t flags, pad;
    uint64_t size;
};

struct sigframe {
    uint64_t restorer;
    struct {
        uint64_t flags, link;
        struct sigstack stack;
        struct sigcontext mc;
        uint64_t sigmask;
    } uc;
    uint8_t info[128];
};
_Static_assert(sizeof(struct sigframe) == 440, "rt_sigframe layout");

struct fp_sw {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t size, pad[7];
};
_Static_assert(sizeof(struct fp_sw) == 48, "_fpx_sw_bytes layout");

void sys_siginfo_fill(uint8_t out[128], int sig, const struct toro_siginfo *info)
{
    bool fault =
        info->code > 0 && info->code < SI_KERNEL_ &&
        (sig == SIGSEGV_ || sig == SIGBUS_ || sig == SIGFPE_ || sig == SIGILL_ || sig == SIGTRAP_);

    toro_memset(out, 0, 128);
    toro_memcpy(out, &sig, 4);
    toro_memcpy(out + 8, &info->code, 4);
    if (fault) {
        toro_memcpy(out + 16, &info->value, 8); /* si_addr */
    } else {
        toro_memcpy(out + 16, &info->pid, 4);
        toro_memcpy(out + 20, &info->uid, 4);
        toro_memcpy(out + 24, &info->value, 8);
    }
}

static bool on_altstack(const struct toro_thread *t, uint64_t rsp)
{
    return t->sigstack_size != 0 && rsp > t->sigstack_sp &&
           rsp - t->sigstack_sp <= t->sigstack_size;
}

static uint32_t altstack_flags(const struct toro_thread *t, uint64_t rsp)
{
    return t->sigstack_size == 0 ? SS_DISABLE_ : on_altstack(t, rsp) ? SS_ONSTACK_ : 0;
}

static int push_fpu(struct toro_thread *t, uint64_t at, uint32_t size)
{
    struct fp_sw sw = {.magic1 = FP_MAGIC1,
                       .extended_size = size + 4,
                       .features = arch_fpu_features(),
                       .size = size};
    uint32_t magic2 = FP_MAGIC2;

    /* The thread runs, so its save area is free. */
    arch_fpu_save(t->arch.fpu);
    toro_memcpy((char *)t->arch.fpu + FP_SW_OFFSET, &sw, sizeof(sw));
    return toro_copy_to_user((void *)at, t->arch.fpu, size) != 0 ||
                   toro_copy_to_user((void *)(at + size), &magic2, sizeof(magic2)) != 0
               ? -EFAULT
               : 0;
}

int sys_sigframe_push(struct arch_frame *f, int sig, const struct toro_sigaction *act,
                      uint64_t old_mask, const struct toro_siginfo *info, bool fault)
{
    struct toro_thread *t = toro_current();
    uint32_t fpsize = (uint32_t)arch_fpu_size();
    uint64_t sp = f->rsp - RED_ZONE, fp, at;
    struct sigframe s;

    if ((act->flags & SA_RESTORER_) == 0)
        return -EFAULT;
    if ((act->flags & SA_ONSTACK_) != 0 && t->sigstack_size != 0 && !on_altstack(t, f->rsp))
        sp = t->sigstack_sp + t->sigstack_size;
    fp = TORO_ALIGN_DOWN(sp - (fpsize + 4), 64ul);
    /* As after a call: the restorer's address lies 8 below a multiple of 16. */
    at = TORO_ALIGN_DOWN(fp - sizeof(s), 16ul) - 8;
    if (on_altstack(t, sp) && at < t->sigstack_sp)
        return -EFAULT;
    if (!toro_user_ok((void *)at, sp - at))
        return -EFAULT;

    toro_memset(&s, 0, sizeof(s));
    s.restorer = act->restorer;
    s.uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT;
    s.uc.stack = (struct sigstack){t->sigstack_sp, altstack_flags(t, f->rsp), 0, t->sigstack_size};
    s.uc.sigmask = old_mask;
    s.uc.mc = (struct sigcontext){
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
        .rdi = f->rdi,
        .rsi = f->rsi,
        .rbp = f->rbp,
        .rbx = f->rbx,
        .rdx = f->rdx,
        .rax = f->rax,
        .rcx = f->rcx,
        .rsp = f->rsp,
        .rip = f->rip,
        .rflags = f->rflags,
        .cs = USER_CS,
        .ss = USER_SS,
        .oldmask = old_mask,
        .fpstate = fp,
    };
    if (fault) {
        s.uc.mc.err = t->fault_error;
        s.uc.mc.trapno = t->fault_vector;
        s.uc.mc.cr2 = t->fault_vector == 14 ? t->fault_addr : 0;
    }
    sys_siginfo_fill(s.info, sig, info);
    if (push_fpu(t, fp, fpsize) != 0 || toro_copy_to_user((void *)at, &s, sizeof(s)) != 0)
        return -EFAULT;

    f->rdi = (uint64_t)sig;
    f->rsi = at + offsetof(struct sigframe, info);
    f->rdx = at + offsetof(struct sigframe, uc);
    f->rax = 0;
    f->rip = act->handler;
    f->rsp = at;
    f->rflags &= ~0x10500ull; /* RF, DF, TF */
    return 0;
}

static int pop_fpu(struct toro_thread *t, uint64_t at)
{
    size_t size = arch_fpu_size();

    if (at == 0) {
        arch_fpu_init(t->arch.fpu);
        return arch_fpu_restore(t->arch.fpu);
    }
    if (at % 64 != 0 || !toro_user_ok((void *)at, size) ||
        toro_copy_from_user(t->arch.fpu, (void *)at, size) != 0)
        return -EFAULT;
    return arch_fpu_restore(t->arch.fpu);
}

long sys_rt_sigreturn(SYS_ARGS0)
{
    struct toro_thread *t = toro_current();
    struct arch_frame *f = arch_user_frame(&t->arch);
    uint64_t at = f->rsp - 8;
    struct sigframe s;
    struct sigcontext *mc = &s.uc.mc;

    SYS_REST0;
    t->sysno = -1;
    if (!toro_user_ok((void *)at, sizeof(s)) ||
        toro_copy_from_user(&s, (void *)at, sizeof(s)) != 0 || pop_fpu(t, mc->fpstate) != 0) {
        t->fault_sig = SIGSEGV_;
        t->fault_code = SI_KERNEL_;
        t->fault_addr = 0;
        t->fault_vector = 13;
        t->fault_error = 0;
        atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
        return 0;
    }
    f->r8 = mc->r8, f->r9 = mc->r9, f->r10 = mc->r10, f->r11 = mc->r11;
    f->r12 = mc->r12, f->r13 = mc->r13, f->r14 = mc->r14, f->r15 = mc->r15;
    f->rdi = mc->rdi, f->rsi = mc->rsi, f->rbp = mc->rbp, f->rbx = mc->rbx;
    f->rdx = mc->rdx, f->rcx = mc->rcx, f->rsp = mc->rsp, f->rip = mc->rip;
    f->rflags = mc->rflags;
    if (s.uc.stack.flags == SS_DISABLE_)
        t->sigstack_size = 0;
    else if (!on_altstack(t, f->rsp)) {
        t->sigstack_sp = s.uc.stack.sp;
        t->sigstack_size = s.uc.stack.size;
    }
    toro_spin_lock(&t->proc->lock);
    t->sigmask = s.uc.sigmask & ~SIG_NEVER;
    if (sys_signal_ready(t->proc, t))
        atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
    toro_spin_unlock(&t->proc->lock);
    return (long)mc->rax;
}

long sys_sigaltstack(long new, long old, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    uint64_t rsp = arch_user_frame(&t->arch)->rsp;
    struct sigstack n, o = {t->sigstack_sp, altstack_flags(t, rsp), 0, t->sigstack_size};

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (new != 0) {
        if (toro_copy_from_user(&n, (void *)new, sizeof(n)) != 0)
            return -EFAULT;
        if (on_altstack(t, rsp))
            return -EPERM;
        if ((n.flags & ~(SS_DISABLE_ | SS_ONSTACK_)) != 0)
            return -EINVAL;
        if ((n.flags & SS_DISABLE_) == 0 && n.size < MINSIGSTKSZ_)
            return -ENOMEM;
        t->sigstack_sp = (n.flags & SS_DISABLE_) != 0 ? 0 : n.sp;
        t->sigstack_size = (n.flags & SS_DISABLE_) != 0 ? 0 : n.size;
    }
    return old != 0 ? toro_copy_to_user((void *)old, &o, sizeof(o)) : 0;
}
