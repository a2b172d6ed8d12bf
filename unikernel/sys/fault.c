/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU exceptions of programs: the signal they become, and the report when nobody handles it. */
#include "sys.h"
#include "../loader/image.h"
#include <toro/bus.h>

/* A fault this close to the stack pointer, in memory that is not accessible, is a stack overflow.
 */
#define STACK_NEAR (1ull << 20)
#define SCAN_WORDS 2048u
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

static void print_frame(struct toro_proc *p, unsigned n, uint64_t addr, bool guess)
{
    char sym[128];

    /* A return address belongs to the call before it. */
    toro_proc_symbol(p, n == 0 ? addr : addr - 1, sym, sizeof(sym));
    toro_proc_complain(p, "  #%-2u 0x%012lx %s%s\n", n, (unsigned long)addr, sym,
                       guess ? "  (guess)" : "");
}

/* Does the code before addr end with a call instruction? Then addr may be a return address. */
static bool after_call(uint64_t addr)
{
    uint8_t c[7];

    if (!toro_user_ok((void *)(addr - 7), 7) || toro_copy_from_user(c, (void *)(addr - 7), 7) != 0)
        return false;
    return c[2] == 0xe8 || (c[5] == 0xff && (c[6] & 0x38) == 0x10) ||
           (c[4] == 0xff && (c[5] & 0x38) == 0x10) || (c[1] == 0xff && (c[2] & 0x38) == 0x10) ||
           (c[0] == 0xff && (c[1] & 0x38) == 0x10);
}

/* By the image, not by the map: the caller may have no business on the rank's cores, or hold a
 * lock. */
static bool in_code(const struct toro_proc *p, uint64_t addr)
{
    const struct toro_elf *e = p->image != NULL ? &p->image->elf : NULL;
    uint64_t at = addr - p->load_bias;

    for (unsigned i = 0; e != NULL && i < e->nsegments; i++)
        if ((e->segment[i].flags & TORO_ELF_X) != 0 &&
            at - e->segment[i].vaddr < e->segment[i].memsz)
            return true;
    return false;
}

/* Programs are mostly built without frame pointers: where the chain gives nothing, look through the
 * stack for what looks like return addresses. */
unsigned sys_backtrace(struct toro_proc *p, const struct arch_frame *f, uint64_t *out, unsigned max,
                       bool *guess)
{
    unsigned n = arch_backtrace(f->rbp, out, max, true), good = 0;

    while (good < n && in_code(p, out[good]) && after_call(out[good]))
        good++;
    *guess = good < 2;
    if (good >= 2)
        return good;
    good = 0;
    for (uint64_t at = TORO_ALIGN_DOWN(f->rsp, 8ul), n = 0; n < SCAN_WORDS && good < max; n++) {
        uint64_t w;

        if (!toro_user_ok((void *)at, 8))
            break;
        if (toro_copy_from_user(&w, (void *)at, 8) != 0) {
            /* An overflow ends in the guard: the stack proper begins above. */
            at = TORO_ALIGN_DOWN(at, TORO_PAGE_SIZE) + TORO_PAGE_SIZE;
            n += 63;
            continue;
        }
        if (in_code(p, w) && after_call(w))
            out[good++] = w;
        at += 8;
    }
    return good;
}

static void backtrace(struct toro_proc *p, const struct arch_frame *f)
{
    uint64_t from[FRAMES_MAX];
    bool guess;
    unsigned n = sys_backtrace(p, f, from, FRAMES_MAX, &guess);

    print_frame(p, 0, f->rip, false);
    for (unsigned i = 0; i < n; i++)
        print_frame(p, i + 1, from[i], guess);
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
