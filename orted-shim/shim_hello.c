/* SPDX-License-Identifier: BSD-3-Clause */
/* First words of a host program with its job's keeper. */
#include "shim_hello.h"

#include "shim_attach.h"
#include "shim_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

bool shim_read_all(int fd, void *buf, size_t n)
{
    for (char *p = buf; n > 0;) {
        ssize_t r = read(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

bool shim_read_frame(int fd, struct torobus_ctl_hdr *h, char *body, size_t size)
{
    size_t n;

    if (!shim_read_all(fd, h, sizeof(*h)) || !torobus_ctl_hdr_ok(h))
        return false;
    n = h->len < size ? h->len : size - 1;
    if (!shim_read_all(fd, body, n))
        return false;
    body[n] = '\0';
    for (size_t rest = h->len - n; rest > 0;) {
        char drop[512];
        size_t m = rest < sizeof(drop) ? rest : sizeof(drop);

        if (!shim_read_all(fd, drop, m))
            return false;
        rest -= m;
    }
    return true;
}

int shim_hello(const char *key, uint16_t type, uint32_t rank, uint32_t arg, const char node[64],
               uint32_t local_size, const char *settings, uint32_t len)
{
    struct torobus_ctl_attach a = {.version = TOROBUS_ABI_VERSION, .local_size = local_size};
    struct torobus_ctl_hdr h = {.magic = TOROBUS_CTL_MAGIC,
                                .type = type,
                                .rank = rank,
                                .len = (uint32_t)sizeof(a) + len,
                                .arg = arg};
    const struct iovec iov[3] = {
        {&h, sizeof(h)}, {&a, sizeof(a)}, {(void *)(uintptr_t)settings, len}};
    const struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = 3};
    struct torobus_ctl_hdr answer;
    char err[256], body[1024];

    memcpy(a.node, node, sizeof(a.node));
    /* a keeper that is just ending takes no more clients: start the next one */
    for (int tries = 0; tries < 5; tries++) {
        int fd = shim_attach(key, true, NULL, err);

        if (fd < 0)
            shim_die(SHIM_EXIT_FAIL, "%s", err);
        if (sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + sizeof(a) + len) &&
            shim_read_frame(fd, &answer, body, sizeof(body))) {
            if (answer.type == TOROBUS_CTL_ATTACHED)
                return fd;
            if (answer.type != TOROBUS_CTL_ERROR)
                shim_die(SHIM_EXIT_FAIL, "the keeper answered with what makes no sense");
            shim_print_foreign(body, (unsigned)strlen(body));
            _exit(answer.arg > 0 && answer.arg < 256 ? (int)answer.arg : SHIM_EXIT_FAIL);
        }
        close(fd);
    }
    shim_die(SHIM_EXIT_FAIL, "the keeper ends before it answers");
}
