/* SPDX-License-Identifier: BSD-3-Clause */
/* One-way message ring from one port to another: single producer, single consumer, no locks.
 *
 * Two areas. *Header slots*, one line each, hold length, tag and up to 56 bytes of payload; larger
 * payloads go to the *data lane*, contiguous, in whole lines, the slot then says where. A header is
 * one 64-bit word whose upper half is the sequence number index + 1; one store-release of it
 * publishes the message. Slots hold nothing but headers at that place, so a stale word can never be
 * mistaken for a new one. All indices are free-running 32-bit numbers, compared by unsigned
 * difference only.
 *
 * The ring lies in the producer's memory. Each end keeps what it needs in a private handle; the
 * shared struct holds the geometry, which is checked once, and the consumer's head. */
#ifndef TOROBUS_RING_H
#define TOROBUS_RING_H

#include "abi.h"
#include <stdatomic.h>

#define TOROBUS_RING_MAGIC 0x676e697254u /* "Tring" */

/** Payload bytes that fit into a header slot. */
#define TOROBUS_RING_INLINE 56u
/** Geometry limits; all sizes are powers of two. */
#define TOROBUS_RING_SLOTS_MIN 8u
#define TOROBUS_RING_SLOTS_MAX 4096u
#define TOROBUS_RING_LANE_MIN  4096u
#define TOROBUS_RING_LANE_MAX  (16u << 20)

/** Message flags, 8 bits. */
#define TOROBUS_RING_F_LANE                                                                        \
    1u /**< the payload lies in the lane, the slot holds struct torobus_ring_ref */
#define TOROBUS_RING_F_ALL TOROBUS_RING_F_LANE

/** What the slot of a lane message holds in place of the payload. */
struct torobus_ring_ref {
    uint32_t pos; /**< free-running lane position, a multiple of a line */
    uint32_t len; /**< payload bytes */
};

struct torobus_ring_slot {
    _Atomic uint64_t word; /**< flags | tag << 8 | inline length << 16 | sequence << 32 */
    unsigned char payload[TOROBUS_RING_INLINE];
};
_Static_assert(sizeof(struct torobus_ring_slot) == TOROBUS_LINE, "a slot is one line");

struct torobus_ring_shm {
    /* line 0: written once by the producer, before the ring is announced */
    uint64_t magic;
    uint32_t version; /**< TOROBUS_ABI_VERSION */
    uint32_t src;     /**< producer's port */
    uint32_t dst;     /**< consumer's port */
    uint32_t nslots;
    uint32_t lane_size;
    uint32_t start; /**< index of the first message */
    uint32_t reserved0[8];
    /* line 1: written by the producer, read by the consumer when it returns credit */
    _Atomic uint32_t starving; /**< the producer waits for credit and may sleep */
    uint32_t reserved1[15];
    /* line 2: written by the consumer */
    _Atomic uint32_t head; /**< every message before this index is released */
    uint32_t reserved2[15];
    /* line 3: keeps adjacent-line prefetch of the first slot off the head */
    uint32_t reserved3[16];
    struct torobus_ring_slot slot[]; /* nslots of them, then the lane */
};
_Static_assert(offsetof(struct torobus_ring_shm, starving) == 64, "ring line 1");
_Static_assert(offsetof(struct torobus_ring_shm, head) == 128, "ring line 2");
_Static_assert(offsetof(struct torobus_ring_shm, slot) == 256, "ring slots");

/** Producer's private handle. */
struct torobus_ring_tx {
    struct torobus_ring_slot *slot;
    unsigned char *lane;
    uint32_t slot_mask, lane_mask;
    uint32_t tail;      /**< index of the next message */
    uint32_t head;      /**< last head seen */
    uint32_t lane_tail; /**< lane position of the next byte to hand out */
    uint32_t lane_head; /**< lane position up to which the consumer is done */
    uint32_t resv_pos;  /**< lane position of the reservation */
    uint32_t resv_lane; /**< 1: the reservation lies in the lane */
    uint32_t *lane_end; /**< per slot: lane position behind its message; private memory */
    struct torobus_ring_shm *shm;
};

/** Consumer's private handle. */
struct torobus_ring_rx {
    const struct torobus_ring_slot *slot;
    const unsigned char *lane;
    uint32_t slot_mask, lane_mask;
    uint32_t next;     /**< index of the next message */
    uint32_t returned; /**< head last published */
    uint32_t lane_due; /**< lane bytes released since then */
    uint32_t peeked;   /**< lane bytes of the message that is being looked at */
    struct torobus_ring_shm *shm;
};

/** A message in the ring, as the consumer sees it. */
struct torobus_ring_msg {
    const void *data; /**< valid until the release; 8-byte aligned */
    uint32_t len;
    uint8_t tag;
};

