/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a guest: checked, answered or passed on to the proxy of their rank.
 *
 * Trust: a guest runs the user's program; everything it sends is checked here (magic, length, type,
 * rank) before it is routed, and bodies are left to the proxy that checks them again. */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void send_clock(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_guest *g = arg;
    struct torobus_ctl_clock clock = {.realtime_ns = g->hello_real_ns,
                                      .monotonic_ns = g->hello_mono_ns,
                                      .hello_tsc = g->hello.tsc};
    unsigned wait_ms = 0;

    (void)fd;
    (void)what;
    if (g->state != KEEPER_GUEST_HELLO || !g->ctl)
        return;
    clock.tsc_hz = keeper_clock_hz(g->keeper, &wait_ms);
    if (clock.tsc_hz == 0) {
        const struct timeval tv = {.tv_usec = (suseconds_t)wait_ms * 1000};

        if (!g->clock_timer)
            g->clock_timer = evtimer_new(g->keeper->base, send_clock, g);
        if (!g->clock_timer || evtimer_add(g->clock_timer, &tv) != 0)
            keeper_guest_fail(g, 1, "no memory for a timer");
        return;
    }
    g->state = KEEPER_GUEST_UP;
    clock_gettime(CLOCK_MONOTONIC, &g->up);
    keeper_guest_send(g, TOROBUS_CTL_CLOCK, TOROBUS_CTL_NOBODY, 0, &clock, sizeof(clock));
    if (g->ctl)
        evbuffer_add_buffer(bufferevent_get_output(g->ctl), g->queue);
}

static void on_hello(struct keeper_guest *g, const void *body, uint32_t len)
{
    if (g->state != KEEPER_GUEST_BOOTING || len != sizeof(g->hello)) {
        keeper_guest_fail(g, 1, "guest %s sent a wrong HELLO", g->name);
        return;
    }
    memcpy(&g->hello, body, sizeof(g->hello));
    if (g->hello.version != TOROBUS_ABI_VERSION) {
        keeper_guest_fail(g, 1,
                          "the kernel of guest %s has Torobus ABI %u, these programs have %u: take "
                          "the kernel image that was installed with them (unset TOROBUS_KERNEL)",
                          g->name, g->hello.version, TOROBUS_ABI_VERSION);
        return;
    }
    if (g->hello.ncores != g->ncores) {
        keeper_guest_fail(g, 1, "guest %s started %u of %u cores", g->name, g->hello.ncores,
                          g->ncores);
        return;
    }
    g->hello_real_ns = now_ns(CLOCK_REALTIME);
    g->hello_mono_ns = now_ns(CLOCK_MONOTONIC);
    g->state = KEEPER_GUEST_HELLO;
    evtimer_del(g->boot_timer);
    keeper_log("guest %s: HELLO", g->name);
    keeper_bind_update(g->keeper);
    send_clock(-1, 0, g);
}

