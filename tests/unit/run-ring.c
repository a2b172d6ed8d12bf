/* SPDX-License-Identifier: BSD-3-Clause */
/* The message ring, one thread: geometry, what a hostile peer can write, index wrap with a full
 * ring, and a long random run against a plain queue. */
#include "tap.h"
#include "torobus/ring.h"
#include <string.h>

#define NSLOTS 16u
#define LANE   8192u

static _Alignas(TOROBUS_LINE) unsigned char region[1u << 16];
static uint32_t lane_end[TOROBUS_RING_SLOTS_MAX];
static const uint64_t offset = 4096;

static struct torobus_ring_shm *shm(void)
{
    return (struct torobus_ring_shm *)(void *)(region + offset);
}

static void make(struct torobus_ring_tx *tx, struct torobus_ring_rx *rx, uint32_t start)
{
    memset(region, 0, sizeof(region));
    if (torobus_ring_init(tx, shm(), lane_end, 3, 5, NSLOTS, LANE, start) != TOROBUS_OK ||
        torobus_ring_attach(rx, region, sizeof(region), offset, 3, 5) != TOROBUS_OK)
        t_bail("no ring");
}

static int put(struct torobus_ring_tx *tx, uint32_t len, uint8_t tag, unsigned char fill)
{
    void *data;
    int rc = torobus_ring_reserve(tx, len, &data);

    if (rc == TOROBUS_OK) {
        memset(data, fill, len);
        torobus_ring_commit(tx, len, tag);
    }
    return rc;
}

static bool filled(const struct torobus_ring_msg *m, uint32_t len, uint8_t tag, unsigned char fill)
{
    const unsigned char *p = m->data;

    if (m->len != len || m->tag != tag)
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (p[i] != fill)
            return false;
    return true;
}

static void test_geometry(void)
{
    static const struct {
        uint32_t nslots, lane;
        bool ok;
    } table[] = {
        {8, 4096, true},
        {4096, 16u << 20, true},
        {0, 4096, false},
        {4, 4096, false},
        {8, 0, false},
        {8, 2048, false},
        {12, 4096, false},
        {8, 4097, false},
        {8192, 4096, false},
        {8, 32u << 20, false},
        {0x80000000u, 4096, false},
        {0xffffffffu, 4096, false},
        {8, 0x80000000u, false},
        {8, 0xffffffffu, false},
        {128, 131072, true},
    };
    struct torobus_ring_tx tx;
    bool good = true;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        good &= torobus_ring_geometry_ok(table[i].nslots, table[i].lane) == table[i].ok;
    t_ok(good, "geometry: powers of two within the limits, nothing else");
    t_eq(torobus_ring_init(&tx, (struct torobus_ring_shm *)(void *)(region + 8), lane_end, 0, 1,
                           NSLOTS, LANE, 0),
         TOROBUS_EINVAL, "init refuses memory that is not line aligned");
    t_eq(torobus_ring_init(&tx, shm(), lane_end, 0, 1, 15, LANE, 0), TOROBUS_EINVAL,
         "init refuses an odd geometry");
}

/* Change one thing in a good ring; attach must refuse. */
static void test_attach(void)
{
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx, before;
    static const uint64_t offsets[] = {
        0,         1, 4096 + 8, sizeof(region), sizeof(region) - 64, UINT64_MAX, UINT64_MAX - 63,
        1ull << 63};
    bool good = true;

    make(&tx, &rx, 0);
    before = rx;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        good &=
            torobus_ring_attach(&rx, region, sizeof(region), offsets[i], 3, 5) == TOROBUS_EPROTO;
    t_ok(good, "attach: impossible offsets");

#define BREAK(stmt, name)                                                                          \
    do {                                                                                           \
        struct torobus_ring_rx r_;                                                                 \
        make(&tx, &r_, 0);                                                                         \
        stmt;                                                                                      \
        t_eq(torobus_ring_attach(&rx, region, sizeof(region), offset, 3, 5), TOROBUS_EPROTO,       \
             "attach: " name);                                                                     \
    } while (0)
    BREAK(shm()->magic ^= 1, "wrong magic");
    BREAK(shm()->version++, "other version");
    BREAK(shm()->src = 4, "ring of another sender");
    BREAK(shm()->dst = 4, "ring to another receiver");
    BREAK(shm()->nslots = 17, "slots not a power of two");
    BREAK(shm()->nslots = 0, "no slots");
    BREAK(shm()->nslots = TOROBUS_RING_SLOTS_MAX, "slots beyond the region");
    BREAK(shm()->lane_size = TOROBUS_RING_LANE_MAX, "lane beyond the region");
    BREAK(shm()->lane_size = 0x80000000u, "huge lane");
    t_ok(memcmp(&rx, &before, sizeof(rx)) == 0, "a refused attach leaves the handle alone");
}

