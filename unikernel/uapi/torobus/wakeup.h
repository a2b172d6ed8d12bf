/* SPDX-License-Identifier: BSD-3-Clause */
/* Attention: how a receiver learns which ring to look at, and when a sleeper is woken.
 *
 * A receiver polls only its *hot* rings. Bit s of port.pending[] set means: "the owner polls, or
 * will poll, the ring of port s". The rule that both sides keep:
 *
 *   sender     publish in the ring; full fence; read the bit. Set: done. Clear: set it, set the
 *              summary bit, then ring the doorbell if the owner sleeps.
 *   receiver   drop a ring: clear the bit; full fence; look into the ring once more. Not empty: set
 *              the bit again and keep the ring.
 *   sleep      drop every ring; then sleeping = 1; full fence; look at the summary once more; halt.
 *
 * Each is a store, a fence and a load of what the other side stores, so at least one of the two
 * sides sees the other: no wake-up is lost (tests/model/wakeup.pml). The cost of a message to a hot
 * ring is one fence and the load of a line that does not change.
 *
 * A set bit whose sender has no ring to this port is a credit notice: the sender of the bit has
 * released messages of a ring in the other direction whose producer starves. */
#ifndef TOROBUS_WAKEUP_H
#define TOROBUS_WAKEUP_H

#include "region.h"

/**
 * Full memory fence.
 *
 * A locked read-modify-write of the own stack is the cheapest one on x86 hardware.
 */
static inline void torobus_fence(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lock; orl $0, -8(%%rsp)" ::: "memory", "cc");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/** The same, cheapest on an emulated CPU, which calls a helper for a locked operation. */
static inline void torobus_fence_emulated(void)
{
#if defined(__x86_64__)
    __asm__ volatile("mfence" ::: "memory");
#else
    torobus_fence();
#endif
}

/**
 * Set the caller's bit at a port.
 *
 * @param src  the caller's port, checked
 * @return true if the owner sleeps and must be woken with the doorbell
 *
 * Order: (E) bit, then summary bit, then the load of sleeping, all sequentially consistent; pairs
 * with the sleeper's store of sleeping and load of the summary.
 */
static inline bool torobus_wake_raise(struct torobus_port *dst, uint32_t src)
{
    const uint32_t word = src / 64u;

    atomic_fetch_or_explicit(&dst->pending[word], 1ull << (src % 64u), memory_order_seq_cst);
    atomic_fetch_or_explicit(&dst->pending_summary, 1ull << word, memory_order_seq_cst);
    return atomic_load_explicit(&dst->sleeping, memory_order_seq_cst) != 0;
}

/**
 * The second half of torobus_wake_sent(), for who has put a full fence behind the commit itself.
 *
 * @return as torobus_wake_sent()
 */
static inline bool torobus_wake_fenced(struct torobus_port *dst, uint32_t src)
{
    const uint64_t bit = 1ull << (src % 64u);

    if ((atomic_load_explicit(&dst->pending[src / 64u], memory_order_relaxed) & bit) != 0)
        return false;
    return torobus_wake_raise(dst, src);
}

/**
 * To be called after every torobus_ring_commit().
 *
 * @return true if the owner sleeps and must be woken with the doorbell
 *
 * Order: (D) fence between the ring's publication and the load of the bit; pairs with
 * torobus_wake_drop.
 */
static inline bool torobus_wake_sent(struct torobus_port *dst, uint32_t src)
{
    torobus_fence();
    return torobus_wake_fenced(dst, src);
}

/** @return true if some sender has raised a bit since the last torobus_wake_take(). */
static inline bool torobus_wake_any(struct torobus_port *self)
{
    return atomic_load_explicit(&self->pending_summary, memory_order_relaxed) != 0;
}

/** Take the summary: bits of the words of pending[] to look at. Caller: the owner. */
static inline uint64_t torobus_wake_take(struct torobus_port *self)
{
    return atomic_exchange_explicit(&self->pending_summary, 0, memory_order_seq_cst) &
           (~0ull >> (64u - TOROBUS_PENDING_WORDS));
}

/** Bits of one word of pending[]. Those that are not hot yet are new. Caller: the owner. */
static inline uint64_t torobus_wake_bits(struct torobus_port *self, uint32_t word)
{
    return atomic_load_explicit(&self->pending[word], memory_order_acquire);
}

/**
 * Stop polling the ring of port src. The caller MUST look into the ring once more afterwards, and
 * call torobus_wake_keep() if it is not empty.
 *
 * Caller: the owner. Order: (D) clears the bit; full fence; the caller's look is the load.
 */
static inline void torobus_wake_drop(struct torobus_port *self, uint32_t src)
{
    atomic_fetch_and_explicit(&self->pending[src / 64u], ~(1ull << (src % 64u)),
                              memory_order_seq_cst);
    torobus_fence();
}

/** Poll the ring of port src again after all. Caller: the owner. */
static inline void torobus_wake_keep(struct torobus_port *self, uint32_t src)
{
    atomic_fetch_or_explicit(&self->pending[src / 64u], 1ull << (src % 64u), memory_order_seq_cst);
}

/**
 * First half of going to sleep, when no ring is hot. The owner may halt if it returns true, and
 * calls torobus_wake_up() afterwards in either case.
 *
 * Caller: the owner, or the kernel for it. Order: (E) store of sleeping; full fence; load of the
 * summary.
 */
static inline bool torobus_wake_sleep(struct torobus_port *self)
{
    atomic_store_explicit(&self->sleeping, 1, memory_order_seq_cst);
    torobus_fence();
    return atomic_load_explicit(&self->pending_summary, memory_order_seq_cst) == 0;
}

/** Awake again. Caller: as torobus_wake_sleep(). */
static inline void torobus_wake_up(struct torobus_port *self)
{
    atomic_store_explicit(&self->sleeping, 0, memory_order_relaxed);
}

#endif
