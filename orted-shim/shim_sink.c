/* SPDX-License-Identifier: BSD-3-Clause */
/* Output descriptors shared by the streams of several ranks. O_NONBLOCK would change the descriptor
 * for everybody who shares it (the user's shell!), so a pipe or terminal is opened anew for
 * ourselves; where that is impossible, a write after poll() of at most PIPE_BUF does not block. */
#include "shim_sink.h"

#include "shim_msg.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64u << 10)
/** An unfinished line goes out after this time (a prompt), unless another one is half written. */
static const struct timeval ripe_after = {.tv_usec = 50000};
/** A half-written line holds up the other streams at most for this time. */
static const struct timeval owner_limit = {.tv_usec = 300000};

static void pump(struct shim_sink *s);

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg);
}

static void on_owner_timer(evutil_socket_t fd, short what, void *arg)
{
    struct shim_sink *s = arg;

    (void)fd;
    (void)what;
    s->owner = NULL;
    pump(s);
}

static void on_ripe(evutil_socket_t fd, short what, void *arg)
{
    struct shim_stream *st = arg;

    (void)fd;
    (void)what;
    st->ripe = true;
    pump(st->sink);
}

bool shim_sink_open(struct shim_sink *s, struct event_base *base, int fd, bool by_lines)
{
    struct stat st;
    char path[32];
    int own = -1;

    memset(s, 0, sizeof(*s));
    s->base = base;
    s->by_lines = by_lines;
    s->is_stderr = fd == STDERR_FILENO;
    s->chunk = CHUNK;
    s->fd = -1;
    if (fstat(fd, &st) != 0) {
        s->broken = true; /* started with a closed stdout: like writing to it, nothing happens */
        return true;
    }
    if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        s->pollable = true;
        if (own < 0)
            s->chunk = PIPE_BUF;
    } else if (S_ISSOCK(st.st_mode)) {
        s->is_socket = s->pollable = true;
    }
    s->fd = own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (s->fd < 0)
        return false;
    if (s->pollable)
        s->ev = event_new(base, s->fd, EV_WRITE, on_writable, s);
    s->owner_timer = evtimer_new(base, on_owner_timer, s);
    return s->owner_timer && (!s->pollable || s->ev);
}

bool shim_stream_open(struct shim_stream *st, struct shim_sink *s,
                      void (*written)(struct shim_stream *, uint32_t, void *), void *arg)
{
    memset(st, 0, sizeof(*st));
    st->sink = s;
    st->buf = evbuffer_new();
    st->timer = evtimer_new(s->base, on_ripe, st);
    st->written = written;
    st->arg = arg;
    st->next = s->streams;
    s->streams = st;
    return st->buf && st->timer;
}

/** How many bytes of the stream may go out now. */
static size_t ready_bytes(const struct shim_sink *s, struct shim_stream *st)
{
    size_t len = evbuffer_get_length(st->buf), n = len < s->chunk ? len : s->chunk;
    struct evbuffer_ptr nl;
    const char *p;

    if (n == 0 || !s->by_lines || s->broken)
        return n;
    /* all but the beginning of an unfinished line */
    p = (const char *)evbuffer_pullup(st->buf, (ev_ssize_t)n);
    if (!p)
        return n;
    for (size_t i = n; i > 0; i--)
        if (p[i - 1] == '\n')
            return i;
    /* no end of line in what is there: wait for it, but not for ever */
    nl = evbuffer_search(st->buf, "\n", 1, NULL);
    if (nl.pos >= 0 || st->finished || st->ripe || len >= CHUNK || s->owner == st)
        return n;
    return 0;
}

static struct shim_stream *pick(struct shim_sink *s, size_t *bytes)
{
    if (s->owner) {
        *bytes = ready_bytes(s, s->owner);
        return *bytes ? s->owner : NULL;
    }
    for (struct shim_stream *st = s->streams; st; st = st->next) {
        *bytes = ready_bytes(s, st);
        if (*bytes)
            return st;
    }
    return NULL;
}

