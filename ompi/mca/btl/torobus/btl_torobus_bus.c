/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus: being on it, the peers' ports, and the sending half with its slow paths. */
#include "opal_config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "btl_torobus_bus.h"

mca_btl_torobus_bus_t mca_btl_torobus_bus;

#define bus mca_btl_torobus_bus

/* ---- attach ---- */

bool mca_btl_torobus_bus_is_native(uint32_t port)
{
    return 0 != torobus_slice_at(bus.base, &bus.sb, port / bus.sb.ports_per_guest)->native;
}

static uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int mca_btl_torobus_bus_open(mca_btl_torobus_bus_info_t *info, const char **why)
{
    static const mca_btl_torobus_platform_t *const platforms[] = {
        &mca_btl_torobus_dev, &mca_btl_torobus_keeper, &mca_btl_torobus_native};
    struct torobus_dev_info dev;
    int rc = OPAL_ERR_NOT_AVAILABLE;

    for (size_t i = 0; i < 3 && OPAL_ERR_NOT_AVAILABLE == rc; i++) {
        bus.platform = platforms[i];
        rc = bus.platform->attach(&dev, why);
    }
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    /* A copy is checked and used; the mapped one may change. */
    bus.base = (char *)(uintptr_t)dev.region_va;
    memcpy(&bus.sb, bus.base, sizeof(bus.sb));
    if (TOROBUS_ABI_VERSION != dev.version || !torobus_superblock_ok(&bus.sb, dev.region_size) ||
        dev.port >= bus.sb.nports) {
        *why = "the region's superblock does not make sense";
        bus.platform->detach();
        return OPAL_ERROR;
    }
    bus.port = dev.port;
    bus.opened_ns = clock_ns();
    bus.opened_ticks = mca_btl_torobus_bus_ticks();
    bus.self = torobus_port_at(bus.base, &bus.sb, bus.port);
    bus.self->owner_rank = OPAL_PROC_MY_NAME.vpid;

    *info = (mca_btl_torobus_bus_info_t){
        .self = {.version = TOROBUS_ABI_VERSION,
                 .port = bus.port,
                 .epoch = atomic_load_explicit(&bus.self->epoch, memory_order_relaxed),
                 .guest = dev.guest,
                 .private_memory = bus.platform->private_memory,
                 .pid = (uint32_t)getpid()},
        .nports = bus.sb.nports,
        .spin_ns = dev.spin_ns,
        .can_sleep = 0 != dev.can_sleep,
    };
    memcpy(info->self.uuid, bus.sb.uuid, sizeof(info->self.uuid));
    return OPAL_SUCCESS;
}

void mca_btl_torobus_bus_close(void)
{
    atomic_store_explicit(&bus.self->closed_epoch,
                          atomic_load_explicit(&bus.self->epoch, memory_order_relaxed),
                          memory_order_release);
    for (uint32_t i = 0; i < TOROBUS_MAX_PORTS; i++) {
        free(bus.rx[i]);
        bus.rx[i] = NULL;
    }
    bus.nhot = 0;
    bus.platform->detach();
}

mca_btl_torobus_peer_state_t mca_btl_torobus_bus_peer(const mca_btl_torobus_modex_t *peer)
{
    struct torobus_port *port = torobus_port_at(bus.base, &bus.sb, peer->port);
    const uint32_t guest = peer->port / bus.sb.ports_per_guest;
    const uint32_t slice = atomic_load_explicit(&torobus_slice_at(bus.base, &bus.sb, guest)->state,
                                                memory_order_relaxed);
    const uint32_t state = atomic_load_explicit(&port->state, memory_order_acquire);

    if (TOROBUS_PORT_OPEN == state && TOROBUS_SLICE_DEAD != slice &&
        atomic_load_explicit(&port->epoch, memory_order_relaxed) == peer->epoch) {
        return MCA_BTL_TOROBUS_PEER_ALIVE;
    }
    /* Epochs only grow, so one that left later left no earlier one behind in disorder that we
     * could still do anything about. */
    if ((int32_t)(atomic_load_explicit(&port->closed_epoch, memory_order_acquire) - peer->epoch) >=
        0) {
        return MCA_BTL_TOROBUS_PEER_LEFT;
    }
    return MCA_BTL_TOROBUS_PEER_DEAD;
}

/* ---- sending ---- */

mca_btl_torobus_tx_t *mca_btl_torobus_bus_connect(const mca_btl_torobus_modex_t *peer)
{
    mca_btl_torobus_tx_t *tx = calloc(1, sizeof(*tx));

    if (NULL != tx) {
        tx->port = torobus_port_at(bus.base, &bus.sb, peer->port);
        tx->peer = peer->port;
        /* No ring yet: it looks full, which leads to the slow path. */
        tx->ring.tail = 1;
    }
    return tx;
}

void mca_btl_torobus_bus_disconnect(mca_btl_torobus_tx_t *tx)
{
    free(tx->ring.lane_end);
    free(tx);
}

/*
 * Where in its memory the ring of a pair begins, in pages. Ranks run the same program in equally
 * large pools, so that the rings of both directions would have the same place in them, and such
 * pages collide in the translation table of an emulated CPU (btl_torobus_copy.c) at every message.
 * Only pages that are touched cost memory.
 */
static size_t colour(uint32_t src, uint32_t dst)
{
    return bus.platform->private_memory ? 0 : (src * 29 + dst * 7) % 64 * 4096;
}

