/* SPDX-License-Identifier: BSD-3-Clause */
/* The proxy's link to the keeper: frames in, life and end. */
#include "proxy.h"

#include "shim_msg.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void check_finished(struct proxy *p)
{
    if (p->state != PROXY_ENDED || !proxy_stdio_done(p))
        return;
    p->state = PROXY_FINISHED;
    p->on_end(p);
}

void proxy_end(struct proxy *p, int code)
{
    if (p->state >= PROXY_ENDED)
        return;
    p->state = PROXY_ENDED;
    p->code = code;
    proxy_lock_end(p);
    proxy_stdio_finish(p);
    check_finished(p);
}

void proxy_send(struct proxy *p, uint16_t type, uint32_t arg, const void *body, uint32_t len)
{
    if (p->bev && !shim_frame_put(bufferevent_get_output(p->bev), type, p->rank, arg, body, len))
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

void proxy_signal(struct proxy *p, int sig)
{
    if (p->state >= PROXY_ENDED)
        return;
    proxy_send(p, TOROBUS_CTL_SIGNAL, (uint32_t)sig, NULL, 0);
    if (p->state == PROXY_RUNNING)
        return;
    /* no program is there yet that could handle it: what the signal does by default */
    switch (sig) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return;
    default:
        proxy_end(p, PROXY_SIGNALED + sig);
    }
}

void proxy_leave(struct proxy *p)
{
    /* half-closed: the keeper closes its end at once, or, for the last one, after all is gone */
    if (p->bev)
        shutdown(bufferevent_getfd(p->bev), SHUT_WR);
}

void proxy_note(const struct proxy *p, const char *text, uint32_t len)
{
    static char before[1500];

    (void)p;
    /* several ranks of toro-run -n meet the same obstacle: say it once */
    if (len < sizeof(before) && strlen(before) == len && memcmp(before, text, len) == 0)
        return;
    if (len < sizeof(before)) {
        memcpy(before, text, len);
        before[len] = '\0';
    }
    shim_print_foreign(text, len);
}

static void on_attached(struct proxy *p, const void *body, uint32_t len)
{
    struct torobus_ctl_attached a;
    char err[256];

    if (p->state != PROXY_ATTACHING || len != sizeof(a)) {
        shim_error("the keeper sent a wrong answer");
        proxy_end(p, SHIM_EXIT_FAIL);
        return;
    }
    memcpy(&a, body, sizeof(a));
    shim_step("rank %u: guest %s has slice %u of %u", p->world_rank, p->job->node, a.guest,
              a.nguests);
    p->state = PROXY_STARTING;
    if (!proxy_send_start(p, err)) {
        shim_error("%s", err);
        proxy_end(p, SHIM_EXIT_FAIL);
        return;
    }
    if (p->has_stdin)
        shim_source_credit(&p->in, TOROBUS_CTL_WINDOW);
    else
        proxy_send(p, TOROBUS_CTL_STDIN, 0, NULL, 0); /* its stdin is at the end from the start */
}

static void on_failed(struct proxy *p, const char *body, uint32_t len, uint32_t err)
{
    shim_error("rank %u on guest %s could not start: %.*s (%s)", p->world_rank, p->job->node,
               (int)(len > 500 ? 500 : len), body, strerror((int)(err & 0xfff)));
    proxy_end(p, SHIM_EXIT_NOEXEC);
}

/** A frame whose body was taken. @return false if it makes no sense. */
static bool small_frame(struct proxy *p, const struct torobus_ctl_hdr *h, const char *body)
{
    switch (h->type) {
    case TOROBUS_CTL_ATTACHED:
        on_attached(p, body, h->len);
        return true;
    case TOROBUS_CTL_STARTED:
        if (p->state != PROXY_STARTING)
            return false;
        shim_step("rank %u: enters the program", p->world_rank);
        p->state = PROXY_RUNNING;
        if (p->on_started)
            p->on_started(p);
        if ((p->job->flags & TOROBUS_START_STOP) != 0 &&
            h->len == sizeof(struct torobus_ctl_started))
            proxy_gdb(p, (const struct torobus_ctl_started *)body);
        return true;
    case TOROBUS_CTL_EXIT:
        if (p->state < PROXY_STARTING || h->arg > PROXY_SIGNALED + 64 || h->arg == PROXY_SIGNALED)
            return false;
        shim_step("rank %u: ended, %s %u", p->world_rank, h->arg > 255 ? "signal" : "status",
                  h->arg > 255 ? h->arg - 256 : h->arg);
        proxy_end(p, (int)h->arg);
        return true;
    case TOROBUS_CTL_FAILED:
        on_failed(p, body, h->len, h->arg);
        return true;
    case TOROBUS_CTL_CREDIT:
        proxy_stdio_credit(p, h->arg);
        return true;
    case TOROBUS_CTL_LOCK:
        return proxy_lock(p, body, h->len);
    case TOROBUS_CTL_ERROR:
        if (h->len)
            proxy_note(p, body, h->len);
        proxy_end(p, h->arg > 0 && h->arg < 256 ? (int)h->arg : SHIM_EXIT_FAIL);
        return true;
    case TOROBUS_CTL_NOTE:
        if (h->arg == 0 || shim_msg_verbose() > 0)
            proxy_note(p, body, h->len);
        return true;
    default:
        return false;
    }
}