/** Bytes of shared memory that a ring takes. */
static inline uint64_t torobus_ring_size(uint32_t nslots, uint32_t lane_size)
{
    return sizeof(struct torobus_ring_shm) + (uint64_t)nslots * sizeof(struct torobus_ring_slot) +
           lane_size;
}

/** Longest payload of a ring: half the lane, so that an empty ring always takes it, skip included.
 */
static inline uint32_t torobus_ring_max_len(uint32_t lane_size)
{
    return lane_size / 2;
}

/** @return true for powers of two within the limits. */
static inline bool torobus_ring_geometry_ok(uint32_t nslots, uint32_t lane_size)
{
    return nslots >= TOROBUS_RING_SLOTS_MIN && nslots <= TOROBUS_RING_SLOTS_MAX &&
           (nslots & (nslots - 1)) == 0 && lane_size >= TOROBUS_RING_LANE_MIN &&
           lane_size <= TOROBUS_RING_LANE_MAX && (lane_size & (lane_size - 1)) == 0;
}

static inline uint64_t torobus_ring_word(uint32_t index, uint32_t len, uint8_t tag, uint8_t flags)
{
    return (uint64_t)(index + 1) << 32 | (uint64_t)len << 16 | (uint64_t)tag << 8 | flags;
}

/**
 * Lay out a ring and make the producer's handle.
 *
 * @param[out] tx      producer's handle
 * @param shm          torobus_ring_size() bytes, line aligned
 * @param lane_end     nslots words of private memory; lives as long as tx
 * @param start        index of the first message: 0, or anything in tests
 * @return TOROBUS_OK or TOROBUS_EINVAL
 *
 * Caller: the producer, before the ring's offset is announced with a store-release.
 */
static inline int torobus_ring_init(struct torobus_ring_tx *tx, struct torobus_ring_shm *shm,
                                    uint32_t *lane_end, uint32_t src, uint32_t dst, uint32_t nslots,
                                    uint32_t lane_size, uint32_t start)
{
    if (!torobus_ring_geometry_ok(nslots, lane_size) || (uintptr_t)shm % TOROBUS_LINE != 0)
        return TOROBUS_EINVAL;
    shm->version = TOROBUS_ABI_VERSION;
    shm->src = src;
    shm->dst = dst;
    shm->nslots = nslots;
    shm->lane_size = lane_size;
    shm->start = start;
    atomic_store_explicit(&shm->starving, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->head, start, memory_order_relaxed);
    /* As if the slots had been published one lap ago: no start index meets its own number. */
    for (uint32_t i = 0; i < nslots; i++)
        atomic_store_explicit(&shm->slot[(start + i) & (nslots - 1)].word,
                              torobus_ring_word(start + i - nslots, 0, 0, 0), memory_order_relaxed);
    for (uint32_t i = 0; i < nslots; i++)
        lane_end[i] = start * TOROBUS_LINE;
    shm->magic = TOROBUS_RING_MAGIC;

    *tx = (struct torobus_ring_tx){
        .slot = shm->slot,
        .lane = (unsigned char *)(shm->slot + nslots),
        .slot_mask = nslots - 1,
        .lane_mask = lane_size - 1,
        .tail = start,
        .head = start,
        .lane_tail = start * TOROBUS_LINE,
        .lane_head = start * TOROBUS_LINE,
        .lane_end = lane_end,
        .shm = shm,
    };
    return TOROBUS_OK;
}

/**
 * Make the consumer's handle for a ring that a peer announced.
 *
 * @param[out] rx  consumer's handle, written only on success
 * @param base     first byte of the mapped region
 * @param size     bytes mapped
 * @param offset   what the peer wrote into the directory
 * @param src,dst  ports that the ring must connect
 * @return TOROBUS_OK or TOROBUS_EPROTO
 *
 * Order: the caller has read offset with load-acquire (pairs with the announcing store-release).
 * Trust: offset and every field are the peer's; each is read once, checked, and kept in rx.
 */
static inline int torobus_ring_attach(struct torobus_ring_rx *rx, void *base, uint64_t size,
                                      uint64_t offset, uint32_t src, uint32_t dst)
{
    const volatile struct torobus_ring_shm *peer;
    struct torobus_ring_shm *shm;
    uint32_t nslots, lane_size, start;

    if (offset == 0 || offset % TOROBUS_LINE != 0 || offset >= size ||
        size - offset < sizeof(struct torobus_ring_shm))
        return TOROBUS_EPROTO;
    shm = (struct torobus_ring_shm *)(void *)((char *)base + offset);
    peer = shm;
    nslots = peer->nslots;
    lane_size = peer->lane_size;
    start = peer->start;
    if (peer->magic != TOROBUS_RING_MAGIC || peer->version != TOROBUS_ABI_VERSION ||
        peer->src != src || peer->dst != dst || !torobus_ring_geometry_ok(nslots, lane_size) ||
        torobus_ring_size(nslots, lane_size) > size - offset)
        return TOROBUS_EPROTO;
    *rx = (struct torobus_ring_rx){
        .slot = shm->slot,
        .lane = (const unsigned char *)(shm->slot + nslots),
        .slot_mask = nslots - 1,
        .lane_mask = lane_size - 1,
        .next = start,
        .returned = start,
        .shm = shm,
    };
    return TOROBUS_OK;
}

