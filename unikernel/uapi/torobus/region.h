/* SPDX-License-Identifier: BSD-3-Clause */
/* Layout of the bus region: superblock, slice headers, port control blocks, slices.
 *
 * The keeper writes the superblock and the slice headers before a guest boots; guests only read
 * them, but for the fields marked. A port control block belongs to its core, other ports write only
 * the words marked so. */
#ifndef TOROBUS_REGION_H
#define TOROBUS_REGION_H

#include "abi.h"
#include <stdatomic.h>

#define TOROBUS_REGION_MAGIC 0x3153554f524f54ull /* "TOROUS1" */

/** First page of the region. Written once by the keeper. */
struct torobus_superblock {
    uint64_t magic;
    uint32_t version;         /**< TOROBUS_ABI_VERSION */
    uint32_t nguests;         /**< slices in the region */
    uint64_t region_size;     /**< bytes, whole GiB */
    uint64_t slice_offset;    /**< of slice 0 from the region's start, GiB aligned */
    uint64_t slice_size;      /**< bytes each, power of two, whole GiB */
    uint32_t ports_per_guest; /**< port id = guest * ports_per_guest + core */
    uint32_t nports;          /**< nguests * ports_per_guest, <= TOROBUS_MAX_PORTS */
    uint64_t slice_hdr_offset;
    uint64_t port_offset; /**< of port 0's control block */
    uint64_t port_stride; /**< bytes from one control block to the next */
    uint8_t uuid[16];     /**< random; same uuid = same region, which is what the modex compares */
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct torobus_superblock) == 128, "superblock layout");
_Static_assert(offsetof(struct torobus_superblock, uuid) == 72, "superblock layout");

/** Life of a slice. */
enum torobus_slice_state {
    TOROBUS_SLICE_FREE = 0,
    TOROBUS_SLICE_BOOTING = 1,
    TOROBUS_SLICE_UP = 2,
    TOROBUS_SLICE_DEAD = 3, /**< the guest is gone; its ports will never answer */
};

/** One per slice. */
struct torobus_slice_hdr {
    _Atomic uint32_t state; /**< enum torobus_slice_state; keeper: FREE/BOOTING/DEAD, guest: UP */
    uint32_t ncores;        /**< written by the keeper */
    uint32_t
        ivshmem_id;  /**< the guest's IVPosition, written by the guest when UP; peers ring this */
    uint32_t native; /**< 1: Linux processes on the host, no guest */
    uint64_t mem_limit; /**< bytes of pool memory the guest may touch, 0 = slice_size */
    char name[40];      /**< node name, NUL-terminated, written by the keeper */
};
_Static_assert(sizeof(struct torobus_slice_hdr) == 64, "slice header layout");

/** Words of the pending bitmap: one bit per sending port. */
#define TOROBUS_PENDING_WORDS (TOROBUS_MAX_PORTS / 64u)

/** Life of a port. */
enum torobus_port_state {
    TOROBUS_PORT_FREE = 0,
    TOROBUS_PORT_OPEN = 1, /**< a rank is attached and may be sent to */
    TOROBUS_PORT_DEAD = 2, /**< the rank ended; sends fail */
};

/** Counters of one port; written only by its owner, read by toro-info. */
struct torobus_port_stats {
    _Atomic uint64_t msgs_sent, bytes_sent, msgs_recv, bytes_recv;
    _Atomic uint64_t ring_full, sleeps, doorbells_sent, doorbells_recv;
    _Atomic uint64_t puts, gets, rdma_bytes, atomics;
    uint64_t reserved[4];
};
_Static_assert(sizeof(struct torobus_port_stats) == 128, "stats are two lines");

/** Port control block: one per core of every guest. */
struct torobus_port {
    /* line 0: written ONLY by the owner (and by the kernel for it) */
    _Atomic uint32_t state;        /**< enum torobus_port_state */
    _Atomic uint32_t sleeping;     /**< 1: the owner is (about to be) halted, ring its doorbell */
    _Atomic uint32_t epoch;        /**< grows each time a new rank attaches */
    uint32_t owner_rank;           /**< MPI rank for diagnosis, or ~0u */
    _Atomic uint32_t closed_epoch; /**< epoch of the last owner that left in order: its DEAD is not
                                      an error */
    uint32_t reserved0[11];
    /* line 1: written by senders: one bit per non-zero word of pending[] */
    _Atomic uint64_t pending_summary;
    uint64_t reserved1[7];
    /* lines 2-3 */
    struct torobus_port_stats stats;
    /* lines 4-5: written by senders (set) and the owner (clear): rings that want attention */
    _Atomic uint64_t pending[TOROBUS_PENDING_WORDS];
    /* ring directory: entry s is written ONLY by sending port s: offset of its ring to this port
     * from the region's start, 0 = none. The owner checks it with torobus_ring_check() before use.
     */
    _Atomic uint64_t ring[TOROBUS_MAX_PORTS];
};
_Static_assert(offsetof(struct torobus_port, pending_summary) == 64, "port line 1");
_Static_assert(offsetof(struct torobus_port, stats) == 128, "port line 2");
_Static_assert(offsetof(struct torobus_port, pending) == 256, "port line 4");
_Static_assert(offsetof(struct torobus_port, ring) == 384, "port directory");
_Static_assert(sizeof(struct torobus_port) == 384 + 8 * TOROBUS_MAX_PORTS, "port size");

