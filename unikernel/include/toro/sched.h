/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads, ranks, run queues, wait queues. Cooperative: a thread runs until it blocks, yields or
 * ends; an interrupt that finds user code lets a ready kernel thread in at once, and another ready
 * user thread only after the guard time. */
#ifndef TORO_SCHED_H
#define TORO_SCHED_H

#include "arch.h"
#include "list.h"
#include "lock.h"

struct toro_proc;

enum toro_thread_state { TORO_RUNNING, TORO_READY, TORO_BLOCKED, TORO_DEAD };

/** One-shot timer in the queue of the core that set it. fn runs on that core, in interrupt or
 * scheduler context, and must not block; it may set the timer again. */
struct toro_timer {
    struct toro_list link;
    uint64_t when; /**< arch_now_ns() time */
    void (*fn)(struct toro_timer *);
    _Atomic int core; /**< whose queue, -1 = not set */
    unsigned home;    /**< where it was set last */
};
void toro_timer_init(struct toro_timer *tm, void (*fn)(struct toro_timer *));
/** Set (or move) to `when`. Caller: any context, one caller at a time per timer. */
void toro_timer_set(struct toro_timer *tm, uint64_t when);
/** After return fn neither runs nor will run, unless called from fn itself. Any core. */
void toro_timer_cancel(struct toro_timer *tm);

struct toro_thread {
    struct arch_thread arch;
    struct toro_thread *next; /**< run queue of its core */
    struct toro_list peer;    /**< threads of the same rank */
    struct toro_proc *proc;   /**< NULL: kernel thread */
    _Atomic int state;        /**< enum toro_thread_state */
    unsigned core;            /**< home core */
    uint64_t affinity;        /**< cores it may run on; a bit per core */
    unsigned goal;            /**< where it shall move when its core is not among them */
    bool fresh;               /**< READY after a wait, and has not had its core since */
    bool hog;                 /**< computed for long before it last gave way or waited */
    bool visiting;            /**< on a core for an errand: goes before what computes there */
    int tid;
    _Atomic int woken;      /**< set by toro_thread_wake(), consumed by toro_block() */
    _Atomic bool interrupt; /**< a signal or the rank's end wants it out of a wait */
    bool killed;
    bool halted;             /**< keeps still for a core dump (sys/coredump.c) */
    struct toro_timer timer; /**< ends toro_block() at its deadline */
    void (*fn)(void *);      /**< where it starts, on its kernel stack */
    void *arg;
    /* Linux thread state */
    uint64_t clear_child_tid, robust_list, robust_len;
    uint64_t sigmask, sigpending, sigstack_sp, sigstack_size;
    uint32_t sigstack_flags;
    uint64_t sigmask_saved; /**< for rt_sigsuspend/ppoll */
    bool sigmask_restore;
    char name[16];
    uint64_t run_ns, switches; /**< accounting */
    const char *where;         /**< what it waits for, for toro-info --stacks */
    /* System call and fault under way (sys/) */
    long sysno;          /**< number of the call, -1 outside */
    uint64_t syscalls;   /**< so far; written by the thread alone */
    bool restarted;      /**< the call under way is such a second start */
    bool restart;        /**< the call may start again after a signal handler */
    uint64_t restart_at; /**< absolute deadline of an interrupted nanosleep, 0 none */
    int fault_sig;       /**< forced by a CPU exception, 0 none */
    int fault_code;
    uint64_t fault_addr, fault_vector, fault_error;
    uint64_t sigwait; /**< signals that rt_sigtimedwait takes */
};

/** The running thread of this core. */
struct toro_thread *toro_current(void);
/** Start a kernel thread on a core. @return NULL if out of memory. */
struct toro_thread *toro_kthread(const char *name, unsigned core, void (*fn)(void *), void *arg);
/** New thread, READY but not yet made known to a run queue; fn(arg) runs on its kernel stack.
 *  @param proc NULL for a kernel thread. @return NULL if out of memory. */
struct toro_thread *toro_thread_new(const char *name, unsigned core, struct toro_proc *proc,
                                    void (*fn)(void *), void *arg);
/** Free a thread that was never made ready. */
void toro_thread_discard(struct toro_thread *t);
/** End a wait of t that can be interrupted, and make t look at its `interrupt` and `killed` soon if
 * it runs user code. Any core. */
