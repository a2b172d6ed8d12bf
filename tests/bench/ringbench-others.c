/* SPDX-License-Identifier: BSD-3-Clause */
/* ringbench: what others do. A lane that mixes headers and payload, a split virtqueue, a fast box.
 */
#include "ringbench.h"

/* ---- single lane: headers and payload in one lane of lines ----
 * A header may come to lie where payload was, so the sender zeroes the next header before it
 * publishes this one. Credit as in ours: the reader's position, written now and then. */

struct single {
    uint32_t tail, head_seen; /* sender */
    _Alignas(128) uint32_t next, returned;
    _Alignas(128) _Atomic uint32_t head;
    _Alignas(4096) unsigned char lane[RB_LANE];
};

static void single_lane_init(void *area)
{
    memset(area, 0, sizeof(struct single));
}

static inline _Atomic uint64_t *single_word(struct single *s, uint32_t pos)
{
    return (_Atomic uint64_t *)(void *)&s->lane[pos & (RB_LANE - 1)];
}

static inline bool single_lane_send(void *area, const void *user, uint32_t len)
{
    struct single *s = area;
    const uint32_t need = (len + 8 + 63) & ~63u;
    const uint32_t to_end = RB_LANE - (s->tail & (RB_LANE - 1));
    const uint32_t skip = to_end < need ? to_end : 0;

    /* Room for the skip, the message and the zero header behind it. */
    if (s->tail + skip + need + 64 - s->head_seen > RB_LANE) {
        s->head_seen = atomic_load_explicit(&s->head, memory_order_acquire);
        if (s->tail + skip + need + 64 - s->head_seen > RB_LANE)
            return false;
    }
    if (skip != 0) {
        atomic_store_explicit(single_word(s, s->tail + skip), 0, memory_order_relaxed);
        atomic_store_explicit(single_word(s, s->tail), ~0ull, memory_order_release);
        s->tail += skip;
    }
    rb_fill(&s->lane[(s->tail & (RB_LANE - 1)) + 8], user, len);
    atomic_store_explicit(single_word(s, s->tail + need), 0, memory_order_relaxed);
    atomic_store_explicit(single_word(s, s->tail), (uint64_t)len << 32 | 7, memory_order_release);
    s->tail += need;
    torobus_fence();
    return true;
}

static inline bool single_lane_recv(void *area, void *user, uint32_t len)
{
    struct single *s = area;
    uint64_t word = atomic_load_explicit(single_word(s, s->next), memory_order_acquire);

    if (word == ~0ull) {
        s->next += RB_LANE - (s->next & (RB_LANE - 1));
        word = atomic_load_explicit(single_word(s, s->next), memory_order_acquire);
    }
    if (word == 0)
        return false;
    rb_fill(user, &s->lane[(s->next & (RB_LANE - 1)) + 8], len);
    s->next += ((uint32_t)(word >> 32) + 8 + 63) & ~63u;
    if (s->next - s->returned > RB_LANE / 4) {
        s->returned = s->next;
        atomic_store_explicit(&s->head, s->next, memory_order_release);
    }
    return true;
}

LAYOUT(single_lane, "single lane, zeroed", 16384, true)

/* ---- split virtqueue: the receiver posts buffers in the available ring, the sender fills one and
 * puts it into the used ring ---- */

#define VQ_BUF 4096u

struct virtq {
    struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next;
    } desc[RB_SLOTS];
    struct {
        uint16_t flags;
        _Atomic uint16_t idx;
        uint16_t ring[RB_SLOTS];
    } avail;
    _Alignas(4096) struct {
        uint16_t flags;
        _Atomic uint16_t idx;
        struct {
            uint32_t id, len;
        } ring[RB_SLOTS];
    } used;
    _Alignas(128) uint16_t avail_seen;
    _Alignas(128) uint16_t used_seen;
    _Alignas(4096) unsigned char buffer[RB_SLOTS][VQ_BUF];
};

static void split_ring_init(void *area)
{
    struct virtq *v = area;

    memset(area, 0, offsetof(struct virtq, buffer));
    for (uint32_t i = 0; i < RB_SLOTS; i++) {
        v->desc[i].addr = (uintptr_t)v->buffer[i];
        v->desc[i].len = VQ_BUF;
        v->avail.ring[i] = (uint16_t)i;
    }
    atomic_store(&v->avail.idx, RB_SLOTS);
}