/* First contact: make the ring and announce it. */
static int tx_create(mca_btl_torobus_tx_t *tx)
{
    const uint32_t nslots = mca_btl_torobus_component.ring_slots;
    const uint32_t lane = mca_btl_torobus_component.lane_size;
    const size_t offset = colour(bus.port, tx->peer);
    const uint64_t size = torobus_ring_size(nslots, lane) + offset;
    uint32_t *lane_end = malloc(nslots * sizeof(*lane_end));
    char *shm = bus.platform->alloc(size);
    /* Far from where the last owner of this port began: a peer that still looks at that one's ring
     * takes nothing here for its next message. */
    const uint32_t start =
        atomic_load_explicit(&bus.self->epoch, memory_order_relaxed) * 2654435769u;
    struct torobus_ring_tx ring;

    if (NULL == lane_end || NULL == shm || shm < bus.base ||
        (uint64_t)(shm - bus.base) > bus.sb.region_size - size ||
        TOROBUS_OK != torobus_ring_init(&ring, (struct torobus_ring_shm *)(void *)(shm + offset),
                                        lane_end, bus.port, tx->peer, nslots, lane, start)) {
        free(lane_end);
        return OPAL_ERR_UNREACH;
    }
    tx->ring = ring;
    /* Pairs with the load-acquire in rx_find(): the ring is laid out before it can be found. */
    atomic_store_explicit(&tx->port->ring[bus.port], (uint64_t)(shm - bus.base) + offset,
                          memory_order_release);
    return OPAL_SUCCESS;
}

int mca_btl_torobus_bus_reserve_slow(mca_btl_torobus_tx_t *tx, size_t len, void **data)
{
    int rc;

    if (OPAL_UNLIKELY(NULL == tx->ring.shm)) {
        rc = tx_create(tx);
        if (OPAL_SUCCESS != rc) {
            return rc;
        }
    }
    if (OPAL_UNLIKELY(len > torobus_ring_max_len(mca_btl_torobus_component.lane_size))) {
        return OPAL_ERR_BAD_PARAM;
    }
    rc = torobus_ring_reserve(&tx->ring, (uint32_t)len, data);
    if (OPAL_LIKELY(TOROBUS_OK == rc)) {
        if (OPAL_UNLIKELY(tx->starving)) {
            tx->starving = false;
            torobus_ring_fed(&tx->ring);
        }
        return OPAL_SUCCESS;
    }
    if (TOROBUS_AGAIN == rc) {
        mca_btl_torobus_bus_count(&bus.self->stats.ring_full, 1);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    return OPAL_ERR_UNREACH;
}

void mca_btl_torobus_bus_kick(uint32_t port)
{
    bus.platform->kick(port);
}

bool mca_btl_torobus_bus_starve(mca_btl_torobus_tx_t *tx)
{
    if (NULL == tx->ring.shm) {
        return true;
    }
    tx->starving = true;
    return torobus_ring_starve(&tx->ring);
}

void mca_btl_torobus_bus_nudge(const mca_btl_torobus_modex_t *peer)
{
    struct torobus_port *port = torobus_port_at(bus.base, &bus.sb, peer->port);

    /* A hint: whoever waits for memory looks again by itself, only later. */
    if (0 != atomic_load_explicit(&port->sleeping, memory_order_relaxed) &&
        torobus_wake_raise(port, bus.port)) {
        mca_btl_torobus_bus_kick(peer->port);
    }
}

void mca_btl_torobus_bus_wake_self(void)
{
    /* The bit is set in any case: a sleeper that has not said so yet finds it. */
    if (torobus_wake_raise(bus.self, bus.port)) {
        mca_btl_torobus_bus_kick(bus.port);
    }
}

/* ---- odds and ends ---- */

void mca_btl_torobus_bus_node(uint32_t port, char name[48])
{
    const uint32_t guest = port / bus.sb.ports_per_guest;
    const struct torobus_slice_hdr *slice = torobus_slice_at(bus.base, &bus.sb, guest);
    size_t n = 0;

    for (; n < sizeof(slice->name) && '\0' != slice->name[n]; n++) {
        const char c = slice->name[n];

        name[n] = ' ' < c && c <= '~' && '%' != c ? c : '_';
    }
    name[n] = '\0';
}

bool mca_btl_torobus_bus_reaches(uint64_t address, size_t size)
{
    const uint64_t offset = address - (uint64_t)(uintptr_t)bus.base;

    return offset < bus.sb.region_size && size <= bus.sb.region_size - offset;
}

/* How fast the ticks of mca_btl_torobus_bus_ticks() are: from the time since the bus was opened. */
double mca_btl_torobus_bus_tick_rate(void)
{
    const uint64_t ns = clock_ns() - bus.opened_ns;

    return 1000000 > ns ? 0 : (double)(mca_btl_torobus_bus_ticks() - bus.opened_ticks) / (double)ns;
}

void mca_btl_torobus_bus_count_put(size_t size)
{
    mca_btl_torobus_active();
    mca_btl_torobus_bus_count(&bus.self->stats.puts, 1);
    mca_btl_torobus_bus_count(&bus.self->stats.rdma_bytes, size);
}

void mca_btl_torobus_bus_count_get(size_t size)
{
    mca_btl_torobus_active();
    mca_btl_torobus_bus_count(&bus.self->stats.gets, 1);
    mca_btl_torobus_bus_count(&bus.self->stats.rdma_bytes, size);
}

void mca_btl_torobus_bus_count_atomic(void)
{
    mca_btl_torobus_bus_count(&bus.self->stats.atomics, 1);
}
