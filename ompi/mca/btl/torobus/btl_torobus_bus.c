/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus: rings of both directions, attention, sleep; and the way to it through /dev/torobus in a
 * guest, where all anonymous memory lies in the region. */
#include "opal_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "btl_torobus_bus.h"

/* Credit goes back to the producer after so many empty polls of a ring. */
#define FLUSH_POLLS 8

struct mca_btl_torobus_tx_t {
    struct torobus_ring_tx ring;
    struct torobus_port *port; /**< the peer's */
    uint32_t peer;
    bool starving;
};

/** Receiving half towards one sending port. */
struct bus_rx {
    struct torobus_ring_rx ring;
    uint64_t offset; /**< what the directory said; 0: not attached */
    uint32_t peer;
    uint32_t idle; /**< empty polls in a row */
    bool hot;
    bool failed;
    mca_btl_base_module_t *module; /**< which of the two the pair belongs to */
};

static struct {
    const mca_btl_torobus_platform_t *platform;
    struct torobus_superblock sb;
    char *base;
    struct torobus_port *self;
    uint32_t port;
    struct bus_rx *rx[TOROBUS_MAX_PORTS];
    struct bus_rx *hot[TOROBUS_MAX_PORTS];
    uint32_t nhot;
    int fd;
} bus = {.fd = -1};

/* Counters have one writer unless the application uses threads. */
static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
    if (OPAL_UNLIKELY(opal_using_threads())) {
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
    } else {
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
    }
}

/* ---- in a guest: /dev/torobus ---- */

static int dev_attach(struct torobus_dev_info *info, const char **why)
{
    bus.fd = open(TOROBUS_DEV_PATH, O_RDWR | O_CLOEXEC);
    if (0 > bus.fd) {
        *why = strerror(errno);
        return ENOENT == errno || ENODEV == errno || ENXIO == errno ? OPAL_ERR_NOT_AVAILABLE
                                                                    : OPAL_ERROR;
    }
    *info = (struct torobus_dev_info){.version = TOROBUS_ABI_VERSION};
    if (0 != ioctl(bus.fd, TOROBUS_IOC_ATTACH, info)) {
        *why = strerror(errno);
        close(bus.fd);
        bus.fd = -1;
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

static void *dev_alloc(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return MAP_FAILED == p ? NULL : p;
}

static void dev_wait(uint64_t ns)
{
    struct torobus_dev_wait wait = {.timeout_ns = ns};

    (void)ioctl(bus.fd, TOROBUS_IOC_WAIT, &wait);
}

static void dev_kick(uint32_t port)
{
    (void)ioctl(bus.fd, TOROBUS_IOC_KICK, (unsigned long)port);
}

static void dev_detach(void)
{
    close(bus.fd);
    bus.fd = -1;
}

const mca_btl_torobus_platform_t mca_btl_torobus_dev = {
    .attach = dev_attach,
    .alloc = dev_alloc,
    .wait = dev_wait,
    .kick = dev_kick,
    .detach = dev_detach,
    .private_memory = false,
};

/* ---- attach ---- */

/* Its ports belong to Linux processes. */
static bool native_guest(uint32_t guest)
{
    return 0 != torobus_slice_at(bus.base, &bus.sb, guest)->native;
}

int mca_btl_torobus_bus_open(mca_btl_torobus_bus_info_t *info, const char **why)
{
    struct torobus_dev_info dev;
    int rc;

    bus.platform = &mca_btl_torobus_dev;
    rc = bus.platform->attach(&dev, why);
    if (OPAL_ERR_NOT_AVAILABLE == rc) {
        bus.platform = &mca_btl_torobus_native;
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
        .has_private = bus.platform->private_memory || native_guest(bus.sb.nguests - 1),
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
    }
    return tx;
}

void mca_btl_torobus_bus_disconnect(mca_btl_torobus_tx_t *tx)
{
    free(tx->ring.lane_end);
    free(tx);
}

/* First contact: make the ring and announce it. */
static int tx_create(mca_btl_torobus_tx_t *tx)
{
    const uint32_t nslots = mca_btl_torobus_component.ring_slots;
    const uint32_t lane = mca_btl_torobus_component.lane_size;
    const uint64_t size = torobus_ring_size(nslots, lane);
    uint32_t *lane_end = malloc(nslots * sizeof(*lane_end));
    char *shm = bus.platform->alloc(size);
    struct torobus_ring_tx ring;

    if (NULL == lane_end || NULL == shm || shm < bus.base ||
        (uint64_t)(shm - bus.base) > bus.sb.region_size - size ||
        TOROBUS_OK != torobus_ring_init(&ring, (struct torobus_ring_shm *)(void *)shm, lane_end,
                                        bus.port, tx->peer, nslots, lane, 0)) {
        free(lane_end);
        return OPAL_ERR_UNREACH;
    }
    tx->ring = ring;
    /* Pairs with the load-acquire in rx_find(): the ring is laid out before it can be found. */
    atomic_store_explicit(&tx->port->ring[bus.port], (uint64_t)(shm - bus.base),
                          memory_order_release);
    return OPAL_SUCCESS;
}

int mca_btl_torobus_bus_reserve(mca_btl_torobus_tx_t *tx, size_t len, void **data)
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
        count(&bus.self->stats.ring_full, 1);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    return OPAL_ERR_UNREACH;
}

static void kick(uint32_t port)
{
    count(&bus.self->stats.doorbells_sent, 1);
    bus.platform->kick(port);
}

void mca_btl_torobus_bus_commit(mca_btl_torobus_tx_t *tx, size_t len, mca_btl_base_tag_t tag)
{
    torobus_ring_commit(&tx->ring, (uint32_t)len, tag);
    if (OPAL_UNLIKELY(torobus_wake_sent(tx->port, bus.port))) {
        kick(tx->peer);
    }
    count(&bus.self->stats.msgs_sent, 1);
    count(&bus.self->stats.bytes_sent, len);
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
        kick(peer->port);
    }
}