static inline bool split_ring_send(void *area, const void *user, uint32_t len)
{
    struct virtq *v = area;
    const uint16_t used = atomic_load_explicit(&v->used.idx, memory_order_relaxed);
    uint16_t id;

    if (atomic_load_explicit(&v->avail.idx, memory_order_acquire) == v->avail_seen)
        return false;
    id = v->avail.ring[v->avail_seen++ % RB_SLOTS];
    rb_fill((void *)(uintptr_t)v->desc[id].addr, user, len);
    v->used.ring[used % RB_SLOTS].id = id;
    v->used.ring[used % RB_SLOTS].len = len;
    atomic_store_explicit(&v->used.idx, (uint16_t)(used + 1), memory_order_release);
    torobus_fence(); /* before it looks at the flags: does the other side want an interrupt? */
    return v->avail.flags == 0;
}

static inline bool split_ring_recv(void *area, void *user, uint32_t len)
{
    struct virtq *v = area;
    const uint16_t avail = atomic_load_explicit(&v->avail.idx, memory_order_relaxed);
    uint16_t id;

    if (atomic_load_explicit(&v->used.idx, memory_order_acquire) == v->used_seen)
        return false;
    id = (uint16_t)v->used.ring[v->used_seen++ % RB_SLOTS].id;
    rb_fill(user, (const void *)(uintptr_t)v->desc[id].addr, len);
    v->avail.ring[avail % RB_SLOTS] = id;
    atomic_store_explicit(&v->avail.idx, (uint16_t)(avail + 1), memory_order_release);
    return true;
}

LAYOUT(split_ring, "split virtqueue", 4096, true)

/* ---- fast box: 4 KiB, header word of size, tag and sequence in front of each payload, 32-byte
 * units, the next header zeroed, the reader's position returned after each sweep ---- */

#define FB_SIZE 4096u

struct fastbox {
    uint32_t tail, head_seen, seq;
    _Alignas(128) uint32_t next, returned, expect;
    _Alignas(128) _Atomic uint32_t head;
    _Alignas(4096) unsigned char box[FB_SIZE];
};

static void fastbox_init(void *area)
{
    memset(area, 0, sizeof(struct fastbox));
}

static inline _Atomic uint64_t *fastbox_word(struct fastbox *f, uint32_t pos)
{
    return (_Atomic uint64_t *)(void *)&f->box[pos & (FB_SIZE - 1)];
}

static inline bool fastbox_send(void *area, const void *user, uint32_t len)
{
    struct fastbox *f = area;
    const uint32_t need = (len + 8 + 31) & ~31u;
    const uint32_t to_end = FB_SIZE - (f->tail & (FB_SIZE - 1));
    const uint32_t skip = to_end < need ? to_end : 0;

    if (f->tail + skip + need + 32 - f->head_seen > FB_SIZE) {
        f->head_seen = atomic_load_explicit(&f->head, memory_order_acquire);
        if (f->tail + skip + need + 32 - f->head_seen > FB_SIZE)
            return false;
    }
    if (skip != 0) {
        atomic_store_explicit(fastbox_word(f, f->tail + skip), 0, memory_order_relaxed);
        atomic_store_explicit(fastbox_word(f, f->tail), ~0ull, memory_order_release);
        f->tail += skip;
    }
    rb_fill(&f->box[(f->tail & (FB_SIZE - 1)) + 8], user, len);
    atomic_store_explicit(fastbox_word(f, f->tail + need), 0, memory_order_relaxed);
    atomic_store_explicit(fastbox_word(f, f->tail),
                          (uint64_t)len << 32 | 7u << 16 | (++f->seq & 0xffff),
                          memory_order_release);
    f->tail += need;
    return true;
}

static inline bool fastbox_recv(void *area, void *user, uint32_t len)
{
    struct fastbox *f = area;
    uint64_t word = atomic_load_explicit(fastbox_word(f, f->next), memory_order_acquire);

    if (word == ~0ull) {
        f->next += FB_SIZE - (f->next & (FB_SIZE - 1));
        word = atomic_load_explicit(fastbox_word(f, f->next), memory_order_acquire);
    }
    if (word == 0) {
        if (f->returned != f->next) {
            f->returned = f->next;
            atomic_store_explicit(&f->head, f->next, memory_order_release);
        }
        return false;
    }
    rb_fill(user, &f->box[(f->next & (FB_SIZE - 1)) + 8], len);
    f->next += ((uint32_t)(word >> 32) + 8 + 31) & ~31u;
    return true;
}

LAYOUT(fastbox, "fast box (no wake-up)", 1024, true)
