/* SPDX-License-Identifier: BSD-3-Clause */
/* Ticket spin lock. The kernel runs with interrupts off, so a lock is never taken twice on a core
 * by an interrupt. While waiting, arch_relax() also serves TLB shootdowns, so that a holder may
 * wait for them. */
#ifndef TORO_LOCK_H
#define TORO_LOCK_H

#include "types.h"

void arch_relax(void);

struct toro_spinlock {
    _Atomic uint32_t next, owner;
};

#define TORO_SPINLOCK_INIT                                                                         \
    {                                                                                              \
        0, 0                                                                                       \
    }

static inline void toro_spin_lock(struct toro_spinlock *l)
{
    uint32_t me = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);

    /* [A] acquire; pairs with [A] in toro_spin_unlock(). */
    while (atomic_load_explicit(&l->owner, memory_order_acquire) != me)
        arch_relax();
}

static inline void toro_spin_unlock(struct toro_spinlock *l)
{
    uint32_t me = atomic_load_explicit(&l->owner, memory_order_relaxed);

    atomic_store_explicit(&l->owner, me + 1, memory_order_release); /* [A] */
}

#endif
