/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks that are Linux processes on this host (toro-run decides which are). They share the last
 * slice, one port each, whose doorbell is an eventfd that all QEMUs know as that of an ivshmem
 * peer. The rank keeps the connection that toro-run made before it became the rank; when it closes,
 * the rank has ended. */
#include "keeper.h"

#include "torobus/wakeup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool keeper_native_attach(struct keeper_client *c, const char *node, uint32_t local_size,
                          char err[512])
{
    struct keeper *k = c->keeper;
    struct keeper_native *n = &k->native;
    const unsigned slice = k->region.sb.nguests - 1;

    if (local_size == 0 || local_size > k->region.sb.ports_per_guest) {
        snprintf(err, 512,
                 "%u ranks of one job as processes of this host are impossible, the most is %u: "
                 "run some in guests",
                 local_size, k->region.sb.ports_per_guest);
        return false;
    }
    if (!n->used && k->guest[slice]) {
        snprintf(err, 512,
                 "no slice for the ranks on %s itself: the job's guests take all of the region's "
                 "%u: raise TOROBUS_GUESTS",
                 node, k->region.sb.nguests);
        return false;
    }
    if (n->nranks < local_size)
        n->nranks = local_size;
    if (!n->used) {
        snprintf(n->name, sizeof(n->name), "%s", node);
        n->slice = slice;
        n->used = true;
        keeper_region_reserve(&k->region, slice, node, 0, 0);
        torobus_slice_at(k->region.head, &k->region.sb, slice)->native = 1;
    }
    keeper_region_state(&k->region, slice, TOROBUS_SLICE_UP);
    return true;
}

static uint32_t port_id(const struct keeper *k, unsigned index)
{
    return k->native.slice * k->region.sb.ports_per_guest + index;
}

/** Every port that a rank may own: those of guests that run, and of Linux processes. */
static uint32_t next_port(const struct keeper *k, uint32_t port)
{
    const struct torobus_superblock *sb = &k->region.sb;

    for (port++; port < sb->nports; port++) {
        const struct keeper_guest *g = k->guest[port / sb->ports_per_guest];

        if (g ? g->ncores > port % sb->ports_per_guest : keeper_ivshmem_doorbell(k, port) >= 0)
            return port;
    }
    return UINT32_MAX;
}

/** As the kernel does it for a guest's port (TOROBUS_IOC_ATTACH). */
static void open_port(struct keeper *k, unsigned index, uint32_t world_rank)
{
    struct torobus_slice_hdr *s = torobus_slice_at(k->region.head, &k->region.sb, k->native.slice);
    const uint32_t self = port_id(k, index);
    struct torobus_port *p = torobus_port_at(k->region.head, &k->region.sb, self);

    for (uint32_t i = next_port(k, UINT32_MAX); i != UINT32_MAX; i = next_port(k, i))
        atomic_store_explicit(&torobus_port_at(k->region.head, &k->region.sb, i)->ring[self], 0,
                              memory_order_relaxed);
    p->owner_rank = world_rank;
    atomic_store_explicit(&p->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&p->pending_summary, 0, memory_order_relaxed);
    for (unsigned i = 0; i < TOROBUS_PENDING_WORDS; i++)
        atomic_store_explicit(&p->pending[i], 0, memory_order_relaxed);
    for (unsigned i = 0; i < TOROBUS_MAX_PORTS; i++)
        atomic_store_explicit(&p->ring[i], 0, memory_order_relaxed);
    memset(&p->stats, 0, sizeof(p->stats));
    atomic_fetch_add_explicit(&p->epoch, 1, memory_order_relaxed);
    if (s->ncores <= index)
        s->ncores = index + 1;
    /* Order: [O] everything above, then OPEN; pairs with the peers' acquire of state. */
    atomic_store_explicit(&p->state, TOROBUS_PORT_OPEN, memory_order_release);
}

