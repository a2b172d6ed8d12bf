/* SPDX-License-Identifier: BSD-3-Clause */
/* One split virtqueue (virtio 1.x, 2.7), as the driver sees it. No hardware access: tests drive it
 * against a device made of a few lines of C. The caller serialises all calls on one queue. */
#ifndef TORO_VIRTQ_H
#define TORO_VIRTQ_H

#include "types.h"

#define TORO_VIRTQ_MAX 256u

struct toro_vring_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
#define TORO_VRING_NEXT  1u
#define TORO_VRING_WRITE 2u

struct toro_vring_avail {
    uint16_t flags;
    _Atomic uint16_t idx;
    uint16_t ring[];
};

struct toro_vring_used_elem {
    uint32_t id, len;
};
struct toro_vring_used {
    _Atomic uint16_t flags; /**< written by the device */
    _Atomic uint16_t idx;   /**< written by the device */
    struct toro_vring_used_elem ring[];
};
#define TORO_VRING_USED_NO_NOTIFY 1u

/** What the driver remembers of a chain it has given away: nothing is read back from the rings. */
struct toro_virtq_chain {
    void *cookie;      /**< NULL: not in flight */
    uint32_t writable; /**< bytes the device may write */
    uint16_t ndesc;
};

struct toro_virtq {
    struct toro_vring_desc *desc;
    struct toro_vring_avail *avail;
    struct toro_vring_used *used;
    uint16_t size, nfree, free_head, avail_idx, last_used, in_flight;
    bool broken; /**< the device broke the rules; nothing is popped any more */
    uint16_t next[TORO_VIRTQ_MAX];
    struct toro_virtq_chain chain[TORO_VIRTQ_MAX];
};

struct toro_virtq_buf {
    uint64_t pa;
    uint32_t len;
};

/** Bytes of zeroed memory that a queue of this size needs (the three rings in a row). */
size_t toro_virtq_bytes(unsigned size);
/** Start an empty queue in zeroed memory. @return 0, or -EINVAL for an impossible size. */
int toro_virtq_setup(struct toro_virtq *q, unsigned size, void *mem);
/**
 * Give the device a chain: n_out readable buffers, then n_in writable ones.
 *
 * @param cookie comes back from toro_virtq_pop(); not NULL
 * @return 0, -ENOSPC if there is no room now, -EINVAL for an empty or impossible chain, -EIO once
 *         the queue is broken
 *
 * Order: the release store of avail->idx publishes descriptors and buffers to the device.
 */
int toro_virtq_add(struct toro_virtq *q, const struct toro_virtq_buf *b, unsigned n_out,
                   unsigned n_in, void *cookie);
/** Whether the device wants to be told of what was added. */
bool toro_virtq_must_notify(const struct toro_virtq *q);
/**
 * Take back one finished chain.
 *
 * @return 1 with *cookie and *len (bytes written), 0 if there is none, -EPROTO if the device broke
 *         the rules (now and from then on)
 *
 * Order: the acquire load of used->idx pairs with the device's publication.
 * Trust: index, id and length come from the device; each is checked against what is in flight.
 */
int toro_virtq_pop(struct toro_virtq *q, void **cookie, uint32_t *len);

#endif
