/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU exceptions of programs: the signal they become, and the report when nobody handles it. */
#include "sys.h"
#include <toro/bus.h>

/* A fault this close to the stack pointer, in memory that is not accessible, is a stack overflow.
 */
#define STACK_NEAR (1ull << 20)
#define FRAMES_MAX 24u

static const struct {
    uint8_t sig;
    uint8_t code;
} exceptions[32] = {
    [0] = {SIGFPE_, 1 /* FPE_INTDIV */},  [1] = {SIGTRAP_, 2 /* TRAP_TRACE */},
    [3] = {SIGTRAP_, SI_KERNEL_},         [4] = {SIGSEGV_, SI_KERNEL_},
    [5] = {SIGSEGV_, SI_KERNEL_},         [6] = {SIGILL_, 2 /* ILL_ILLOPN */},
    [11] = {SIGBUS_, SI_KERNEL_},         [12] = {SIGBUS_, SI_KERNEL_},
    [13] = {SIGSEGV_, SI_KERNEL_},        [14] = {SIGSEGV_, 1 /* SEGV_MAPERR */},
    [16] = {SIGFPE_, 7 /* FPE_FLTINV */}, [17] = {SIGBUS_, 1 /* BUS_ADRALN */},
    [19] = {SIGFPE_, 7 /* FPE_FLTINV */},
};

/* Is the address in the rank's map? */
static bool mapped(struct toro_proc *p, uint64_t addr)
{
    struct toro_vma v;

    return toro_mm_next(&p->mm, addr, &v) && v.start <= addr;
}

void toro_user_fault(struct arch_frame *f, uint64_t cr2)
{
    struct toro_thread *t = toro_current();
    unsigned v = f->vector < 32 ? (unsigned)f->vector : 13;

    t->fault_sig = exceptions[v].sig != 0 ? exceptions[v].sig : SIGILL_;
    t->fault_code = exceptions[v].code;
    t->fault_vector = v;
    t->fault_error = f->error;
    t->fault_addr = v == 14 ? cr2 : v == 0 || v == 6 || v == 16 || v == 19 ? f->rip : 0;
    if (v == 14 && mapped(t->proc, cr2))
        t->fault_code = 2; /* SEGV_ACCERR */
    atomic_store_explicit(&t->interrupt, true, memory_order_relaxed);
}

const char *sys_signame(int sig)
{
    static const char *const names[] = {
        "0",         "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};

    return sig >= 0 && sig < (int)TORO_ARRAY_SIZE(names) ? names[sig] : "real-time signal";
}

/* What the fault was, in words. */
static void describe(struct toro_proc *p, struct arch_frame *f, char *buf, size_t size)
{
    struct toro_thread *t = toro_current();
    uint64_t at = t->fault_addr;
    struct toro_vma v;

    if (t->fault_vector != 14) {
        toro_snprintf(buf, size, "CPU exception %lu", (unsigned long)t->fault_vector);
        return;
    }
    if (toro_mm_next(&p->mm, at, &v) && v.start <= at && v.prot == 0 &&
        f->rsp - at + 4096 < STACK_NEAR)
        toro_snprintf(buf, size, "stack overflow: %s of 0x%lx below the stack",
                      (t->fault_error & 2) != 0 ? "write" : "read", (unsigned long)at);
    else
        toro_snprintf(buf, size, "%s 0x%lx, which is %s",
                      (t->fault_error & 16) != 0  ? "execution at"
                      : (t->fault_error & 2) != 0 ? "write to"
                                                  : "read of",
                      (unsigned long)at,
                      at < TORO_PAGE_SIZE  ? "a null pointer"
                      : t->fault_code == 2 ? "protected memory"
                      : toro_user_ok((void *)at, 1) && !toro_mm_has(&p->mm, at)
                          ? "protected memory of the bus or another rank"
                          : "not mapped");
}

static void backtrace(struct toro_proc *p, const struct arch_frame *f)
{
    struct sys_place from[FRAMES_MAX];
    unsigned n = sys_backtrace(p, f, from, FRAMES_MAX);
    char name[128];

    for (unsigned i = 0; i < n; i++)
        toro_proc_complain(p, "  #%-2u 0x%012lx %s%s\n", i, (unsigned long)from[i].addr,
                           sys_place_name(p, &from[i], name, sizeof(name)),
                           from[i].guess ? "  (guess)" : "");
}

void sys_fault_report(struct arch_frame *f, int sig, const char *note)
{
    struct toro_proc *p = toro_current_proc();
    char what[128];

    if (note != NULL)
        toro_snprintf(what, sizeof(what), "%s", note);
    else
        describe(p, f, what, sizeof(what));
    toro_proc_complain(p, "torobus: rank %u (core %u, thread %d): %s: %s\n", p->world_rank,
                       arch_core(), toro_current()->tid, sys_signame(sig), what);
    toro_proc_complain(p, "  rip %016lx rsp %016lx rbp %016lx flags %06lx\n", f->rip, f->rsp,
                       f->rbp, f->rflags);
    toro_proc_complain(p, "  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx,
                       f->rdx);
    toro_proc_complain(p, "  rsi %016lx rdi %016lx r8  %016lx r9  %016lx\n", f->rsi, f->rdi, f->r8,
                       f->r9);
    toro_proc_complain(p, "  r10 %016lx r11 %016lx r12 %016lx r13 %016lx\n", f->r10, f->r11, f->r12,
                       f->r13);
    toro_proc_complain(p, "  r14 %016lx r15 %016lx  program at %012lx\n", f->r14, f->r15,
                       p->load_bias);
    backtrace(p, f);
}