static bool frame(struct proxy *p, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    char *body;
    bool ok;

    if (h->type == TOROBUS_CTL_STDOUT || h->type == TOROBUS_CTL_STDERR) {
        if (h->len > TOROBUS_CTL_STDIO_MAX)
            return false;
        evbuffer_drain(in, sizeof(*h));
        proxy_stdio_output(p, h->type == TOROBUS_CTL_STDOUT ? &p->out : &p->err, in, h->len);
        return true;
    }
    body = shim_frame_take(in, h);
    if (!body)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    if (h->type == TOROBUS_CTL_PMIX) {
        proxy_pmix_message(p, body, h->len);
        return true;
    }
    ok = small_frame(p, h, body);
    free(body);
    return ok;
}

/** The rank has ended, but what the keeper has to say may still come. */
static void late_frame(struct proxy *p, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    char *body = shim_frame_take(in, h);

    if (body && h->len &&
        (h->type == TOROBUS_CTL_ERROR ||
         (h->type == TOROBUS_CTL_NOTE && (h->arg == 0 || shim_msg_verbose() > 0))))
        proxy_note(p, body, h->len);
    free(body);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct proxy *p = arg;
    struct torobus_ctl_hdr h;
    int r;

    while ((r = shim_frame_peek(in, &h)) != 0) {
        if (r > 0 && p->state >= PROXY_ENDED) {
            late_frame(p, &h, in);
        } else if (r < 0 || !frame(p, &h, in)) {
            if (p->state < PROXY_ENDED)
                shim_error("rank %u: guest %s sent what makes no sense", p->world_rank,
                           p->job->node);
            proxy_end(p, SHIM_EXIT_FAIL);
            evbuffer_drain(in, evbuffer_get_length(in));
            return;
        }
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct proxy *p = arg;

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (what & BEV_EVENT_WRITING) {
        /* the keeper has closed; what it said last is still to be read */
        bufferevent_disable(bev, EV_WRITE);
        return;
    }
    on_read(bev, p);
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    if (p->state < PROXY_ENDED) {
        shim_error("rank %u: the keeper of guest %s is gone", p->world_rank, p->job->node);
        proxy_end(p, SHIM_EXIT_FAIL);
    }
    bufferevent_free(bev);
    p->bev = NULL;
    if (p->on_gone)
        p->on_gone(p);
}

static void on_written(struct shim_stream *st, uint32_t bytes, void *arg)
{
    struct proxy *p = arg;
    uint32_t stream = st == &p->out ? 1 : 2;

    if (bytes && p->state < PROXY_ENDED)
        proxy_send(p, TOROBUS_CTL_CREDIT, stream << 24 | bytes, NULL, 0);
    check_finished(p);
}

void proxy_close(struct proxy *p)
{
    if (p->bev)
        bufferevent_free(p->bev);
    p->bev = NULL;
    if (p->out.sink)
        shim_stream_close(&p->out);
    if (p->err.sink)
        shim_stream_close(&p->err);
}

bool proxy_start(struct proxy *p, int fd, struct shim_sink *out, struct shim_sink *err,
                 bool has_stdin)
{
    p->bev = bufferevent_socket_new(p->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!p->bev || !shim_stream_open(&p->out, out, on_written, p) ||
        !shim_stream_open(&p->err, err, on_written, p) || !proxy_stdio_open(p, has_stdin))
        return false;
    bufferevent_setcb(p->bev, on_read, NULL, on_event, p);
    bufferevent_enable(p->bev, EV_READ | EV_WRITE);
    proxy_send_attach(p);
    return true;
}
