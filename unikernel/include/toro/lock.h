/* SPDX-License-Identifier: BSD-3-Clause */
/* Spin lock. The kernel runs with interrupts off, so a lock is never taken twice on a core by an
 * interrupt. While waiting, arch_relax() also serves TLB shootdowns, so that a holder may wait for
 * them.
 *
 * Not a ticket lock: vCPUs outnumber the host's CPUs on every laptop, and a lock that must go to
 * the one waiter whose turn it is stands still until the host runs that very vCPU (four ranks that
 * write lines on two host CPUs: minutes against seconds). Whoever runs takes it. */
#ifndef TORO_LOCK_H
#define TORO_LOCK_H

#include "types.h"

void arch_relax(void);

struct toro_spinlock {
    _Atomic uint32_t held;
    uint32_t pad; /* users lay out lines with a lock of 8 bytes */
};

#define TORO_SPINLOCK_INIT                                                                         \
    {                                                                                              \
        0, 0                                                                                       \
    }

static inline void toro_spin_lock(struct toro_spinlock *l)
{
    uint32_t free = 0;

    /* [A] acquire; pairs with [A] in toro_spin_unlock(). */
    while (!atomic_compare_exchange_weak_explicit(&l->held, &free, 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
        /* Look without writing, so that waiting does not take the line from the holder. */
        while (atomic_load_explicit(&l->held, memory_order_relaxed) != 0)
            arch_relax();
        free = 0;
    }
}

static inline void toro_spin_unlock(struct toro_spinlock *l)
{
    atomic_store_explicit(&l->held, 0, memory_order_release); /* [A] */
}

#endif