/* ---- receiving: everything below is called under the progress guard ---- */

static void rx_fail(struct bus_rx *rx, const char *what)
{
    rx->failed = true;
    mca_btl_torobus_port_fail(rx->peer, what);
}

/* The peer's ring as the directory has it now. NULL: none, or one that is not to be used. */
static struct bus_rx *rx_find(uint32_t peer)
{
    struct bus_rx *rx = bus.rx[peer];
    const uint64_t offset = atomic_load_explicit(&bus.self->ring[peer], memory_order_acquire);

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
        rx->module = bus.platform->private_memory || native_guest(peer / bus.sb.ports_per_guest)
                         ? &mca_btl_torobus_private
                         : &mca_btl_torobus;
        bus.rx[peer] = rx;
    }
    if (rx->offset != offset) {
        if (TOROBUS_OK !=
            torobus_ring_attach(&rx->ring, bus.base, bus.sb.region_size, offset, peer, bus.port)) {
            rx_fail(rx, "announced a ring that does not make sense");
            return NULL;
        }
        rx->offset = offset;
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
            struct bus_rx *rx = bus.rx[peer];

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
            bus.hot[bus.nhot++] = rx;
        }
    }
}

/* Return credit; wake the producer if that is what it sleeps for. */
static void credit(struct bus_rx *rx, bool starving)
{
    struct torobus_port *port;

    if (OPAL_UNLIKELY(starving)) {
        port = torobus_port_at(bus.base, &bus.sb, rx->peer);
        if (torobus_wake_raise(port, bus.port)) {
            kick(rx->peer);
        }
    }
}

/* Deliver what is in one ring, within the budget. */
static int drain(struct bus_rx *rx)
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
        count(&bus.self->stats.msgs_recv, (uint64_t)n);
        count(&bus.self->stats.bytes_recv, bytes);
    }
    return n;
}

/* Stop polling a ring. @return false if it has to stay. */
static bool demote(struct bus_rx *rx)
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

int mca_btl_torobus_bus_poll(void)
{
    /* A long hot list costs every poll: the longer it is, the sooner a silent ring leaves it. */
    const uint32_t limit = mca_btl_torobus_component.hot_polls / (bus.nhot < 4 ? 1 : bus.nhot / 2);
    int events = 0;

    if (torobus_wake_any(bus.self)) {
        collect();
    }
    for (uint32_t i = 0; i < bus.nhot;) {
        struct bus_rx *rx = bus.hot[i];

        if (torobus_ring_ready(&rx->ring) && !rx->failed) {
            events += drain(rx);
            rx->idle = 0;
        } else {
            rx->idle++;
            if (FLUSH_POLLS == rx->idle) {
                credit(rx, torobus_ring_flush(&rx->ring));
            } else if (rx->idle > limit && demote(rx)) {
                bus.hot[i] = bus.hot[--bus.nhot];
                continue;
            }
        }
        i++;
    }
    return events;
}

bool mca_btl_torobus_bus_sleep(uint64_t ns)
{
    while (0 != bus.nhot) {
        if (!demote(bus.hot[bus.nhot - 1])) {
            return false;
        }
        bus.nhot--;
    }
    if (torobus_wake_any(bus.self)) {
        return false;
    }
    count(&bus.self->stats.sleeps, 1);
    bus.platform->wait(ns);
    return true;
}

/* ---- odds and ends ---- */

bool mca_btl_torobus_bus_reaches(uint64_t address, size_t size)
{
    const uint64_t offset = address - (uint64_t)(uintptr_t)bus.base;

    return offset < bus.sb.region_size && size <= bus.sb.region_size - offset;
}

uint64_t mca_btl_torobus_bus_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void mca_btl_torobus_bus_count_put(size_t size)
{
    count(&bus.self->stats.puts, 1);
    count(&bus.self->stats.rdma_bytes, size);
}

void mca_btl_torobus_bus_count_get(size_t size)
{
    count(&bus.self->stats.gets, 1);
    count(&bus.self->stats.rdma_bytes, size);
}

void mca_btl_torobus_bus_count_atomic(void)
{
    count(&bus.self->stats.atomics, 1);
}
