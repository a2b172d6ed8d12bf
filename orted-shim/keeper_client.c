/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of host programs. */
#include "keeper.h"

#include "shim_tmpdir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** How long a connection may say nothing about what it is. */
static const struct timeval hello_limit = {.tv_sec = 10};
/** How long a rank for which there is no slice waits for others that may be about to end: of a
 * spawned job, the parent knows that it has disconnected, not that its guest is gone. */
static const struct timeval patience = {.tv_sec = 2};

static void client_free(struct keeper_client *c)
{
    struct keeper *k = c->keeper;

    for (struct keeper_client **p = &k->clients; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    if (c->kind == KEEPER_CLIENT_RANK && c->guest)
        keeper_guest_client_gone(c->guest, c);
    if (c->kind == KEEPER_CLIENT_NATIVE)
        keeper_native_gone(c);
    bufferevent_free(c->bev);
    free(c->first);
    if (c->patience)
        event_free(c->patience);
    free(c->core_dir);
    hwloc_bitmap_free(c->cpus);
    free(c);
    keeper_check_idle(k);
}

void keeper_client_send(struct keeper_client *c, uint16_t type, uint32_t arg, const void *body,
                        uint32_t len)
{
    if (!c->closing)
        shim_frame_put(bufferevent_get_output(c->bev), type, c->rank, arg, body, len);
}

static void on_drained(struct bufferevent *bev, void *arg)
{
    struct keeper_client *c = arg;

    (void)bev;
    if (c->closing)
        client_free(c);
}

void keeper_client_done(struct keeper_client *c)
{
    c->closing = true;
    bufferevent_disable(c->bev, EV_READ);
    /* freed from the loop, never under the caller's feet */
    bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

void keeper_client_error(struct keeper_client *c, int status, const char *text)
{
    keeper_client_send(c, TOROBUS_CTL_ERROR, (uint32_t)status, text, (uint32_t)strlen(text));
    keeper_client_done(c);
}

void keeper_client_retry(struct keeper *k)
{
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->first && !c->closing)
            bufferevent_trigger(c->bev, EV_READ,
                                BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void keeper_client_release_all(struct keeper *k)
{
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->leaving && !c->closing)
            keeper_client_done(c);
}

/** A frame of a proxy, to be passed on. @return false if it may not send that. */
static bool forward(struct keeper_client *c, const struct torobus_ctl_hdr *h, struct evbuffer *in)
{
    if (c->kind != KEEPER_CLIENT_RANK || h->rank != c->rank)
        return false;
    switch (h->type) {
    case TOROBUS_CTL_RANK_START:
    case TOROBUS_CTL_STDIN:
    case TOROBUS_CTL_SIGNAL:
    case TOROBUS_CTL_CREDIT:
    case TOROBUS_CTL_PMIX:
    case TOROBUS_CTL_LOCKED:
        if (c->guest && h->type == TOROBUS_CTL_PMIX)
            c->guest->pmix_down[c->rank]++;
        if (c->guest)
            keeper_guest_forward(c->guest, in, (uint32_t)sizeof(*h) + h->len);
        else
            evbuffer_drain(in, sizeof(*h) + h->len); /* the guest is gone, its EXIT on the way */
        return true;
    default:
        return false;
    }
}

static void on_impatient(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_client *c = arg;

    (void)fd;
    (void)what;
    c->impatient = true;
    keeper_client_retry(c->keeper);
}

/** Its first frame, perhaps not for the first time. @return whether it is done with. */
static bool first_frame(struct keeper_client *c, const struct torobus_ctl_hdr *h, void *body)
{
    enum keeper_attach_result r = body ? keeper_attach(c, h, body) : KEEPER_ATTACH_REFUSED;

    if (r == KEEPER_ATTACH_LATER) {
        if (!c->first) {
            keeper_log("a client waits until a guest has ended");
            c->patience = evtimer_new(c->keeper->base, on_impatient, c);
            if (c->patience)
                evtimer_add(c->patience, &patience);
            else
                c->impatient = true;
        }
        c->first = body;
        c->first_hdr = *h;
        bufferevent_disable(c->bev, EV_READ);
        return false;
    }
    c->first = NULL;
    free(body);
    return r == KEEPER_ATTACH_OK;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct keeper_client *c = arg;
    struct torobus_ctl_hdr h;
    int r;

    if (c->first) {
        h = c->first_hdr;
        if (!first_frame(c, &h, c->first))
            return;
        bufferevent_enable(bev, EV_READ);
    }
    while (!c->closing && (r = shim_frame_peek(in, &h)) != 0) {
        if (r < 0) {
            keeper_client_error(c, 1, "the keeper got what is no frame");
            return;
        }
        if (c->kind == KEEPER_CLIENT_NEW) {
            bufferevent_set_timeouts(bev, NULL, NULL);
            if (!first_frame(c, &h, shim_frame_take(in, &h)))
                return;
        } else if (c->kind == KEEPER_CLIENT_NATIVE) {
            evbuffer_drain(in, sizeof(h) + h.len);
            if (!keeper_native_frame(c, &h)) {
                keeper_client_done(c);
                return;
            }
        } else if (!forward(c, &h, in)) {
            keeper_client_error(c, 1, "the keeper got a frame that does not belong here");
            return;
        }
    }
}

/** An orted-shim has gone. It removes its directory itself unless it was killed. */
static void node_gone(struct keeper_client *c)
{
    char path[SHIM_PATH_MAX];

    if (shim_tmpdir_name(NULL, c->keeper->key, c->guest->name, path))
        shim_tmpdir_remove(path);
    keeper_guest_release(c->guest);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct keeper_client *c = arg;

    if (what & BEV_EVENT_EOF && what & BEV_EVENT_READING && !c->closing) {
        on_read(bev, c);
        if (c->closing)
            return;
        /* It has gone, or it has nothing more to say and waits for the end of the job: both look
         * the same, and if it waits, it is let go at once unless it is the last one. */
        bufferevent_disable(bev, EV_READ);
        c->leaving = true;
        if (c->kind == KEEPER_CLIENT_RANK && c->guest)
            keeper_guest_client_gone(c->guest, c);
        else if (c->kind == KEEPER_CLIENT_NODE && c->guest)
            node_gone(c);
        else if (c->kind == KEEPER_CLIENT_NATIVE)
            keeper_native_gone(c);
        keeper_check_idle(c->keeper);
        return;
    }
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        client_free(c);
}

void keeper_client_accept(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)what;
    for (;;) {
        struct keeper_client *c;
        struct ucred cred;
        socklen_t len = sizeof(cred);
        int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (s < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || cred.uid != getuid()) {
            keeper_log("refused a connection of uid %u", (unsigned)cred.uid);
            close(s);
            continue;
        }
        c = calloc(1, sizeof(*c));
        if (c)
            c->bev = bufferevent_socket_new(k->base, s, BEV_OPT_CLOSE_ON_FREE);
        if (!c || !c->bev) {
            free(c);
            close(s);
            continue;
        }
        c->keeper = k;
        c->pid = cred.pid;
        c->port = -1;
        c->next = k->clients;
        k->clients = c;
        bufferevent_setcb(c->bev, on_read, on_drained, on_event, c);
        bufferevent_set_timeouts(c->bev, &hello_limit, NULL);
        bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    }
}