/** Move a stream to the end of the list, so that all get their turn. */
static void rotate(struct shim_sink *s, struct shim_stream *st)
{
    struct shim_stream **p;

    for (p = &s->streams; *p != st; p = &(*p)->next)
        ;
    *p = st->next;
    while (*p)
        p = &(*p)->next;
    *p = st;
    st->next = NULL;
}

/** @return bytes written, 0 if it would block, -1 if nobody will ever read them. */
static ssize_t write_some(struct shim_sink *s, const void *p, size_t n)
{
    for (;;) {
        ssize_t w;

        if (s->pollable && s->chunk == PIPE_BUF) {
            struct pollfd pfd = {.fd = s->fd, .events = POLLOUT};

            if (poll(&pfd, 1, 0) == 0)
                return 0;
        }
        w = s->is_socket ? send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->fd, p, n);
        if (w >= 0)
            return w;
        if (errno == EAGAIN)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

static void account(struct shim_sink *s, struct shim_stream *st, size_t n, bool line_done)
{
    evbuffer_drain(st->buf, n);
    st->ripe = false;
    if (evbuffer_get_length(st->buf) == 0)
        evtimer_del(st->timer);
    if (s->by_lines && !s->broken) {
        if (line_done || (st->finished && evbuffer_get_length(st->buf) == 0)) {
            s->owner = NULL;
            evtimer_del(s->owner_timer);
            rotate(s, st);
        } else {
            s->owner = st;
        }
    }
    if (st->written)
        st->written(st, (uint32_t)n, st->arg);
}

static void fail(struct shim_sink *s, int err)
{
    s->error = err;
    shim_error("cannot write the ranks' %s: %s", s->is_stderr ? "stderr" : "stdout", strerror(err));
}

static void pump(struct shim_sink *s)
{
    struct shim_stream *st;
    size_t n;

    while ((st = pick(s, &n)) != NULL) {
        const char *p = (const char *)evbuffer_pullup(st->buf, (ev_ssize_t)n);
        ssize_t w = s->broken || !p ? -1 : write_some(s, p, n);

        if (w == 0) {
            event_add(s->ev, NULL);
            return;
        }
        if (w < 0) {
            if (!s->broken && p && errno != EPIPE && errno != ECONNRESET)
                fail(s, errno);
            s->broken = true;
            s->owner = NULL;
            w = (ssize_t)n;
        }
        account(s, st, (size_t)w, !s->broken && p[w - 1] == '\n');
    }
    if (s->owner && s->owner->finished)
        s->owner = NULL;
    if (s->owner && !evtimer_pending(s->owner_timer, NULL))
        evtimer_add(s->owner_timer, &owner_limit);
}

void shim_stream_put(struct shim_stream *st, struct evbuffer *in, uint32_t bytes)
{
    evbuffer_remove_buffer(in, st->buf, bytes);
    pump(st->sink);
    if (evbuffer_get_length(st->buf) > 0 && !evtimer_pending(st->timer, NULL))
        evtimer_add(st->timer, &ripe_after);
}

void shim_stream_finish(struct shim_stream *st)
{
    struct shim_sink *s = st->sink;

    st->finished = true;
    if (s->owner == st && evbuffer_get_length(st->buf) == 0) {
        s->owner = NULL;
        evtimer_del(s->owner_timer);
    }
    pump(s);
    if (st->written && evbuffer_get_length(st->buf) == 0)
        st->written(st, 0, st->arg);
}

bool shim_stream_empty(const struct shim_stream *st)
{
    return evbuffer_get_length(st->buf) == 0;
}

void shim_stream_close(struct shim_stream *st)
{
    struct shim_sink *s = st->sink;

    for (struct shim_stream **p = &s->streams; *p; p = &(*p)->next) {
        if (*p == st) {
            *p = st->next;
            break;
        }
    }
    if (s->owner == st) {
        s->owner = NULL;
        evtimer_del(s->owner_timer);
    }
    if (st->buf)
        evbuffer_free(st->buf);
    if (st->timer)
        event_free(st->timer);
    memset(st, 0, sizeof(*st));
}