/** The owner is gone. If it did not leave in order, whoever is connected to it shall look. */
static void close_port(struct keeper *k, unsigned index)
{
    const uint32_t self = port_id(k, index);
    struct torobus_port *p = torobus_port_at(k->region.head, &k->region.sb, self);
    const uint32_t epoch = atomic_load_explicit(&p->epoch, memory_order_relaxed);
    const uint64_t one = 1;

    /* Order: DEAD, then the peers' bits; pairs with their look at state after taking a bit. */
    atomic_store_explicit(&p->state, TOROBUS_PORT_DEAD, memory_order_seq_cst);
    torobus_wake_up(p);
    if ((int32_t)(atomic_load_explicit(&p->closed_epoch, memory_order_acquire) - epoch) >= 0)
        return;
    for (uint32_t i = next_port(k, UINT32_MAX); i != UINT32_MAX; i = next_port(k, i)) {
        struct torobus_port *peer = torobus_port_at(k->region.head, &k->region.sb, i);
        const int bell = keeper_ivshmem_doorbell(k, i);

        if (i != self &&
            atomic_load_explicit(&peer->state, memory_order_acquire) == TOROBUS_PORT_OPEN &&
            torobus_wake_raise(peer, self) && bell >= 0 &&
            write(bell, &one, sizeof(one)) != (ssize_t)sizeof(one))
            keeper_log("doorbell of port %u: %s", i, strerror(errno));
    }
}

/** The answer to one question, with its descriptors. @return false: the client takes nothing. */
static bool reply(struct keeper_client *c, uint16_t type, uint32_t arg, const void *body,
                  uint32_t len, const int *fd, unsigned nfd)
{
    struct torobus_ctl_hdr h = {
        .magic = TOROBUS_CTL_MAGIC, .type = type, .rank = c->rank, .len = len, .arg = arg};
    struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)body, len}};
    union {
        struct cmsghdr hdr;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } ctl;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};

    if (nfd > 0) {
        memset(&ctl, 0, sizeof(ctl));
        msg.msg_control = &ctl;
        msg.msg_controllen = CMSG_SPACE(nfd * sizeof(int));
        ctl.hdr.cmsg_level = SOL_SOCKET;
        ctl.hdr.cmsg_type = SCM_RIGHTS;
        ctl.hdr.cmsg_len = CMSG_LEN(nfd * sizeof(int));
        memcpy(CMSG_DATA(&ctl.hdr), fd, nfd * sizeof(int));
    }
    /* Who asks one question at a time has read all that came before: there is always room. */
    return evbuffer_get_length(bufferevent_get_output(c->bev)) == 0 &&
           sendmsg(bufferevent_getfd(c->bev), &msg, MSG_NOSIGNAL | MSG_DONTWAIT) ==
               (ssize_t)(sizeof(h) + len);
}

static bool take_port(struct keeper_client *c)
{
    struct keeper *k = c->keeper;
    struct keeper_native *n = &k->native;
    struct torobus_ctl_port port = {.version = TOROBUS_ABI_VERSION, .guest = n->slice};
    unsigned i = c->rank;
    int fd[2];

    if (c->port >= 0) {
        /* another program of the same rank, one after the other */
        i = (unsigned)c->port;
        close_port(k, i);
    } else if (i >= k->region.sb.ports_per_guest || n->port[i]) {
        for (i = 0; i < k->region.sb.ports_per_guest && n->port[i]; i++)
            ;
    }
    if (i == k->region.sb.ports_per_guest)
        return false;
    fd[0] = k->region.memfd;
    fd[1] = keeper_ivshmem_native(k, n->slice, i);
    if (fd[1] < 0) {
        keeper_log("no doorbell for rank %u: %s", c->world_rank, strerror(errno));
        return false;
    }
    c->port = (int)i;
    n->port[i] = c;
    open_port(k, i, c->world_rank);
    port.port = port_id(k, i);
    port.region_size = k->region.sb.region_size;
    port.spin_ns = keeper_spin_ns(k, 1);
    return reply(c, TOROBUS_CTL_PORT, 0, &port, sizeof(port), fd, 2);
}

bool keeper_native_frame(struct keeper_client *c, const struct torobus_ctl_hdr *h)
{
    int fd;

    if (h->len != 0)
        return false;
    switch (h->type) {
    case TOROBUS_CTL_PORT:
        return take_port(c);
    case TOROBUS_CTL_DOORBELL:
        if (c->port < 0 || h->arg >= c->keeper->region.sb.nports)
            return false;
        fd = keeper_ivshmem_doorbell(c->keeper, h->arg);
        return reply(c, TOROBUS_CTL_DOORBELL, h->arg, NULL, 0, &fd, fd >= 0);
    default:
        return false;
    }
}

void keeper_native_gone(struct keeper_client *c)
{
    struct keeper *k = c->keeper;
    struct keeper_native *n = &k->native;

    if (c->port < 0)
        return;
    close_port(k, (unsigned)c->port);
    n->port[c->port] = NULL;
    c->port = -1;
    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++)
        if (n->port[i])
            return;
    /* the next job's processes find zeros; the slice stays theirs, its doorbells are known */
    keeper_region_release(&k->region, n->slice);
}