/** Distance between control blocks: whole pages. */
#define TOROBUS_PORT_STRIDE 12288u
_Static_assert(sizeof(struct torobus_port) <= TOROBUS_PORT_STRIDE, "port stride");

/**
 * Check a superblock that came from outside (the mapped region's first page).
 *
 * @param sb     the superblock; read, never written
 * @param mapped bytes really mapped
 * @return true if every offset and size in it lies inside the region and fits the others.
 *
 * Trust: every field is checked; the caller copies the struct first and uses the copy.
 */
static inline bool torobus_superblock_ok(const struct torobus_superblock *sb, uint64_t mapped)
{
    const uint64_t gib = 1ull << 30;

    if (sb->magic != TOROBUS_REGION_MAGIC || sb->version != TOROBUS_ABI_VERSION)
        return false;
    if (sb->region_size == 0 || sb->region_size > mapped || sb->region_size > TOROBUS_REGION_MAX)
        return false;
    if (sb->nguests == 0 || sb->nguests > TOROBUS_MAX_GUESTS || sb->ports_per_guest == 0 ||
        sb->ports_per_guest > TOROBUS_MAX_CORES ||
        sb->nports != sb->nguests * sb->ports_per_guest || sb->nports > TOROBUS_MAX_PORTS)
        return false;
    if (sb->slice_size < gib || (sb->slice_size & (sb->slice_size - 1)) != 0 ||
        sb->slice_offset % gib != 0 || sb->slice_offset < gib ||
        sb->slice_offset > sb->region_size ||
        sb->slice_size > (sb->region_size - sb->slice_offset) / sb->nguests)
        return false;
    if (sb->port_stride != TOROBUS_PORT_STRIDE || sb->port_offset % 4096u != 0 ||
        sb->slice_hdr_offset % TOROBUS_LINE != 0 || sb->slice_hdr_offset < sizeof(*sb) ||
        sb->slice_hdr_offset >= sb->slice_offset ||
        sb->slice_hdr_offset + sb->nguests * sizeof(struct torobus_slice_hdr) > sb->port_offset ||
        sb->port_offset >= sb->slice_offset ||
        sb->port_offset + (uint64_t)sb->nports * sb->port_stride > sb->slice_offset)
        return false;
    return true;
}

/** Control block of a port; the caller has checked port < sb->nports. @p base is the region's first
 * byte. */
static inline struct torobus_port *torobus_port_at(void *base, const struct torobus_superblock *sb,
                                                   uint32_t port)
{
    return (struct torobus_port *)((char *)base + sb->port_offset +
                                   (uint64_t)port * sb->port_stride);
}

/** Header of a slice; the caller has checked guest < sb->nguests. */
static inline struct torobus_slice_hdr *
torobus_slice_at(void *base, const struct torobus_superblock *sb, uint32_t guest)
{
    return (struct torobus_slice_hdr *)((char *)base + sb->slice_hdr_offset +
                                        guest * sizeof(struct torobus_slice_hdr));
}

/** Offset of a slice's first byte from the region's start. */
static inline uint64_t torobus_slice_offset(const struct torobus_superblock *sb, uint32_t guest)
{
    return sb->slice_offset + (uint64_t)guest * sb->slice_size;
}

/**
 * How a guest divides its slice: a pool for each of its cores, in whole GiB where the slice is
 * large enough for that, and at the end what they share.
 *
 * @param pool   core, or ncores for the shared pool
 * @param offset of the pool from the slice's start
 * @return bytes of it
 */
static inline uint64_t torobus_pool_span(uint64_t slice_size, unsigned ncores, unsigned pool,
                                         uint64_t *offset)
{
    const uint64_t gib = 1ull << 30, large = 2ull << 20;
    uint64_t common = slice_size / (ncores + 1), each;

    common -= common % (common >= gib ? gib : large);
    each = (slice_size - common) / ncores;
    each -= each % (each >= gib ? gib : large);
    *offset = each * pool;
    return pool < ncores ? each : slice_size - *offset;
}

#endif
