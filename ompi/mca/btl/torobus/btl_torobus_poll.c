/* SPDX-License-Identifier: BSD-3-Clause */
/* The receiving half: which rings are hot, taking messages out of them, going to sleep. Everything
 * here is called under the progress guard. */
#include "opal_config.h"

#include <stdlib.h>

#include "btl_torobus_bus.h"

#define bus mca_btl_torobus_bus

/* Credit goes back to the producer after so many empty polls of a ring. There is no hurry: of a
 * ring that is empty, no more than a quarter is due. */
#define FLUSH_POLLS 64

/* A long hot list costs every poll: the longer it is, the sooner a silent ring leaves it. */
static void set_nhot(uint32_t n)
{
    bus.nhot = n;
    bus.limit = mca_btl_torobus_component.hot_polls / (n < 4 ? 1 : n / 2);
}

static void rx_fail(mca_btl_torobus_rx_t *rx, const char *what)
{
    rx->failed = true;
    mca_btl_torobus_port_fail(rx->peer, what);
}

/* The peer's ring as the directory has it now. NULL: none, or one that is not to be used. */
static mca_btl_torobus_rx_t *rx_find(uint32_t peer)
{
    mca_btl_torobus_rx_t *rx = bus.rx[peer];
    const uint64_t offset = atomic_load_explicit(&bus.self->ring[peer], memory_order_acquire);
    uint32_t epoch;

    if (0 == offset) {
        return NULL;
    }
    if (NULL == rx) {
        rx = calloc(1, sizeof(*rx));
        if (NULL == rx) {
            mca_btl_torobus_port_fail(peer, "cannot be listened to: out of memory");
            return NULL;
        }
        rx->peer = peer;
        rx->module = bus.platform->private_memory || mca_btl_torobus_bus_is_native(peer)
                         ? &mca_btl_torobus_private
                         : &mca_btl_torobus;
        bus.rx[peer] = rx;
    }
    /* The port's next owner may have made its ring at the same place. */
    epoch = atomic_load_explicit(&torobus_port_at(bus.base, &bus.sb, peer)->epoch,
                                 memory_order_relaxed);
    if (rx->offset != offset || rx->epoch != epoch) {
        if (TOROBUS_OK !=
            torobus_ring_attach(&rx->ring, bus.base, bus.sb.region_size, offset, peer, bus.port)) {
            rx_fail(rx, "announced a ring that does not make sense");
            return NULL;
        }
        rx->offset = offset;
        rx->epoch = epoch;
        rx->failed = false;
    }
    return rx->failed ? NULL : rx;
}

/* Some bits are new: their rings become hot. A bit without a ring is a credit notice or a nudge,
 * its purpose fulfilled by waking us. */
static void collect(void)
{
    uint64_t summary = torobus_wake_take(bus.self);

    while (0 != summary) {
        const uint32_t word = (uint32_t)__builtin_ctzll(summary);
        uint64_t bits = torobus_wake_bits(bus.self, word);

        summary &= summary - 1;
        for (; 0 != bits; bits &= bits - 1) {
            const uint32_t peer = word * 64 + (uint32_t)__builtin_ctzll(bits);
            mca_btl_torobus_rx_t *rx = bus.rx[peer];

            if (NULL != rx && rx->hot) {
                continue;
            }
            if (peer >= bus.sb.nports || NULL == (rx = rx_find(peer))) {
                torobus_wake_drop(bus.self, peer);
                if (peer >= bus.sb.nports || NULL == (rx = rx_find(peer))) {
                    continue;
                }
                torobus_wake_keep(bus.self, peer);
            }
            rx->hot = true;
            rx->idle = 0;
            bus.hot[bus.nhot] = rx;
            set_nhot(bus.nhot + 1);
        }
    }
}

/* Return credit; wake the producer if that is what it sleeps for. */
static void credit(mca_btl_torobus_rx_t *rx, bool starving)
{
    struct torobus_port *port;

    if (OPAL_UNLIKELY(starving)) {
        port = torobus_port_at(bus.base, &bus.sb, rx->peer);
        if (torobus_wake_raise(port, bus.port)) {
            mca_btl_torobus_bus_kick(rx->peer);
        }
    }
}

/* Deliver what is in one ring, within the budget. */
static int drain(mca_btl_torobus_rx_t *rx)
{
    const int budget = (int)mca_btl_torobus_component.poll_budget;
    struct torobus_ring_msg msg;
    uint64_t bytes = 0;
    int n, rc = TOROBUS_OK;

    for (n = 0; n < budget; n++) {
        rc = torobus_ring_peek(&rx->ring, &msg);
        if (TOROBUS_OK != rc ||
            !mca_btl_torobus_deliver(rx->module, msg.tag, (void *)msg.data, msg.len)) {
            break;
        }
        bytes += msg.len;
        credit(rx, torobus_ring_release(&rx->ring));
    }
    if (OPAL_UNLIKELY(TOROBUS_EPROTO == rc)) {
        rx_fail(rx, "sent a message that does not make sense");
    }
    if (0 != n) {
        mca_btl_torobus_bus_count(&bus.self->stats.msgs_recv, (uint64_t)n);
        mca_btl_torobus_bus_count(&bus.self->stats.bytes_recv, bytes);
    }
    return n;
}

/* Stop polling a ring. @return false if it has to stay. */
static bool demote(mca_btl_torobus_rx_t *rx)
{
    credit(rx, torobus_ring_flush(&rx->ring));
    torobus_wake_drop(bus.self, rx->peer);
    if (!rx->failed && torobus_ring_ready(&rx->ring)) {
        torobus_wake_keep(bus.self, rx->peer);
        rx->idle = 0;
        return false;
    }
    rx->hot = false;
    return true;
}

/* A hot ring was found empty so many times. @return false if it is no longer hot. */
static bool silent(mca_btl_torobus_rx_t *rx, uint32_t polls)
{
    rx->idle += polls;
    if (FLUSH_POLLS > rx->idle) {
        return true;
    }
    credit(rx, torobus_ring_flush(&rx->ring));
    return rx->idle <= bus.limit || !demote(rx);
}

int mca_btl_torobus_bus_poll(void)
{
    int events = 0;

    if (torobus_wake_any(bus.self)) {
        collect();
    }
    for (uint32_t i = 0; i < bus.nhot;) {
        mca_btl_torobus_rx_t *rx = bus.hot[i];

        if (torobus_ring_ready(&rx->ring) && OPAL_LIKELY(!rx->failed)) {
            events += drain(rx);
            rx->idle = 0;
        } else if (!silent(rx, 1)) {
            bus.hot[i] = bus.hot[bus.nhot - 1];
            set_nhot(bus.nhot - 1);
            continue;
        }
        i++;
    }
    return events;
}

void mca_btl_torobus_bus_idle(uint32_t polls)
{
    for (uint32_t i = 0; i < bus.nhot;) {
        if (silent(bus.hot[i], polls)) {
            i++;
        } else {
            bus.hot[i] = bus.hot[bus.nhot - 1];
            set_nhot(bus.nhot - 1);
        }
    }
}

bool mca_btl_torobus_bus_sleep(uint64_t ns)
{
    while (0 != bus.nhot) {
        if (!demote(bus.hot[bus.nhot - 1])) {
            return false;
        }
        set_nhot(bus.nhot - 1);
    }
    if (torobus_wake_any(bus.self)) {
        return false;
    }
    bus.platform->wait(ns);
    return true;
}
