/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sys/ share. */
#ifndef TORO_SYS_H
#define TORO_SYS_H

#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/proc.h>
#include <toro/syscall.h>

#define SYS_UNUSED(x) ((void)(x))
/** Parameter lists of handlers that use fewer than six arguments. */
#define SYS_ARGS0 long a0, long a1, long a2, long a3, long a4, long a5
#define SYS_REST0                                                                                  \
    (SYS_UNUSED(a0), SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5))

#define SYS_NS_PER_S 1000000000ull

#define SIGHUP_      1
#define SIGILL_      4
#define SIGTRAP_     5
#define SIGBUS_      7
#define SIGFPE_      8
#define SIGKILL_     9
#define SIGSEGV_     11
#define SIGALRM_     14
#define SIGCHLD_     17
#define SIGCONT_     18
#define SIGSTOP_     19
#define SIGTSTP_     20
#define SIGTTIN_     21
#define SIGTTOU_     22
#define SIGURG_      23
#define SIGWINCH_    28

#define SIG_BIT(sig) (1ull << ((sig)-1))
/** Signals that cannot be blocked. */
/* What leaves a core file, if there is to be one. */
#define SYS_CORE_SIGNALS                                                                           \
    (SIG_BIT(3) | SIG_BIT(SIGILL_) | SIG_BIT(SIGTRAP_) | SIG_BIT(6) | SIG_BIT(SIGBUS_) |           \
     SIG_BIT(SIGFPE_) | SIG_BIT(SIGSEGV_) | SIG_BIT(24) | SIG_BIT(25) | SIG_BIT(31))
#define SIG_NEVER  (SIG_BIT(SIGKILL_) | SIG_BIT(SIGSTOP_))

#define SI_USER_   0
#define SI_KERNEL_ 0x80
#define SI_TIMER_  (-2)
#define SI_QUEUE_  (-1)
#define SI_TKILL_  (-6)

/** Read a struct timespec. @return 0, -EFAULT, -EINVAL. */
int sys_timespec_get(const void *user, uint64_t *ns);
int sys_timespec_put(void *user, uint64_t ns);
/** Deadline for toro_block(): ns is a duration, or a time of CLOCK_REALTIME / CLOCK_MONOTONIC. */
uint64_t sys_deadline(bool realtime, bool absolute, uint64_t ns);
/** Set up a new rank's ITIMER_REAL (sys/itimer.c). */
void sys_itimer_init(struct toro_proc *p);
/** Name of a signal: "SIGSEGV". */
const char *sys_signame(int sig);
/** Put the handler's frame on the user's stack. @return 0 or -EFAULT. (sys/sigframe.c) */
int sys_sigframe_push(struct arch_frame *f, int sig, const struct toro_sigaction *act,
                      uint64_t old_mask, const struct toro_siginfo *info, bool fault);
/** Tell the user what killed the rank (sys/fault.c). */
void sys_fault_report(struct arch_frame *f, int sig, const char *note);
/** The current thread ends: robust list, clear_child_tid (sys/futex.c). */
void sys_futex_thread_end(struct toro_thread *t);
/** Wake waiters on a user word (sys/futex.c). */
long sys_futex_wake(uint64_t addr, unsigned n, uint32_t bits);
/** Of these cores (a set, not empty) the one where the rank's threads, except one, need the least
 * time. p->lock held. */
unsigned sys_pick_core(struct toro_proc *p, uint64_t cores, const struct toro_thread *except);
/** A signal that t can take now is pending. p->lock held. */
bool sys_signal_ready(struct toro_proc *p, struct toro_thread *t);
/** siginfo_t for the user: 128 bytes. */
void sys_siginfo_fill(uint8_t out[128], int sig, const struct toro_siginfo *info);

/** A place on a program's stack. */
struct sys_place {
    uint64_t addr;
    bool exact;  /**< the instruction itself, not where a call will return to */
    bool signal; /**< where a signal handler will return to */
    bool guess;  /**< by its looks */
};
/** Where a thread of the rank is, and who called that, innermost first. @return their number. */
unsigned sys_backtrace(struct toro_proc *p, const struct arch_frame *f, struct sys_place *out,
                       unsigned max);
/** @return buf, with the function's name and the offset in it. */
const char *sys_place_name(struct toro_proc *p, const struct sys_place *at, char *buf, size_t size);
/** Write the rank's core file if it is wanted; the rank ends then. (sys/coredump.c) */
void sys_core_dump(int sig, const struct toro_siginfo *info);
/** Another thread writes the rank's core: keep still until it has. */
void sys_core_halt(struct toro_thread *t);
void sys_core_init(void);

#endif