/* Look again at what the consumer has released. Only a slow path calls it: when the last head seen
 * says "full". */
static inline int torobus_ring_reload(struct torobus_ring_tx *tx)
{
    /* (B) pairs with the release in torobus_ring_flush: the consumer's reads are over */
    uint32_t head = atomic_load_explicit(&tx->shm->head, memory_order_acquire);

    if (head == tx->head)
        return TOROBUS_AGAIN;
    if (head - tx->head > tx->tail - tx->head)
        return TOROBUS_EPROTO;
    tx->head = head;
    tx->lane_head = tx->lane_end[(head - 1) & tx->slot_mask];
    return TOROBUS_OK;
}

/** @return true if nothing is in the ring, as far as the producer knows after looking again. */
static inline bool torobus_ring_drained(struct torobus_ring_tx *tx)
{
    (void)torobus_ring_reload(tx);
    return tx->head == tx->tail;
}

/** @return true if a slot is free by what is known without looking at the consumer's line. */
static inline bool torobus_ring_free(const struct torobus_ring_tx *tx)
{
    return tx->tail - tx->head <= tx->slot_mask;
}

/** Reserve a slot for at most TOROBUS_RING_INLINE bytes; torobus_ring_free() has said yes. */
static inline void *torobus_ring_inline(struct torobus_ring_tx *tx)
{
    tx->resv_lane = 0;
    return tx->slot[tx->tail & tx->slot_mask].payload;
}

/**
 * Find room for a message.
 *
 * @param len        payload bytes
 * @param[out] data  where to write them; nothing is visible to the consumer yet
 * @return TOROBUS_OK; TOROBUS_AGAIN when the ring is full; TOROBUS_EINVAL when len can never fit;
 *         TOROBUS_EPROTO when the consumer's head is impossible
 *
 * Caller: the producer, one at a time. A reservation that is not committed costs nothing.
 * Trust: head is the consumer's; checked to lie between the old one and tail.
 */
static inline int torobus_ring_reserve(struct torobus_ring_tx *tx, uint32_t len, void **data)
{
    const uint32_t lane_size = tx->lane_mask + 1;
    uint32_t need, pos, to_end;
    int rc;

    while (!torobus_ring_free(tx)) {
        rc = torobus_ring_reload(tx);
        if (rc != TOROBUS_OK)
            return rc;
    }
    if (len <= TOROBUS_RING_INLINE) {
        *data = torobus_ring_inline(tx);
        return TOROBUS_OK;
    }
    if (len > torobus_ring_max_len(lane_size))
        return TOROBUS_EINVAL;
    need = (len + TOROBUS_LINE - 1) & ~(TOROBUS_LINE - 1);
    pos = tx->lane_tail;
    if (((pos ^ (pos + need)) & ~(lane_size / 8 - 1)) != 0 && torobus_ring_drained(tx)) {
        /* Light traffic: begin again at the lane's start, which both caches still have, instead of
         * going through all of it. Nothing is in use, so everything before pos is free. */
        pos = (pos + tx->lane_mask) & ~tx->lane_mask;
        tx->lane_tail = pos;
        tx->lane_head = pos;
    }
    to_end = lane_size - (pos & tx->lane_mask);
    if (to_end < need)
        pos += to_end;
    while (pos + need - tx->lane_head > lane_size) {
        rc = torobus_ring_reload(tx);
        if (rc != TOROBUS_OK)
            return rc;
    }
    tx->resv_lane = 1;
    tx->resv_pos = pos;
    *data = tx->lane + (pos & tx->lane_mask);
    return TOROBUS_OK;
}

/**
 * Publish the reserved message.
 *
 * @param len  payload bytes; at most what was reserved
 *
 * Order: (A) the store-release of the slot's word; pairs with the load-acquire in
 * torobus_ring_peek. The caller then asks torobus_wake_needed().
 */
