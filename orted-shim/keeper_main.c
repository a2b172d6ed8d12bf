/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a keeper: loop, idle check, end. */
#include "keeper.h"

#include "shim_msg.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LISTEN_FD 3
/** How long the first client may take, and how long a guest waits for ranks not yet there. */
static const struct timeval grace = {.tv_sec = 5};
/** How long clients may take to read their last frames. */
static const struct timeval flush_limit = {.tv_sec = 2};

/** Whether a guest still expects ranks that have not come. */
static bool expecting(const struct keeper *k)
{
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++) {
        const struct keeper_guest *g = k->guest[i];

        if (g && g->state >= KEEPER_GUEST_BOOTING && g->state <= KEEPER_GUEST_UP &&
            g->nattached < g->nranks && g->nended == g->nattached)
            return true;
    }
    return false;
}

static bool all_dead(const struct keeper *k)
{
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->guest[i] && k->guest[i]->pid > 0)
            return false;
    return true;
}

/** Whether a client wants something else than to see the end. */
static bool in_use(const struct keeper *k)
{
    for (const struct keeper_client *c = k->clients; c; c = c->next)
        if (!c->leaving && !c->closing && c->kind != KEEPER_CLIENT_INFO)
            return true;
    return false;
}

/** Whether a client has not yet got what was said to it. */
static bool unsent(const struct keeper *k)
{
    for (const struct keeper_client *c = k->clients; c; c = c->next)
        if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
            return true;
    return false;
}

/** At the very end: whether somebody has connected meanwhile, as a spawned rank does while the last
 * rank of its parents leaves. Who comes later finds nobody here and starts another keeper, instead
 * of waiting for one whose memory takes its time to be freed. */
static bool somebody_came(struct keeper *k)
{
    if (k->listenfd < 0)
        return false;
    if (!k->stop) {
        keeper_client_accept(k->listenfd, EV_READ, k);
        if (in_use(k))
            return true;
    }
    event_del(k->listen_ev);
    close(k->listenfd);
    k->listenfd = -1;
    return false;
}

void keeper_check_idle(struct keeper *k)
{
    if (in_use(k)) {
        keeper_client_release_all(k);
        evtimer_del(k->idle_timer);
        k->flushed = false;
        return;
    }
    if (!k->ending && (!k->had_client || expecting(k))) {
        /* ranks of a node come one by one; a short-lived first one must not end the guest */
        if (expecting(k))
            keeper_client_release_all(k);
        if (!evtimer_pending(k->idle_timer, NULL))
            evtimer_add(k->idle_timer, &grace);
        return;
    }
    if (keeper_keeps(k) && keeper_keep_idle(k))
        return;
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->guest[i] && k->guest[i]->pid > 0)
            keeper_guest_stop(k->guest[i]);
    if (!all_dead(k))
        return;
    if (unsent(k) && !k->flushed) {
        k->flushed = true; /* waits once */
        evtimer_add(k->idle_timer, &flush_limit);
        return;
    }
    if (unsent(k) && evtimer_pending(k->idle_timer, NULL))
        return;
    if (somebody_came(k))
        return;
    keeper_log("idle, ends");
    event_base_loopbreak(k->base);
}

static void idle_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)fd;
    (void)what;
    if (in_use(k))
        return;
    if (k->idle)
        keeper_keep_end(k);
    k->ending = true;
    keeper_check_idle(k);
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
    struct keeper *k = arg;

    (void)what;
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->guest[i] && k->guest[i]->pid > 0)
            keeper_guest_fail(k->guest[i], 128 + (int)sig, "the keeper was told to end (signal %d)",
                              (int)sig);
    k->stop = true;
    k->ending = true;
    keeper_check_idle(k);
}

int keeper_main(const char *key)
{
    struct rlimit lim;
    struct keeper *k = calloc(1, sizeof(*k));
    struct event *term;

    shim_msg_init("torobus-keeper");
    prctl(PR_SET_NAME, "torobus-keeper");
    if (!k || strlen(key) > SHIM_KEY_LEN)
        return SHIM_EXIT_FAIL;
    strcpy(k->key, key);
    keeper_clock_start(k);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a region beyond ulimit -f is an error to report, not our end */
    /* a guest costs three descriptors and an eventfd per core */
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    k->region.memfd = -1;
    k->listenfd = LISTEN_FD;
    evutil_make_socket_closeonexec(LISTEN_FD);
    evutil_make_socket_nonblocking(LISTEN_FD);
    k->base = event_base_new();
    if (!k->base)
        return SHIM_EXIT_FAIL;
    k->listen_ev = event_new(k->base, LISTEN_FD, EV_READ | EV_PERSIST, keeper_client_accept, k);
    k->idle_timer = evtimer_new(k->base, idle_timeout, k);
    term = evsignal_new(k->base, SIGTERM, on_term, k);
    if (!k->listen_ev || !k->idle_timer || !term)
        return SHIM_EXIT_FAIL;
    if (!keeper_stop_watch(k))
        return SHIM_EXIT_FAIL;
    event_add(k->listen_ev, NULL);
    event_add(term, NULL);
    evtimer_add(k->idle_timer, &grace);
    event_base_dispatch(k->base);
    /* clients still connected see the end of file: everything of the job is gone. The kernel frees
     * the region, the sockets and the address with the process. */
    return 0;
}
