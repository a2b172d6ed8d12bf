/* SPDX-License-Identifier: BSD-3-Clause */
/* The ivshmem server, after QEMU's docs/specs/ivshmem-spec: messages are one little-endian int64,
 * some with a descriptor. A new peer gets: protocol version 0, its id, -1 with the region, then for
 * every peer (itself last) its id once per vector, each with an eventfd. Old peers get the new
 * one's id and eventfds. Messages wait in a queue per peer, since a socket buffer has room for a
 * few hundred only.
 *
 * Nobody is ever told that a peer has left: QEMU then frees its list of that peer's eventfds, but
 * writes into it when a peer of that id comes again (seen in 7.2), and a slice's next guest has its
 * id. It has its eventfds as well, so that old peers know them already. */
#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IVSHMEM_VERSION 0
#define FD_REGION       (-1)
#define FD_NONE         (-2)

/** @return 1 sent, 0 no room now, -1 the link is broken. */
static int send_msg(int sock, int64_t value, int fd)
{
    union {
        struct cmsghdr hdr;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ctl;
    struct iovec iov = {.iov_base = &value, .iov_len = sizeof(value)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd >= 0) {
        struct cmsghdr *c;

        memset(&ctl, 0, sizeof(ctl));
        msg.msg_control = &ctl;
        msg.msg_controllen = sizeof(ctl);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(value))
        return 1;
    return errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS ? 0 : -1;
}

static void flush_peer(struct keeper *k, struct keeper_peer *p)
{
    while (p->sock >= 0 && p->sent < p->nmsgs) {
        const struct keeper_ivshmem_msg *m = &p->msgs[p->sent];
        int fd = -1, r;

        if (m->peer >= 0) {
            fd = k->peer[m->peer].vector[m->vector];
        } else if (m->peer == FD_REGION) {
            fd = k->region.memfd;
        }
        r = send_msg(p->sock, m->value, fd);
        if (r == 0) {
            event_add(p->write_ev, NULL);
            return;
        }
        /* a QEMU that closed its link is dying; its exit is noticed elsewhere */
        p->sent = r < 0 ? p->nmsgs : p->sent + 1;
    }
    p->sent = p->nmsgs = 0;
}

static bool queue_msg(struct keeper_peer *p, int64_t value, int peer, unsigned vector)
{
    if (p->nmsgs == p->room) {
        unsigned room = p->room ? 2 * p->room : 64;
        struct keeper_ivshmem_msg *m = realloc(p->msgs, room * sizeof(*m));

        if (!m)
            return false;
        p->msgs = m;
        p->room = room;
    }
    p->msgs[p->nmsgs++] = (struct keeper_ivshmem_msg){
        .value = value, .peer = (int16_t)peer, .vector = (uint16_t)vector};
    return true;
}

/** Tell the peer at `to` about the vectors of peer `id` that it does not know yet. */
static bool introduce(struct keeper_peer *to, const struct keeper_peer *about, unsigned id)
{
    for (; to->told[id] < about->nvectors; to->told[id]++)
        if (!queue_msg(to, (int64_t)id, (int)id, to->told[id]))
            return false;
    return true;
}

static void close_peer(struct keeper_peer *p)
{
    if (p->write_ev)
        event_free(p->write_ev);
    free(p->msgs);
    close(p->sock);
    p->used = false;
    p->sock = -1;
    p->write_ev = NULL;
    p->msgs = NULL;
    p->nvectors = p->nmsgs = p->sent = p->room = 0;
}

/** The doorbell of a vector. It is kept for the next guest in the slice: a Linux process that has
 * asked for it may go on using it. */
static int doorbell(struct keeper_peer *p, unsigned vector)
{
    if (p->vector[vector] == 0)
        p->vector[vector] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->vector[vector] < 0)
        p->vector[vector] = 0;
    return p->vector[vector] > 0 ? p->vector[vector] : -1;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)what;
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->peer[i].used && k->peer[i].sock == fd)
            flush_peer(k, &k->peer[i]);
}

/** Tell all QEMUs but its own about the vectors of the peer in a slice. */
static void tell_others(struct keeper *k, unsigned slice)
{
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++) {
        if (i == slice || !k->peer[i].used || k->peer[i].sock < 0)
            continue;
        if (!introduce(&k->peer[i], &k->peer[slice], slice))
            keeper_log("ivshmem: no memory to tell peer %u", i);
        flush_peer(k, &k->peer[i]);
    }
}

bool keeper_ivshmem_join(struct keeper *k, unsigned slice, unsigned nvectors, int *qemu_fd)
{
    struct keeper_peer *p = &k->peer[slice];
    bool ok;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
        return false;
    p->used = true;
    p->sock = sv[0];
    memset(p->told, 0, sizeof(p->told));
    p->write_ev = event_new(k->base, sv[0], EV_WRITE, on_writable, k);
    while (p->nvectors < nvectors && doorbell(p, p->nvectors) >= 0)
        p->nvectors++;
    ok = p->write_ev && p->nvectors == nvectors && queue_msg(p, IVSHMEM_VERSION, FD_NONE, 0) &&
         queue_msg(p, slice, FD_NONE, 0) && queue_msg(p, -1, FD_REGION, 0);
    for (unsigned i = 0; ok && i < TOROBUS_MAX_GUESTS; i++)
        if (i != slice && k->peer[i].used)
            ok = introduce(p, &k->peer[i], i);
    ok = ok && introduce(p, p, slice);
    if (!ok) {
        keeper_log("ivshmem: peer %u: %s", slice, strerror(errno));
        close_peer(p);
        close(sv[1]);
        return false;
    }
    flush_peer(k, p);
    tell_others(k, slice);
    *qemu_fd = sv[1];
    return true;
}

void keeper_ivshmem_leave(struct keeper *k, unsigned slice)
{
    if (k->peer[slice].used)
        close_peer(&k->peer[slice]);
}

int keeper_ivshmem_native(struct keeper *k, unsigned slice, unsigned vector)
{
    struct keeper_peer *p = &k->peer[slice];

    p->used = true;
    p->sock = -1;
    /* vectors are numbered by the order in which they are told */
    while (p->nvectors <= vector) {
        if (doorbell(p, p->nvectors) < 0)
            return -1;
        p->nvectors++;
    }
    tell_others(k, slice);
    return p->vector[vector];
}

int keeper_ivshmem_doorbell(const struct keeper *k, uint32_t port)
{
    const struct keeper_peer *p = &k->peer[port / k->region.sb.ports_per_guest];
    const uint32_t vector = port % k->region.sb.ports_per_guest;

    return p->used && vector < p->nvectors ? p->vector[vector] : -1;
}
