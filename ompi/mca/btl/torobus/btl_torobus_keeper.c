/* SPDX-License-Identifier: BSD-3-Clause */
/* A Linux process in a job that has guests, too. TOROBUS_BUS is the number of a descriptor that
 * toro-run left open: a connection to the job's keeper, which gives the region, a port and the
 * doorbells (torobus/ctl.h), and which takes the end of the connection for the end of the process.
 *
 * All doorbells are eventfds: a guest's is its interrupt, ours ends the poll() of a sleeper. What
 * the process allocates itself is not in the region. */
#include "opal_config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "btl_torobus_bus.h"

#include "torobus/ctl.h"

#define VARIABLE "TOROBUS_BUS"

static struct {
    int sock;
    int bell;                             /* our own */
    opal_mutex_t lock;                    /* one question at a time */
    _Atomic int bells[TOROBUS_MAX_PORTS]; /* descriptor, 0 not asked for yet; by port */
} keeper = {.sock = -1, .lock = OPAL_MUTEX_STATIC_INIT};

static bool send_question(uint16_t type, uint32_t arg)
{
    const struct torobus_ctl_hdr h = {.magic = TOROBUS_CTL_MAGIC, .type = type, .arg = arg};
    ssize_t n;

    do {
        n = send(keeper.sock, &h, sizeof(h), MSG_NOSIGNAL);
    } while (0 > n && EINTR == errno);
    return (ssize_t)sizeof(h) == n;
}

/* Descriptors of one message, at most two. */
static unsigned int take_fds(struct msghdr *msg, int fd[2])
{
    unsigned int n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); NULL != c; c = CMSG_NXTHDR(msg, c)) {
        if (SOL_SOCKET == c->cmsg_level && SCM_RIGHTS == c->cmsg_type) {
            n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            n = n < 2 ? n : 2;
            memcpy(fd, CMSG_DATA(c), n * sizeof(int));
        }
    }
    return n;
}

/*
 * Ask the keeper and take its answer. The lock is held, or nobody else is there yet.
 *
 * @return the number of descriptors that came, or -1 when the keeper gave no answer
 */
static int ask(uint16_t type, uint32_t arg, void *body, uint32_t len, int fd[2])
{
    union {
        struct cmsghdr hdr;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } ctl;
    struct torobus_ctl_hdr h;
    struct iovec iov[2] = {{.iov_base = &h, .iov_len = sizeof(h)},
                           {.iov_base = body, .iov_len = len}};
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 0 == len ? 1 : 2,
                         .msg_control = &ctl,
                         .msg_controllen = sizeof(ctl)};
    unsigned int nfd;
    ssize_t n;

    if (!send_question(type, arg)) {
        return -1;
    }
    do {
        n = recvmsg(keeper.sock, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    } while (0 > n && EINTR == errno);
    if (0 >= n) {
        return -1;
    }
    nfd = take_fds(&msg, fd);
    if ((ssize_t)(sizeof(h) + len) != n || !torobus_ctl_hdr_ok(&h) || h.type != type ||
        h.len != len || h.arg != arg) {
        while (0 != nfd) {
            close(fd[--nfd]);
        }
        return -1;
    }
    return (int)nfd;
}

