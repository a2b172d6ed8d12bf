/* SPDX-License-Identifier: BSD-3-Clause */
/* Lock for thread context whose holder may sleep (device requests, large copies). */
#ifndef TORO_MUTEX_H
#define TORO_MUTEX_H

#include "sched.h"

struct toro_mutex {
    struct toro_waitq q;
    _Atomic int held;
};

static inline void toro_mutex_init(struct toro_mutex *m)
{
    toro_waitq_init(&m->q);
    atomic_init(&m->held, 0);
}

static inline bool toro_mutex_try(struct toro_mutex *m)
{
    int free = 0;

    /* [A] acquire; pairs with [A] in toro_mutex_unlock(). */
    return atomic_compare_exchange_strong_explicit(&m->held, &free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/** Caller: thread context; may sleep, not interruptible. */
static inline void toro_mutex_lock(struct toro_mutex *m)
{
    if (!toro_mutex_try(m))
        (void)toro_wait_event(&m->q, toro_mutex_try(m), UINT64_MAX, false);
}

/** As toro_mutex_lock(), but a signal ends the wait. @return 0 or -EINTR (not locked). */
static inline int toro_mutex_lock_intr(struct toro_mutex *m)
{
    return toro_mutex_try(m) ? 0 : toro_wait_event(&m->q, toro_mutex_try(m), UINT64_MAX, true);
}

static inline void toro_mutex_unlock(struct toro_mutex *m)
{
    atomic_store_explicit(&m->held, 0, memory_order_release); /* [A] */
    toro_wake(&m->q, 1);
}

#endif
