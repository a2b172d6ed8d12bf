/* SPDX-License-Identifier: BSD-3-Clause */
/* ringbench: the floor (one line that goes back and forth, no ring), and our ring with and without
 * the sender's fence and look at the attention word. */
#include "ringbench.h"

unsigned char rb_user[2][1u << 14];

/* ---- no ring ---- */

struct line {
    _Atomic uint64_t seq;
    unsigned char data[56];
    _Alignas(64) uint64_t sent;
    _Alignas(64) uint64_t seen;
};

static void line_init(void *area)
{
    memset(area, 0, sizeof(struct line));
}

static inline bool line_send(void *area, const void *user, uint32_t len)
{
    struct line *l = area;

    memcpy(l->data, user, len);
    atomic_store_explicit(&l->seq, ++l->sent, memory_order_release);
    return true;
}

static inline bool line_recv(void *area, void *user, uint32_t len)
{
    struct line *l = area;

    if (atomic_load_explicit(&l->seq, memory_order_acquire) == l->seen)
        return false;
    l->seen++;
    memcpy(user, l->data, len);
    return true;
}

LAYOUT(line, "no ring", 56, false)

/* ---- ours ---- */

struct ours {
    struct torobus_ring_tx tx;
    _Alignas(128) struct torobus_ring_rx rx;
    _Alignas(128) uint32_t lane_end[RB_SLOTS];
    _Alignas(128) struct torobus_port port;
    _Alignas(4096) unsigned char ring[];
};

static void torobus_init(void *area)
{
    struct ours *o = area;

    torobus_ring_init(&o->tx, (struct torobus_ring_shm *)(void *)o->ring, o->lane_end, 1, 2,
                      RB_SLOTS, RB_LANE, 0);
    torobus_ring_attach(&o->rx, area, 1u << 20, offsetof(struct ours, ring), 1, 2);
    memset(&o->port, 0, sizeof(o->port));
    torobus_wake_keep(&o->port, 1); /* the ring is hot */
}

static inline bool ours_send(struct ours *o, const void *user, uint32_t len)
{
    void *data;

    if (torobus_ring_reserve(&o->tx, len, &data) != TOROBUS_OK)
        return false;
    rb_fill(data, user, len);
    torobus_ring_commit(&o->tx, len, 7);
    return true;
}

static inline bool torobus_send(void *area, const void *user, uint32_t len)
{
    struct ours *o = area;

    if (!ours_send(o, user, len))
        return false;
    (void)torobus_wake_sent(&o->port, 1);
    return true;
}

static inline bool torobus_recv(void *area, void *user, uint32_t len)
{
    struct ours *o = area;
    struct torobus_ring_msg m;

    if (torobus_ring_peek(&o->rx, &m) != TOROBUS_OK)
        return false;
    rb_fill(user, m.data, len);
    (void)torobus_ring_release(&o->rx);
    return true;
}

LAYOUT(torobus, "torobus", 16384, true)

#define nofence_init torobus_init
#define nofence_recv torobus_recv
static inline bool nofence_send(void *area, const void *user, uint32_t len)
{
    return ours_send(area, user, len);
}

LAYOUT(nofence, "torobus, unsafe no fence", 16384, true)