void toro_thread_interrupt(struct toro_thread *t);
/** CPU time that t has had, up to now if it runs. */
uint64_t toro_thread_cpu_ns(const struct toro_thread *t);
/** Make a READY thread known to its home core's run queue (from any core). */
void toro_thread_ready(struct toro_thread *t);
/** Wake t if it blocks or is about to. Any core, interrupt context too. */
void toro_thread_wake(struct toro_thread *t);
/** From here to toro_ipis_release(), wakes do not interrupt other cores yet; they nest, and nothing
 * may block in between. For who wakes while it holds a spin lock that the woken thread wants: if
 * the host has no CPU for both cores, it gives the one of the waker to the woken core at once,
 * which then spins for the rest of its time on a lock that nobody can release. */
void toro_ipis_hold(void);
/** Send now what was held back. Call with the lock released. */
void toro_ipis_release(void);
/** Give the core to others if any is ready. */
void toro_yield(void);
/** Block until woken, interrupted or `deadline` (arch_now_ns() time; UINT64_MAX none) has passed.
 *  A wake that came since the last toro_block_begin() makes it return at once.
 *  @return 0 woken, -ETIMEDOUT, -EINTR (only if interruptible). */
int toro_block(uint64_t deadline, bool interruptible);
/** Forget earlier wakes; call before checking the condition. */
void toro_block_begin(void);
/** Move the current thread to another core (returns running there). */
void toro_migrate(unsigned core);
/** Go to a core to touch what is that core's alone: memory pools, memory maps. A visitor does not
 * wait for the guard time. Visits nest. Caller: thread context, no spin lock held.
 * @return what toro_visit_end() wants, to come back. */
unsigned toro_visit(unsigned core);
void toro_visit_end(unsigned was);
_Noreturn void toro_thread_exit(void);
/** Idle loop of a core; entered once per core after boot. */
_Noreturn void toro_core_main(void);

/* Called by arch: */
void toro_on_ipi(void);
/** Number of interrupts that the core has had from others: a change says that it takes them. */
unsigned toro_core_ipis(unsigned core);
void toro_on_timer(void);
bool toro_core_must_run(void);
/** sys/: signals, the rank's end. Called by toro_user_return() when t->interrupt or t->killed is
 * set; may not return. */
void toro_signal_return(struct arch_frame *f);
/** Before every return to user mode (system call, trap, interrupt): reschedule, deliver signals,
 * end killed threads.
 *  @param from_interrupt true if user code was interrupted (not a system call). */
void toro_user_return(struct arch_frame *f, bool from_interrupt);
/** System call entry; result goes to f->rax. */
void toro_syscall(struct arch_frame *f);
/** CPU exception in user mode (vector, error in f; cr2 for page faults). */
void toro_user_fault(struct arch_frame *f, uint64_t cr2);

/* Wait queues -------------------------------------------------------------------------------------
 */
struct toro_waitq {
    struct toro_spinlock lock;
    struct toro_list waiters;
};
struct toro_waiter {
    struct toro_list link;
    struct toro_thread *thread;
    struct toro_waitq *q;
    /** Called in place of waking the thread when set (epoll); any core, q->lock held. */
    void (*fn)(struct toro_waiter *);
};
void toro_waitq_init(struct toro_waitq *q);
void toro_wait_add(struct toro_waitq *q, struct toro_waiter *w);
void toro_wait_del(struct toro_waiter *w); /**< harmless if not queued */
/** Wake up to n waiters, first come first served (UINT_MAX all). */
void toro_wake(struct toro_waitq *q, unsigned n);
/** Wait until cond is true. Evaluates to 0, -EINTR or -ETIMEDOUT. */
#define toro_wait_event(q, cond, deadline, interruptible)                                          \
    ({                                                                                             \
        struct toro_waiter w_ = {.thread = toro_current()};                                        \
        int r_ = 0;                                                                                \
        toro_list_init(&w_.link);                                                                  \
        for (;;) {                                                                                 \
            toro_block_begin();                                                                    \
            toro_wait_add((q), &w_);                                                               \
            if (cond)                                                                              \
                break;                                                                             \
            r_ = toro_block((deadline), (interruptible));                                          \
            toro_wait_del(&w_);                                                                    \
            if (r_ != 0) {                                                                         \
                if (cond)                                                                          \
                    r_ = 0;                                                                        \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        toro_wait_del(&w_);                                                                        \
        r_;                                                                                        \
    })

#endif
