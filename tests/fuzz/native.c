/* SPDX-License-Identifier: BSD-3-Clause */
/* What processes on the host that say they are ranks send to the keeper, and scribble into their
 * control blocks: a port has one owner at most, every answer fits its question, and nobody gets a
 * descriptor that was not asked for. */
#include <event2/bufferevent.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static struct evbuffer *fuzz_out;
static ssize_t fuzz_sendmsg(int fd, const struct msghdr *m, int flags);
#define bufferevent_get_output(b) ((void)(b), fuzz_out)
#define bufferevent_getfd(b)      ((int)(uintptr_t)(b))
#define sendmsg                   fuzz_sendmsg
#include "../../orted-shim/keeper_native.c"

#include "frame.h"

#define CLIENTS 6
#define GUESTS  3
#define PORTS   4 /* per guest; fewer than clients */
#define MEMFD   1000
#define GUEST   1 /* the slice with a guest in it */

static int bell = -1; /* stands for all doorbells: they are written to */
static bool known[GUESTS * PORTS];
static bool full;      /* the client does not read */
static uint16_t asked; /* the frame that is being answered */
static unsigned answers;

static ssize_t fuzz_sendmsg(int fd, const struct msghdr *m, int flags)
{
    const struct torobus_ctl_hdr *h = m->msg_iov[0].iov_base;
    const struct cmsghdr *c = m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL;
    unsigned nfd = c ? (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
    int fds[2];

    FUZZ_ASSERT(fd > 0 && (flags & MSG_DONTWAIT) && (flags & MSG_NOSIGNAL));
    FUZZ_ASSERT(torobus_ctl_hdr_ok(h) && h->type == asked);
    FUZZ_ASSERT(h->len == (m->msg_iovlen == 2 ? m->msg_iov[1].iov_len : 0));
    if (nfd > 0)
        memcpy(fds, CMSG_DATA(c), nfd * sizeof(int));
    if (asked == TOROBUS_CTL_PORT) {
        FUZZ_ASSERT(nfd == 2 && fds[0] == MEMFD && fds[1] == bell);
        FUZZ_ASSERT(h->len == sizeof(struct torobus_ctl_port));
    } else {
        FUZZ_ASSERT(asked == TOROBUS_CTL_DOORBELL && h->len == 0 && h->arg < GUESTS * PORTS);
        FUZZ_ASSERT(nfd == known[h->arg] && (nfd == 0 || fds[0] == bell));
    }
    answers++;
    if (full)
        return -1;
    return (ssize_t)(sizeof(*h) + h->len);
}

void keeper_log(const char *fmt, ...)
{
    (void)fmt;
}

void keeper_region_reserve(struct keeper_region *r, unsigned slice, const char *name,
                           unsigned ncores, uint64_t mem_limit)
{
    (void)mem_limit;
    FUZZ_ASSERT(slice < r->sb.nguests && name[0] != '\0');
    torobus_slice_at(r->head, &r->sb, slice)->ncores = ncores;
}

void keeper_region_state(struct keeper_region *r, unsigned slice, enum torobus_slice_state state)
{
    FUZZ_ASSERT(slice < r->sb.nguests);
    torobus_slice_at(r->head, &r->sb, slice)->state = state;
}

void keeper_region_release(struct keeper_region *r, unsigned slice)
{
    FUZZ_ASSERT(slice == r->sb.nguests - 1);
    torobus_slice_at(r->head, &r->sb, slice)->state = TOROBUS_SLICE_FREE;
}

int keeper_ivshmem_native(struct keeper *k, unsigned slice, unsigned vector)
{
    FUZZ_ASSERT(slice == k->region.sb.nguests - 1 && vector < PORTS);
    for (unsigned i = 0; i <= vector; i++)
        known[slice * PORTS + i] = true;
    return bell;
}

int keeper_ivshmem_doorbell(const struct keeper *k, uint32_t port)
{
    FUZZ_ASSERT(port < k->region.sb.nports);
    return known[port] ? bell : -1;
}

uint64_t keeper_spin_ns(const struct keeper *k, unsigned ncores)
{
    (void)k;
    return ncores;
}

/** What holds after every step: who has a port is entered there, and nobody else. */
static void check(const struct keeper *k, const struct keeper_client *c)
{
    unsigned owned = 0, have = 0;

    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++) {
        const struct keeper_client *owner = k->native.port[i];

        FUZZ_ASSERT(!owner || (i < PORTS && owner->port == (int)i));
        owned += owner != NULL;
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        have += c[i].port >= 0;
    FUZZ_ASSERT(owned == have);
}

/** The memory of the control blocks is the ranks' to write. */
static void scribble(struct fuzz *f, struct keeper *k)
{
    uint32_t port = fuzz_u8(f) % k->region.sb.nports;
    struct torobus_port *p = torobus_port_at(k->region.head, &k->region.sb, port);
    uint32_t at = fuzz_u32(f) % (uint32_t)sizeof(*p);

    ((unsigned char *)p)[at] = fuzz_u8(f);
}

static void step(struct fuzz *f, struct keeper *k, struct keeper_client *c)
{
    uint8_t how = fuzz_u8(f);
    uint8_t bytes[64];
    struct torobus_ctl_hdr h;
    char err[512] = "";

    switch (how % 8) {
    case 0: /* (a client's first frame; keeper_attach() fills these in) */
        if (c->kind != KEEPER_CLIENT_NEW)
            return;
        c->kind = KEEPER_CLIENT_NATIVE;
        c->rank = fuzz_u32(f);
        c->world_rank = fuzz_u32(f);
        if (!keeper_native_attach(c, "host", fuzz_u8(f) % (PORTS + 2), err)) {
            FUZZ_ASSERT(err[0] != '\0');
            c->kind = KEEPER_CLIENT_INFO; /* it is told and cut off */
        }
        return;
    case 1:
        if (c->kind == KEEPER_CLIENT_NATIVE)
            keeper_native_gone(c);
        c->kind = KEEPER_CLIENT_NEW;
        FUZZ_ASSERT(c->port == -1);
        return;
    case 2:
        scribble(f, k);
        return;
    default:
        (void)fuzz_frame(f, bytes, sizeof(bytes));
        memcpy(&h, bytes, sizeof(h));
        if (how & 32) {
            h.type = how & 64 ? TOROBUS_CTL_PORT : TOROBUS_CTL_DOORBELL;
            h.len = 0;
        }
        if (c->kind != KEEPER_CLIENT_NATIVE)
            return;
        full = how & 128;
        asked = h.type;
        answers = 0;
        if (keeper_native_frame(c, &h))
            FUZZ_ASSERT(answers == 1 && !full);
        else
            keeper_native_gone(c), c->kind = KEEPER_CLIENT_INFO;
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keeper k;
    struct keeper_guest g = {.keeper = &k, .slice = GUEST, .ncores = 2};
    struct keeper_client c[CLIENTS];
    const size_t head = 4096 + (size_t)GUESTS * PORTS * sizeof(struct torobus_port);
    struct fuzz f = {data, size};

    if (bell < 0)
        bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fuzz_out = evbuffer_new();
    FUZZ_ASSERT(bell >= 0 && fuzz_out);
    memset(known, 0, sizeof(known));
    memset(&k, 0, sizeof(k));
    k.region.memfd = MEMFD;
    k.region.sb = (struct torobus_superblock){.nguests = GUESTS,
                                              .ports_per_guest = PORTS,
                                              .nports = GUESTS * PORTS,
                                              .slice_hdr_offset = 0,
                                              .port_offset = 4096,
                                              .port_stride = sizeof(struct torobus_port)};
    FUZZ_ASSERT(posix_memalign(&k.region.head, 4096, head) == 0);
    memset(k.region.head, 0, head);
    k.guest[GUEST] = &g;
    known[GUEST * PORTS] = known[GUEST * PORTS + 1] = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        c[i] = (struct keeper_client){
            .keeper = &k, .bev = (struct bufferevent *)(uintptr_t)(i + 1), .port = -1};
    while (f.left > 0) {
        step(&f, &k, &c[fuzz_u8(&f) % CLIENTS]);
        check(&k, c);
    }
    free(k.region.head);
    evbuffer_free(fuzz_out);
    return 0;
}