/* The connection that toro-run left. */
static int find_socket(const char *text, const char **why)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    char *end;
    const long fd = strtol(text, &end, 10);

    if ('\0' == *text || '\0' != *end || 0 > fd || INT32_MAX < fd ||
        0 != getsockopt((int)fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || cred.uid != geteuid()) {
        *why = "the descriptor " VARIABLE " is not open any more: what started this program "
               "closes descriptors that it does not know";
        return -1;
    }
    (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

static int keeper_attach(struct torobus_dev_info *info, const char **why)
{
    const char *text = getenv(VARIABLE);
    struct torobus_superblock sb;
    struct torobus_ctl_port port;
    int fd[2] = {-1, -1}, nfd, rc;

    if (NULL == text) {
        return OPAL_ERR_NOT_AVAILABLE;
    }
    keeper.sock = find_socket(text, why);
    if (0 > keeper.sock) {
        return OPAL_ERROR;
    }
    /* Children are no ranks. */
    unsetenv(VARIABLE);
    nfd = ask(TOROBUS_CTL_PORT, 0, &port, sizeof(port), fd);
    if (2 != nfd || TOROBUS_ABI_VERSION != port.version) {
        *why =
            2 == nfd ? MCA_BTL_TOROBUS_OTHER_ABI : "the job's keeper has no port for this process";
        return OPAL_ERROR;
    }
    rc = mca_btl_torobus_native_map(fd[0], &sb, why);
    close(fd[0]);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    if (port.port >= sb.nports || port.guest != port.port / sb.ports_per_guest) {
        *why = "the job's keeper gave an impossible port";
        mca_btl_torobus_native_unmap();
        return OPAL_ERROR;
    }
    keeper.bell = fd[1];
    mca_btl_torobus_native_own(port.port);
    *info = (struct torobus_dev_info){
        .version = TOROBUS_ABI_VERSION,
        .port = port.port,
        .guest = port.guest,
        .core = port.port % sb.ports_per_guest,
        .region_va = TOROBUS_REGION_VA,
        .region_size = sb.region_size,
        .spin_ns = port.spin_ns < UINT32_MAX ? (uint32_t)port.spin_ns : UINT32_MAX,
        .ncores = sb.ports_per_guest,
        .can_sleep = 1,
    };
    return OPAL_SUCCESS;
}

/* A ring of the doorbell at any time after the last read ends the poll: a peer that reads sleeping
 * after we have stored it is never missed. */
static void keeper_wait(uint64_t ns)
{
    struct torobus_port *self = mca_btl_torobus_bus.self;
    struct pollfd bell = {.fd = keeper.bell, .events = POLLIN};
    const struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000u),
                                     .tv_nsec = (long)(ns % 1000000000u)};
    uint64_t rung;

    if (torobus_wake_sleep(self)) {
        mca_btl_torobus_bus_count(&self->stats.sleeps, 1);
        (void)ppoll(&bell, 1, &timeout, NULL);
    }
    torobus_wake_up(self);
    if ((ssize_t)sizeof(rung) == read(keeper.bell, &rung, sizeof(rung))) {
        mca_btl_torobus_bus_count(&self->stats.doorbells_recv, rung);
    }
}

/* The doorbell of a port, asked for at the first ring. A port that has none is asked for again. */
static int doorbell(uint32_t port)
{
    int fd[2], bell;

    opal_mutex_lock(&keeper.lock);
    bell = atomic_load_explicit(&keeper.bells[port], memory_order_relaxed);
    if (0 == bell && 0 <= keeper.sock && 1 == ask(TOROBUS_CTL_DOORBELL, port, NULL, 0, fd)) {
        bell = fd[0];
        atomic_store_explicit(&keeper.bells[port], bell, memory_order_release);
    }
    opal_mutex_unlock(&keeper.lock);
    return bell;
}

static void keeper_kick(uint32_t port)
{
    const uint64_t one = 1;
    int bell = atomic_load_explicit(&keeper.bells[port], memory_order_acquire);

    if (OPAL_UNLIKELY(0 == bell)) {
        bell = doorbell(port);
    }
    /* A full counter has been rung enough. */
    if (0 != bell && ((ssize_t)sizeof(one) == write(bell, &one, sizeof(one)) || EAGAIN == errno)) {
        mca_btl_torobus_bus_count(&mca_btl_torobus_bus.self->stats.doorbells_sent, 1);
    }
}

static void keeper_detach(void)
{
    /* The mapping stays: rings of peers may still be looked at by other threads. */
    for (uint32_t i = 0; i < TOROBUS_MAX_PORTS; i++) {
        const int bell = atomic_exchange(&keeper.bells[i], 0);

        if (0 != bell) {
            close(bell);
        }
    }
    close(keeper.bell);
    close(keeper.sock);
    keeper.sock = -1;
}

const mca_btl_torobus_platform_t mca_btl_torobus_keeper = {
    .attach = keeper_attach,
    .alloc = mca_btl_torobus_native_alloc,
    .wait = keeper_wait,
    .kick = keeper_kick,
    .detach = keeper_detach,
    .private_memory = true,
};
