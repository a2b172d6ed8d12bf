/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sched/ share: the state of a core. */
#ifndef TORO_SCHED_INTERNAL_H
#define TORO_SCHED_INTERNAL_H

#include <toro/sched.h>

/** A user thread keeps its core this long while another one is ready there. */
#define TORO_GUARD_NS 10000000ull
/** ... and this long in all while one is ready that has waited for something: a helper thread whose
 * data have come would else get its core a hundred times a second, beside code that spins. Only of
 * a thread that has run for longer when it last could is this expected again: threads that hand
 * each other their core in microseconds are spared the timer. */
#define TORO_WAKE_NS 50000ull
/** An idle core looks for work at most this long before it halts, if the host has a CPU for every
 * core: to wake a halted one takes tens of microseconds. */
#define TORO_IDLE_SPIN_NS 30000u

struct toro_fifo {
    struct toro_thread *head, *tail;
};

struct toro_core {
    /* Written by other cores. */
    _Atomic(struct toro_thread *) remote; /**< woken for this core, last first */
    char pad[56];
    /* Own. `polling` is read by other cores. */
    _Atomic int polling; /**< 1: looks at `remote` itself, no interrupt needed */
    struct toro_thread *current;
    struct toro_fifo kernel, user; /**< READY threads */
    unsigned fresh;                /**< how many of `user` have just ended a wait */
    struct toro_thread *departed;  /**< just switched out for good: free it or hand it on */
    uint64_t since;                /**< when current began to run */
    uint64_t guard_at;             /**< when guarded must give way, 0 = nobody waits */
    struct toro_thread *guarded;   /**< user thread that guard_at is about */
    _Atomic unsigned ipis;         /**< interrupts from other cores so far */
    unsigned holds;                /**< toro_ipis_hold() that have not ended */
    uint64_t held;                 /**< cores to be interrupted at the end of the last */
    /* Timers: the list is sorted; the lock is for cancels from other cores. */
    struct toro_spinlock timer_lock;
    struct toro_list timers; /**< set up at first use */
    struct toro_timer *_Atomic timer_running;
    uint64_t programmed; /**< what the hardware is set to, 0 = off */
    struct toro_thread idle;
} __attribute__((aligned(64)));

extern struct toro_core toro_cores[TORO_MAX_CORES];

static inline struct toro_core *toro_core_self(void)
{
    return &toro_cores[arch_core()];
}

/** Run what is due, set the hardware to the next. Own core. */
void toro_timers_run(struct toro_core *c);
/** Make sure that the hardware fires at or before `when`. Own core. */
void toro_timer_program(struct toro_core *c, uint64_t when);
/** Move what other cores have woken into the run queues. */
void toro_sched_drain(struct toro_core *c);
/** Let kernel threads (and, with others, user threads too) run before the current one, which stays
 * first in its queue, or goes last with last. */
void toro_sched_preempt(struct toro_core *c, bool last);

#endif
