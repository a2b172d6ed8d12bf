/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the bus layer, which alone knows the shared layouts: how a process gets at its region,
 * the two halves of a connection, and the sender's fast path, inlined into btl_torobus_send.c. */
#ifndef MCA_BTL_TOROBUS_BUS_H
#define MCA_BTL_TOROBUS_BUS_H

#include "btl_torobus.h"

#include <string.h>

#include "torobus/dev.h"
#include "torobus/region.h"
#include "torobus/ring.h"
#include "torobus/wakeup.h"

/** *why of a process that is not of its job's version. */
#define MCA_BTL_TOROBUS_OTHER_ABI                                                                  \
    "this program was linked with another version of Torobus than this job's: link it again with " \
    "this installation's mpicc"

/** A way to be on the bus. */
typedef struct mca_btl_torobus_platform_t {
    /**
     * Take a port. It is reset: directory, bitmaps and counters are empty, the epoch is new.
     *
     * @param[out] info  as TOROBUS_IOC_ATTACH answers
     * @return OPAL_SUCCESS; OPAL_ERR_NOT_AVAILABLE when there is no bus of this kind here; others
     *         with *why set
     */
    int (*attach)(struct torobus_dev_info *info, const char **why);
    /** @return memory in the region for a ring, page aligned, or NULL. Never given back. */
    void *(*alloc)(size_t size);
    /** Publish sleeping, re-check the summary, halt; at most ns. Counts sleeps. */
    void (*wait)(uint64_t ns);
    /** Wake the owner of a port, whose sleeping word was read as 1. Counts doorbells. */
    void (*kick)(uint32_t port);
    /** Give the port up. */
    void (*detach)(void);
    /** The process's memory lies outside the region. */
    bool private_memory;
} mca_btl_torobus_platform_t;

extern const mca_btl_torobus_platform_t mca_btl_torobus_dev;    /* btl_torobus_dev.c */
extern const mca_btl_torobus_platform_t mca_btl_torobus_keeper; /* btl_torobus_keeper.c */
extern const mca_btl_torobus_platform_t mca_btl_torobus_native; /* btl_torobus_native.c */

/**
 * Map the region of a Linux process at its address and check it.
 *
 * @param[out] sb  a copy of the superblock, set on success
 * @return OPAL_SUCCESS, or OPAL_ERROR with *why set
 */
int mca_btl_torobus_native_map(int fd, struct torobus_superblock *sb, const char **why);
void mca_btl_torobus_native_unmap(void);

/** The port is ours: so is its part of the slice's memory, for mca_btl_torobus_native_alloc(). */
void mca_btl_torobus_native_own(uint32_t port);
void *mca_btl_torobus_native_alloc(size_t size);

/** Sending half towards one port. Guarded by its endpoint's lock. */
struct mca_btl_torobus_tx_t {
    struct torobus_ring_tx ring;
    struct torobus_port *port; /**< the peer's */
    uint32_t peer;
    bool starving;
};

/** Receiving half towards one sending port. */
typedef struct mca_btl_torobus_rx_t {
    struct torobus_ring_rx ring;
    mca_btl_base_module_t *module; /**< which of the two the pair belongs to */
    uint64_t offset;               /**< what the directory said; 0: not attached */
    uint32_t peer;
    uint32_t epoch; /**< of the peer's port when the ring was attached */
    uint32_t idle;  /**< empty polls in a row */
    bool hot;
    bool failed;
} mca_btl_torobus_rx_t;

/** The one bus of a process. */
typedef struct mca_btl_torobus_bus_t {
    struct torobus_port *self;
    uint32_t port;
    uint32_t nhot;
    uint32_t limit; /**< empty polls after which a ring is dropped, for nhot rings */
    const mca_btl_torobus_platform_t *platform;
    char *base;
    struct torobus_superblock sb; /**< checked copy */
    uint64_t opened_ns, opened_ticks;
    mca_btl_torobus_rx_t *hot[TOROBUS_MAX_PORTS];
    mca_btl_torobus_rx_t *rx[TOROBUS_MAX_PORTS];
} mca_btl_torobus_bus_t;

extern mca_btl_torobus_bus_t mca_btl_torobus_bus;

/** Ring a doorbell. */
void mca_btl_torobus_bus_kick(uint32_t port);

/** Everything but a message that fits into a free slot of a ring that is there. */
int mca_btl_torobus_bus_reserve_slow(mca_btl_torobus_tx_t *tx, size_t len, void **data);

/** Add to a counter of the own port. It has one writer unless the application uses threads. */
static inline void mca_btl_torobus_bus_count(_Atomic uint64_t *counter, uint64_t n)
{
    if (OPAL_UNLIKELY(opal_using_threads())) {
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
    } else {
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
    }
}

/**
 * @return true if no hot ring has a message and no other ring has become one to look at: what a
 * poll finds most of the time, so it costs a few instructions per hot ring.
 *
 * Caller: under the progress guard.
 */
static inline bool mca_btl_torobus_bus_silent(void)
{
    const mca_btl_torobus_bus_t *b = &mca_btl_torobus_bus;

    if (torobus_wake_any(b->self)) {
        return false;
    }
    for (uint32_t i = 0; i < b->nhot; i++) {
        if (torobus_ring_ready(&b->hot[i]->ring)) {
            return false;
        }
    }
    return true;
}

/**
 * Find room in the ring.
 *
 * @return OPAL_SUCCESS and *data; OPAL_ERR_OUT_OF_RESOURCE when it is full; OPAL_ERR_BAD_PARAM when
 *         len can never fit; OPAL_ERR_UNREACH when the peer broke the protocol or no ring can be
 * had
 *
 * Caller: holds the endpoint's lock until after the commit.
 */
static inline int mca_btl_torobus_bus_reserve(mca_btl_torobus_tx_t *tx, size_t len, void **data)
{
    if (OPAL_LIKELY(TOROBUS_RING_INLINE >= len && torobus_ring_free(&tx->ring))) {
        *data = torobus_ring_inline(&tx->ring);
        return OPAL_SUCCESS;
    }
    return mca_btl_torobus_bus_reserve_slow(tx, len, data);
}

/** Publish what was reserved and see to it that the peer notices. */
static inline void mca_btl_torobus_bus_commit(mca_btl_torobus_tx_t *tx, size_t len,
                                              mca_btl_base_tag_t tag)
{
    struct torobus_port_stats *stats = &mca_btl_torobus_bus.self->stats;

    torobus_ring_commit(&tx->ring, (uint32_t)len, tag);
    if (mca_btl_torobus_emulated) {
        torobus_fence_emulated();
    } else {
        torobus_fence();
    }
    if (OPAL_UNLIKELY(torobus_wake_fenced(tx->port, mca_btl_torobus_bus.port))) {
        mca_btl_torobus_bus_kick(tx->peer);
    }
    mca_btl_torobus_bus_count(&stats->msgs_sent, 1);
    mca_btl_torobus_bus_count(&stats->bytes_sent, len);
}

/** memcpy that does not call anything for the sizes of headers and the smallest messages. */
static inline void mca_btl_torobus_copy_small(unsigned char *to, const void *from, size_t n)
{
    const unsigned char *p = from;

    if (OPAL_LIKELY(8 <= n && n <= 16)) {
        uint64_t head, tail;

        memcpy(&head, p, 8);
        memcpy(&tail, p + n - 8, 8);
        memcpy(to, &head, 8);
        memcpy(to + n - 8, &tail, 8);
    } else if (256 >= n) {
        memcpy(to, p, n);
    } else {
        mca_btl_torobus_memcpy(to, p, n);
    }
}

#endif
