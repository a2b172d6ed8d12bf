/* SPDX-License-Identifier: BSD-3-Clause */
/* The input descriptor of rank 0. */
#include "shim_source.h"

#include "torobus/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void arm(struct shim_source *s)
{
    if (s->fd < 0 || s->window == 0)
        return;
    if (s->always_ready)
        event_active(s->ev, EV_READ, 0);
    else
        event_add(s->ev, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct shim_source *s = arg;
    uint32_t want = s->window < TOROBUS_CTL_STDIO_MAX ? s->window : TOROBUS_CTL_STDIO_MAX;
    struct pollfd pfd = {.fd = s->fd, .events = POLLIN};
    ssize_t n;

    (void)fd;
    (void)what;
    if (s->fd < 0 || want == 0)
        return;
    /* somebody else may have read what was there: never block */
    if (!s->always_ready && poll(&pfd, 1, 0) == 0) {
        arm(s);
        return;
    }
    n = read(s->fd, s->buf, want);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        arm(s);
        return;
    }
    if (n <= 0) {
        /* an error ends the input as the end of file does */
        shim_source_close(s);
        s->data(s, NULL, 0, s->arg);
        return;
    }
    s->window -= (uint32_t)n;
    s->data(s, s->buf, (uint32_t)n, s->arg);
    arm(s);
}

bool shim_source_open(struct shim_source *s, struct event_base *base, int fd,
                      void (*data)(struct shim_source *, const void *, uint32_t, void *), void *arg)
{
    struct stat st;

    memset(s, 0, sizeof(*s));
    s->data = data;
    s->arg = arg;
    s->buf = malloc(TOROBUS_CTL_STDIO_MAX);
    s->fd = fstat(fd, &st) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_RDONLY);
    if (!s->buf || s->fd < 0)
        return false;
    /* epoll takes neither files nor some devices (/dev/null, /dev/zero): those are always ready */
    s->always_ready =
        fstat(s->fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ||
                                   S_ISDIR(st.st_mode) || (S_ISCHR(st.st_mode) && !isatty(s->fd)));
    s->ev = event_new(base, s->always_ready ? -1 : s->fd, s->always_ready ? 0 : EV_READ,
                      on_readable, s);
    return s->ev != NULL;
}

void shim_source_credit(struct shim_source *s, uint32_t bytes)
{
    if (s->fd < 0)
        return;
    s->window = bytes > TOROBUS_CTL_WINDOW - s->window ? TOROBUS_CTL_WINDOW : s->window + bytes;
    arm(s);
}

void shim_source_close(struct shim_source *s)
{
    if (s->ev)
        event_del(s->ev);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
