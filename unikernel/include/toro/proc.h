/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank: one program with its memory, files, signals and threads. */
#ifndef TORO_PROC_H
#define TORO_PROC_H

#include "fs.h"
#include "mm.h"
#include "sched.h"

#define TORO_NSIG 64

/** Layout of Linux's struct kernel_sigaction. */
struct toro_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/** What goes into siginfo_t, per pending signal. */
struct toro_siginfo {
    int code;
    int pid;
    uint32_t uid;
    uint64_t value; /**< sigqueue's */
};

struct toro_rlimit {
    uint64_t cur, max;
};
#define TORO_NRLIMITS 16

struct toro_image; /* loader/image.h */

struct toro_proc {
    unsigned index;  /**< local rank index */
    unsigned core;   /**< home core: of its first thread, port and pool */
    unsigned ncores; /**< its cores: this many from there on */
    uint64_t cores;  /**< the same as a set, a bit per core */
    int pid;
    uint32_t world_rank, world_size, local_size;
    uint32_t uid, gid, umask;
    uint32_t start_flags; /**< TOROBUS_START_* */
    struct toro_mm mm;
    struct toro_fdtable fds;
    struct toro_node_ref cwd;
    char cwd_path[4096];
    char exe[4096];
    char *cmdline; /**< argv strings, NUL separated */
    size_t cmdline_len;
    struct toro_spinlock lock; /**< threads, signals */
    struct toro_list threads;
    unsigned nthreads;
    struct toro_sigaction sig[TORO_NSIG + 1];
    uint64_t sigpending;
    bool exiting;
    uint32_t exit_arg; /**< arg of TOROBUS_CTL_EXIT */
    void *pmix, *bus;  /**< the PMIx server's and the bus's view of the rank, or NULL */
    bool was_on_bus;   /**< has ever attached: peers may look at its memory after its end */
    void *stdio;       /**< dev/stdio.c's */
    uint64_t load_bias, entry, phdr; /**< of the image, for backtraces */
    uint64_t vdso;                   /**< its ELF header in this rank */
    uint64_t stack_low, stack_top;   /**< first thread's stack, without its guard */
    uint64_t env_at, env_len;        /**< the environment's strings there, as at the start */
    uint64_t auxv_at, auxv_len;      /**< the auxiliary vector there */
    struct toro_image *image;        /**< for symbols */
    void *start_body;                /**< RANK_START until the program is entered */
    struct toro_siginfo siginfo[TORO_NSIG + 1]; /**< of sigpending and threads' sigpending */
    struct toro_rlimit rlimit[TORO_NRLIMITS];
    struct toro_timer itimer; /**< ITIMER_REAL */
    uint64_t itimer_interval;
    struct {
        struct toro_timer timer;
        uint64_t at, interval; /**< of toro_proc_cpu_ns(); at 0: off */
    } cpu_timer[2];            /**< ITIMER_VIRTUAL, ITIMER_PROF */
    struct toro_waitq sigwait; /**< threads that a stop or sigtimedwait keeps */
    bool stopped, dead;
    _Atomic uint32_t resume;    /**< with TOROBUS_START_STOP: set by the debugger */
    struct toro_thread *dumper; /**< writes a core file; the other threads keep still */
    enum toro_core_state { TORO_CORE_NONE, TORO_CORE_ASKED, TORO_CORE_DONE } core_state;
    bool report_syscalls;       /**< TORO_SYSCALL_REPORT is in the environment */
    uint64_t start_ns, gone_ns; /**< when it began; CPU time of threads that have ended */
    uint64_t gone_switches;
    uint64_t gone_syscalls;
    uint16_t unknown[512]; /**< calls that are not there, by number */
};

/** Rank by local index, NULL if none. */
struct toro_proc *toro_proc(unsigned index);
static inline struct toro_proc *toro_current_proc(void)
{
    return toro_current()->proc;
}
/** End the rank with this EXIT argument (status, or 256 + signal); all its threads leave at their
 * next return to user mode. */
void toro_proc_end(struct toro_proc *p, uint32_t exit_arg);
/** The current thread ends; with it the rank, if it is the last one. Runs what exit means to Linux:
 * robust futexes, the wake of joiners. */
_Noreturn void toro_proc_thread_end(void);
/** The rank's last thread is leaving: flush, close, free, send EXIT (loader/ranks.c). */
void toro_proc_finish(struct toro_proc *p);
/** Signal state of a new rank (sys/signal.c). */
void toro_proc_signals_init(struct toro_proc *p);
/** The rank's interval timers are over (sys/itimer.c). */
void toro_proc_timers_end(struct toro_proc *p);
/** Answer QUERY frames (sys/report.c). */
void toro_reports_init(void);
/** A new tid, unique among the guest's. */
int toro_tid_new(void);
/** Thread of a rank by its tid, or NULL. p->lock held. */
struct toro_thread *toro_proc_thread(struct toro_proc *p, int tid);
/** CPU time of all threads of a rank. */
uint64_t toro_proc_cpu_ns(struct toro_proc *p);
/** Function and offset at an address of the rank's program, into buf: "name+0x12" or "0x...". */
const char *toro_proc_symbol(struct toro_proc *p, uint64_t addr, char *buf, size_t size);
/** As toro_proc_signal(), with siginfo. */
int toro_proc_siginfo(struct toro_proc *p, int tid, int sig, const struct toro_siginfo *info);
/** Post a signal (1..64) to the rank (tid 0) or one thread. Any core. @return 0, -EINVAL, -ESRCH.
 */
int toro_proc_signal(struct toro_proc *p, int tid, int sig);
/** For calls that wait with a signal mask of their own (ppoll, pselect6, epoll_pwait): set it. If
 * the wait is interrupted the old one comes back on the way to user mode, after the handler's frame
 * is made; else the caller calls toro_sigmask_restore(). */
void toro_sigmask_swap(uint64_t set);
void toro_sigmask_restore(void);
/** Line on the rank's stderr, from the kernel. */
void toro_proc_complain(struct toro_proc *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* User memory -------------------------------------------------------------------------------------
 */
/** [p, p + n) lies in the bus region and does not wrap (or n is 0). */
bool toro_user_ok(const void *p, size_t n);
/** @return 0 or -EFAULT. Addresses must be user memory or the kernel's stacks and heap; a system
 * call that has a kernel address among its arguments never gets here (sys/table.c). */
int toro_copy_from_user(void *d, const void *user, size_t n);
int toro_copy_to_user(void *user, const void *s, size_t n);
/** NUL-terminated string of at most size - 1 bytes. @return length, -EFAULT, -ENAMETOOLONG. */
toro_ssize toro_copy_string(char *d, const char *user, size_t size);

#endif