static void test_hostile_producer(void)
{
    static const uint32_t bad_len[] = {57, 64, 0x7fff, 0xffff};
    static const struct torobus_ring_ref bad_ref[] = {
        {0, LANE / 2 + 1}, {0, UINT32_MAX}, {0, 0x80000000u}, {1, 100},
        {63, 100},         {LANE - 64, 65}, {UINT32_MAX, 64}, {UINT32_MAX - 63, 128},
    };
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    bool good = true;

    for (size_t i = 0; i < sizeof(bad_len) / sizeof(bad_len[0]); i++) {
        make(&tx, &rx, 7);
        atomic_store(&shm()->slot[7].word, torobus_ring_word(7, bad_len[i], 1, 0));
        good &= torobus_ring_peek(&rx, &m) == TOROBUS_EPROTO;
    }
    t_ok(good, "peek: inline length beyond the slot");
    good = true;
    for (unsigned flags = 2; flags < 256; flags++) {
        make(&tx, &rx, 0);
        atomic_store(&shm()->slot[0].word, torobus_ring_word(0, 8, 1, (uint8_t)flags));
        good &= torobus_ring_peek(&rx, &m) == TOROBUS_EPROTO;
    }
    t_ok(good, "peek: unknown flags");
    good = true;
    for (size_t i = 0; i < sizeof(bad_ref) / sizeof(bad_ref[0]); i++) {
        make(&tx, &rx, 0);
        memcpy(shm()->slot[0].payload, &bad_ref[i], sizeof(bad_ref[i]));
        atomic_store(&shm()->slot[0].word, torobus_ring_word(0, 0, 1, TOROBUS_RING_F_LANE));
        good &= torobus_ring_peek(&rx, &m) == TOROBUS_EPROTO;
    }
    t_ok(good, "peek: lane reference outside the lane");
    good = true;
    for (uint32_t d = 2; d != 1; d = d < 64 ? d + 1 : d * 2 + (d > 0x7fffffff)) {
        make(&tx, &rx, 0);
        atomic_store(&shm()->slot[0].word, (uint64_t)d << 32);
        good &= torobus_ring_peek(&rx, &m) == TOROBUS_AGAIN;
    }
    t_ok(good, "peek: any other sequence number is no message");
}

static void test_hostile_consumer(void)
{
    static const uint32_t starts[] = {0, 0x7ffffff8u, 0xfffffff8u};
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    bool good = true;

    for (size_t s = 0; s < 3; s++) {
        const uint32_t bad[] = {NSLOTS + 1, 0x7fffffffu, 0x80000000u, UINT32_MAX};

        for (size_t i = 0; i < 4; i++) {
            make(&tx, &rx, starts[s]);
            for (uint32_t k = 0; k < NSLOTS; k++)
                good &= put(&tx, 1, 1, 1) == TOROBUS_OK;
            atomic_store(&shm()->head, starts[s] + bad[i]);
            good &= put(&tx, 1, 1, 1) == TOROBUS_EPROTO;
        }
    }
    t_ok(good, "reserve: a head before the old one or behind the tail");
}

static void test_lengths(void)
{
    static const uint32_t lens[] = {0, 1, 13, 14, 55, 56, 57, 63, 64, 65, 4095, LANE / 2};
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    void *data;
    bool good = true, aligned = true;

    make(&tx, &rx, 0);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        good &= put(&tx, lens[i], (uint8_t)i, (unsigned char)(i + 1)) == TOROBUS_OK;
        good &= torobus_ring_ready(&rx) && torobus_ring_peek(&rx, &m) == TOROBUS_OK &&
                filled(&m, lens[i], (uint8_t)i, (unsigned char)(i + 1));
        aligned &= (uintptr_t)m.data % 8 == 0;
        torobus_ring_release(&rx);
        torobus_ring_flush(&rx);
    }
    t_ok(good, "every length arrives as it was sent");
    t_ok(aligned, "payload is 8-byte aligned");
    t_ok(!torobus_ring_ready(&rx) && torobus_ring_peek(&rx, &m) == TOROBUS_AGAIN, "then empty");
    t_eq(torobus_ring_reserve(&tx, LANE / 2 + 1, &data), TOROBUS_EINVAL,
         "more than half the lane can never go");
    t_eq(torobus_ring_reserve(&tx, UINT32_MAX, &data), TOROBUS_EINVAL, "nor can 4 GiB");
    t_ok(torobus_ring_reserve(&tx, 4000, &data) == TOROBUS_OK && !torobus_ring_ready(&rx),
         "a reservation is not visible");
    torobus_ring_commit(&tx, 100, 9);
    t_ok(torobus_ring_peek(&rx, &m) == TOROBUS_OK && m.len == 100 && m.tag == 9,
         "commit of less than was reserved");
}