static inline void torobus_ring_commit(struct torobus_ring_tx *tx, uint32_t len, uint8_t tag)
{
    struct torobus_ring_slot *slot = &tx->slot[tx->tail & tx->slot_mask];
    uint64_t word;

    if (tx->resv_lane) {
        struct torobus_ring_ref *ref = (struct torobus_ring_ref *)(void *)slot->payload;

        ref->pos = tx->resv_pos;
        ref->len = len;
        tx->lane_tail = tx->resv_pos + ((len + TOROBUS_LINE - 1) & ~(TOROBUS_LINE - 1));
        word = torobus_ring_word(tx->tail, 0, tag, TOROBUS_RING_F_LANE);
    } else {
        word = torobus_ring_word(tx->tail, len, tag, 0);
    }
    tx->lane_end[tx->tail & tx->slot_mask] = tx->lane_tail;
    tx->tail++;
    atomic_store_explicit(&slot->word, word, memory_order_release);
}

/** @return true if a message waits. Cheaper than torobus_ring_peek when none does. */
static inline bool torobus_ring_ready(const struct torobus_ring_rx *rx)
{
    uint64_t word =
        atomic_load_explicit(&rx->slot[rx->next & rx->slot_mask].word, memory_order_acquire);

    return (uint32_t)(word >> 32) == rx->next + 1;
}

/**
 * Look at the next message without taking it.
 *
 * @param[out] msg  set on success
 * @return TOROBUS_OK, TOROBUS_AGAIN when there is none, TOROBUS_EPROTO
 *
 * Caller: the consumer, one at a time; at most one message is looked at.
 * Order: (A) load-acquire of the slot's word.
 * Trust: word and lane reference are the peer's; each is read once and checked. The payload's bytes
 * may still change under a hostile producer.
 */
static inline int torobus_ring_peek(struct torobus_ring_rx *rx, struct torobus_ring_msg *msg)
{
    const struct torobus_ring_slot *slot = &rx->slot[rx->next & rx->slot_mask];
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint32_t len = (uint32_t)(word >> 16) & 0xffff;

    if ((uint32_t)(word >> 32) != rx->next + 1)
        return TOROBUS_AGAIN;
    if ((word & 0xff) == 0) {
        if (len > TOROBUS_RING_INLINE)
            return TOROBUS_EPROTO;
        msg->data = slot->payload;
        rx->peeked = 0;
    } else if ((word & 0xff) == TOROBUS_RING_F_LANE) {
        const volatile struct torobus_ring_ref *ref =
            (const volatile struct torobus_ring_ref *)(const void *)slot->payload;
        const uint32_t pos = ref->pos & rx->lane_mask;

        len = ref->len;
        if (len > torobus_ring_max_len(rx->lane_mask + 1) || pos % TOROBUS_LINE != 0 ||
            len > rx->lane_mask + 1 - pos)
            return TOROBUS_EPROTO;
        msg->data = rx->lane + pos;
        rx->peeked = len;
    } else {
        return TOROBUS_EPROTO;
    }
    msg->len = len;
    msg->tag = (uint8_t)(word >> 8);
    return TOROBUS_OK;
}

/**
 * Give back everything that was taken.
 *
 * @return true if the producer waits for credit: raise attention at its port.
 *
 * Order: (B) store-release of head; pairs with torobus_ring_reload. (C) the fence, then the load of
 * starving; pairs with torobus_ring_starve.
 */
static inline bool torobus_ring_flush(struct torobus_ring_rx *rx)
{
    if (rx->returned == rx->next)
        return false;
    rx->returned = rx->next;
    rx->lane_due = 0;
    atomic_store_explicit(&rx->shm->head, rx->next, memory_order_seq_cst);
    return atomic_load_explicit(&rx->shm->starving, memory_order_seq_cst) != 0;
}

/**
 * Take the message that was looked at. Credit goes back when a quarter of the ring is due.
 *
 * @return as torobus_ring_flush()
 */
static inline bool torobus_ring_release(struct torobus_ring_rx *rx)
{
    rx->next++;
    rx->lane_due += rx->peeked;
    if (rx->next - rx->returned > rx->slot_mask / 4 || rx->lane_due > rx->lane_mask / 4)
        return torobus_ring_flush(rx);
    return false;
}

/**
 * The producer found the ring full and is about to sleep: ask to be woken by credit.
 *
 * @return true if credit has come meanwhile: do not sleep.
 *
 * Order: (C) store of starving, fence, load of head; pairs with torobus_ring_flush.
 */
static inline bool torobus_ring_starve(struct torobus_ring_tx *tx)
{
    atomic_store_explicit(&tx->shm->starving, 1, memory_order_seq_cst);
    return atomic_load_explicit(&tx->shm->head, memory_order_seq_cst) != tx->head;
}

/** The producer is awake again. */
static inline void torobus_ring_fed(struct torobus_ring_tx *tx)
{
    atomic_store_explicit(&tx->shm->starving, 0, memory_order_relaxed);
}

#endif