/** Replace control characters, so that a guest cannot drive the user's terminal. */
static void clean(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void on_panic(struct keeper_guest *g, const char *body)
{
    char who[256];

    snprintf(g->panic, sizeof(g->panic), "kernel panic: %.900s", body);
    clean(g->panic);
    /* registers and functions are on the console, and were printed before this was sent */
    keeper_console_drain(g);
    keeper_guest_who(g, who);
    keeper_guest_fail(g, 1, "guest %s: %s", who, g->panic);
}

static void on_report(struct keeper_guest *g, const void *body, uint32_t len)
{
    for (struct keeper_client *c = g->keeper->clients; c; c = c->next) {
        if (c->kind != KEEPER_CLIENT_INFO || c->guest != g)
            continue;
        c->guest = NULL;
        keeper_client_send(c, TOROBUS_CTL_REPORT, 0, body, len);
        keeper_client_done(c);
        return;
    }
}

static void on_punch(struct keeper_guest *g, const void *body, uint32_t len)
{
    uint32_t n = len / (uint32_t)sizeof(struct torobus_ctl_range);
    int err = EINVAL;

    if (len % sizeof(struct torobus_ctl_range) == 0 && n > 0 && n <= TOROBUS_CTL_PUNCH_MAX)
        err = keeper_region_punch(&g->keeper->region, g->slice, body, n);
    keeper_guest_send(g, TOROBUS_CTL_PUNCHED, TOROBUS_CTL_NOBODY, (uint32_t)err, NULL, 0);
}

/** A frame between guest and keeper. */
static void own_frame(struct keeper_guest *g, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    char *body = shim_frame_take(in, h);

    if (!body) {
        keeper_guest_fail(g, 1, "no memory for a frame of guest %s", g->name);
        return;
    }
    switch (h->type) {
    case TOROBUS_CTL_HELLO:
        on_hello(g, body, h->len);
        break;
    case TOROBUS_CTL_PANIC:
        on_panic(g, body);
        break;
    case TOROBUS_CTL_PUNCH:
        on_punch(g, body, h->len);
        break;
    case TOROBUS_CTL_REPORT:
        on_report(g, body, h->len);
        break;
    case TOROBUS_CTL_RESET_DONE:
        keeper_keep_reset_done(g, h->arg, body, h->len);
        break;
    default:
        keeper_guest_fail(g, 1, "guest %s sent a frame of unknown type %u", g->name, h->type);
    }
    free(body);
}

/** A rank's frame for the keeper. @return false if it makes no sense. */
static bool core_frame(struct keeper_guest *g, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    void *body = shim_frame_take(in, h);
    bool ok = body && keeper_core(g, h->rank, body, h->len);

    free(body);
    return ok;
}

/** A frame for the proxy of a rank. @return false if it is none. */
static bool rank_frame(struct keeper_guest *g, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    const size_t bytes = sizeof(*h) + h->len;
    struct keeper_client *c;

    if (h->rank >= g->nranks || g->state == KEEPER_GUEST_BOOTING)
        return false;
    switch (h->type) {
    case TOROBUS_CTL_STDOUT:
    case TOROBUS_CTL_STDERR:
        if (h->len > TOROBUS_CTL_STDIO_MAX)
            return false;
        break;
    case TOROBUS_CTL_CORE:
        return core_frame(g, h, in);
    case TOROBUS_CTL_STARTED:
    case TOROBUS_CTL_EXIT:
    case TOROBUS_CTL_FAILED:
    case TOROBUS_CTL_CREDIT:
        break;
    case TOROBUS_CTL_PMIX:
        g->pmix_up[h->rank]++;
        break;
    case TOROBUS_CTL_LOCK:
        break;
    default:
        return false;
    }
    c = g->rank[h->rank];
    if (!c || g->ended[h->rank]) {
        evbuffer_drain(in, bytes);
    } else {
        struct evbuffer *out = bufferevent_get_output(c->bev);

        evbuffer_remove_buffer(in, out, bytes);
        if (evbuffer_get_length(out) > KEEPER_BACKLOG_MAX) {
            keeper_guest_fail(g, 1, "guest %s sends more than its credit", g->name);
            return true;
        }
    }
    if (h->type == TOROBUS_CTL_EXIT || h->type == TOROBUS_CTL_FAILED)
        keeper_guest_rank_ended(g, h->rank);
    return true;
}

void keeper_ctl_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct keeper_guest *g = arg;
    struct torobus_ctl_hdr h;
    int r;

    while (g->state < KEEPER_GUEST_STOPPING && (r = shim_frame_peek(in, &h)) != 0) {
        if (r < 0) {
            keeper_guest_fail(g, 1, "guest %s sent what is no frame", g->name);
            return;
        }
        if (h.rank == TOROBUS_CTL_NOBODY) {
            own_frame(g, &h, in);
        } else if (!rank_frame(g, &h, in)) {
            keeper_guest_fail(g, 1,
                              "guest %s sent an impossible frame (type %u, rank %u, %u bytes)",
                              g->name, h.type, h.rank, h.len);
            return;
        }
    }
    if (g->state >= KEEPER_GUEST_STOPPING)
        evbuffer_drain(in, evbuffer_get_length(in));
}