/* From every start near a power that matters: fill to the brim, one more fails, drain, repeat. */
static void test_full(void)
{
    static const uint32_t starts[] = {0,           0xfff0u,     0xfffdu,     0x7ffffff0u,
                                      0x7ffffffdu, 0xfffffff0u, 0xfffffffdu, 0xffffffffu};
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    bool fill = true, order = true, empty = true;

    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        make(&tx, &rx, starts[s]);
        empty &= !torobus_ring_ready(&rx);
        for (unsigned round = 0; round < 5; round++) {
            for (unsigned i = 0; i < NSLOTS; i++)
                fill &= put(&tx, 40 + i, (uint8_t)i, (unsigned char)(round + i)) == TOROBUS_OK;
            fill &= put(&tx, 1, 0, 0) == TOROBUS_AGAIN;
            for (unsigned i = 0; i < NSLOTS; i++) {
                order &= torobus_ring_peek(&rx, &m) == TOROBUS_OK &&
                         filled(&m, 40 + i, (uint8_t)i, (unsigned char)(round + i));
                torobus_ring_release(&rx);
            }
            empty &= !torobus_ring_ready(&rx);
            torobus_ring_flush(&rx);
            empty &= torobus_ring_drained(&tx);
        }
    }
    t_ok(empty, "a fresh or drained ring is empty, whatever the start index");
    t_ok(fill, "exactly as many messages fit as there are slots, past 2^16, 2^31 and 2^32");
    t_ok(order, "and they come out in order and whole");
}

/* Random traffic against a queue, more than 2^17 messages, the ring full most of the time. */
static void test_random(uint32_t start)
{
    enum { QUEUE = 64 };
    static struct {
        uint32_t len;
        uint8_t tag;
        unsigned char fill;
    } queue[QUEUE];
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    uint32_t in = 0, out = 0, full = 0, seed = 12345;
    bool good = true;

    make(&tx, &rx, start);
    while (out < 140000 && good) {
        seed = seed * 1664525 + 1013904223;
        if ((seed >> 24) % 3 != 0) {
            uint32_t len = (seed >> 8) % 4 != 0 ? (seed >> 10) % 57 : (seed >> 10) % (LANE / 2 + 1);
            int rc = put(&tx, len, (uint8_t)in, (unsigned char)(in * 7));

            good &= rc == TOROBUS_OK || rc == TOROBUS_AGAIN;
            good &= rc != TOROBUS_OK || in - out < NSLOTS;
            if (rc == TOROBUS_OK) {
                queue[in % QUEUE].len = len;
                queue[in % QUEUE].tag = (uint8_t)in;
                queue[in % QUEUE].fill = (unsigned char)(in * 7);
                in++;
            } else {
                full++;
            }
        } else if (torobus_ring_peek(&rx, &m) == TOROBUS_OK) {
            good &= in != out && filled(&m, queue[out % QUEUE].len, queue[out % QUEUE].tag,
                                        queue[out % QUEUE].fill);
            torobus_ring_release(&rx);
            out++;
        } else {
            good &= in == out;
            torobus_ring_flush(&rx);
        }
    }
    t_ok(good && full > 10000, "random traffic from index 0x%x: %u messages, %u times full", start,
         out, full);
}

/* One message at a time: the lane's first part is used over and over. */
static void test_light(void)
{
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    uint32_t seen = 0;
    bool good = true;

    make(&tx, &rx, 0xfffffff0u);
    for (unsigned i = 0; i < 1000; i++) {
        const uint32_t len = 57 + i % 500;
        uint32_t offset_in_lane;

        good &= put(&tx, len, 1, (unsigned char)i) == TOROBUS_OK;
        good &= torobus_ring_peek(&rx, &m) == TOROBUS_OK && filled(&m, len, 1, (unsigned char)i);
        offset_in_lane = (uint32_t)((const unsigned char *)m.data - rx.lane);
        if (i >= 20 && offset_in_lane + len > seen)
            seen = offset_in_lane + len;
        torobus_ring_release(&rx);
        torobus_ring_flush(&rx);
    }
    t_ok(good, "one lane message at a time");
    t_ok(seen <= LANE / 8 + 576, "touches little of the lane (%u of %u bytes)", seen, LANE);
}

static void test_credit(void)
{
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    unsigned n = 0;

    make(&tx, &rx, 0);
    for (unsigned i = 0; i < NSLOTS; i++)
        put(&tx, 8, 0, 0);
    t_ok(!torobus_ring_starve(&tx), "starve: no credit, the producer may sleep");
    while (n < NSLOTS && torobus_ring_peek(&rx, &m) == TOROBUS_OK) {
        n++;
        if (torobus_ring_release(&rx))
            break;
    }
    t_ok(n <= NSLOTS / 4 + 1, "release: a starving producer hears after a quarter (%u)", n);
    t_ok(torobus_ring_starve(&tx), "starve: credit has come, do not sleep");
    torobus_ring_fed(&tx);
    t_eq(put(&tx, 8, 0, 0), TOROBUS_OK, "there is room again");
    t_ok(torobus_ring_peek(&rx, &m) == TOROBUS_OK && !torobus_ring_release(&rx) &&
             !torobus_ring_flush(&rx),
         "flush: nobody starves");
}

int main(void)
{
    test_geometry();
    test_attach();
    test_hostile_producer();
    test_hostile_consumer();
    test_lengths();
    test_full();
    test_random(0);
    test_random(0xffff8000u);
    test_random(0x7fff8000u);
    test_light();
    test_credit();
    return t_done();
}
