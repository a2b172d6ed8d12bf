/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that stay. When all ranks of a job have ended, its guests are told to forget it and their
 * memory goes back to the host; then the keeper leaves the job's address and listens at one of its
 * pool, where the next job that wants such guests finds it.
 *
 * A client that wants them asks there first (ADOPT). The keeper binds the address of the client's
 * job, which is what decides: if another keeper has it already, this one goes on waiting. */
#include "keeper.h"

#include "shim_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** How long a guest may take to forget a job. */
static const struct timeval reset_limit = {.tv_sec = 5};
/** How long an adopted keeper waits for the job's first client. */
static const struct timeval grace = {.tv_sec = 5};

#define EACH_GUEST(k, g)                                                                           \
    for (unsigned i_ = 0; i_ < TOROBUS_MAX_GUESTS; i_++)                                           \
        if (((g) = (k)->guest[i_]) != NULL)

/** Whether the guest has nothing to do, and is fit for another job. */
static bool empty(const struct keeper_guest *g)
{
    return g->state == KEEPER_GUEST_UP && !g->failed && g->nattached > 0 &&
           g->nended == g->nattached;
}

/** Whether some rank lives, or is still to come. The memory of one rank may be looked at by others
 * until they have all ended. */
static bool busy(const struct keeper *k)
{
    const struct keeper_guest *g;

    EACH_GUEST(k, g)
    {
        if ((g->state >= KEEPER_GUEST_BOOTING && g->state < KEEPER_GUEST_UP) ||
            (g->state == KEEPER_GUEST_UP && !empty(g)))
            return true;
    }
    return false;
}

bool keeper_keeps(const struct keeper *k)
{
    return k->keep_s != 0 && !k->stop && !k->native.used;
}

void keeper_keep_quiet(struct keeper *k)
{
    struct keeper_guest *g;

    if (!keeper_keeps(k) || busy(k))
        return;
    EACH_GUEST(k, g)
    {
        /* ranks of a node come one by one: those that are missing may be on their way */
        if (!empty(g) || g->nended < g->nranks)
            continue;
        keeper_guest_send(g, TOROBUS_CTL_RESET, TOROBUS_CTL_NOBODY, 0, NULL, 0);
        g->state = KEEPER_GUEST_RESETTING;
        evtimer_add(g->stop_timer, &reset_limit);
    }
}

void keeper_keep_reset_done(struct keeper_guest *g, uint32_t err, const void *body, uint32_t len)
{
    struct torobus_ctl_reset r = {0};
    struct torobus_ctl_clock clock;
    struct keeper *k = g->keeper;
    struct timespec real, mono;
    unsigned wait_ms;

    if (len >= TOROBUS_CTL_RESET_SIZE(0) && len <= sizeof(r))
        memcpy(&r, body, len);
    if (g->state != KEEPER_GUEST_RESETTING || len < TOROBUS_CTL_RESET_SIZE(0) ||
        r.nkeep > TOROBUS_CTL_KEEP_MAX || len != TOROBUS_CTL_RESET_SIZE(r.nkeep)) {
        keeper_guest_fail(g, 1, "guest %s sent a wrong RESET_DONE", g->name);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    evtimer_del(g->stop_timer);
    clock.tsc_hz = keeper_clock_hz(k, &wait_ms);
    if (err || clock.tsc_hz == 0 || !keeper_region_wipe(&k->region, g->slice, r.keep, r.nkeep)) {
        keeper_log("guest %s: cannot be used again (%u): %s", g->name, err, strerror(errno));
        keeper_guest_kill(g);
        return;
    }
    clock.hello_tsc = r.tsc;
    clock.realtime_ns = (uint64_t)real.tv_sec * 1000000000u + (uint64_t)real.tv_nsec;
    clock.monotonic_ns = (uint64_t)mono.tv_sec * 1000000000u + (uint64_t)mono.tv_nsec;
    keeper_guest_send(g, TOROBUS_CTL_WIPED, TOROBUS_CTL_NOBODY, 0, NULL, 0);
    keeper_guest_send(g, TOROBUS_CTL_CLOCK, TOROBUS_CTL_NOBODY, 0, &clock, sizeof(clock));
    g->state = KEEPER_GUEST_KEPT;
    g->njobs++;
    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++) {
        g->rank[i] = NULL;
        g->attached[i] = g->ended[i] = false;
        g->pmix_up[i] = g->pmix_down[i] = 0;
    }
    g->nattached = g->nended = 0;
    keeper_log("guest %s: kept, %u ranges of its memory", g->name, r.nkeep);
    keeper_check_idle(k);
}

/** Listen at an address in the place of the present one. */
static bool listen_at(struct keeper *k, const char *name)
{
    struct sockaddr_un sa;
    socklen_t len = shim_job_address(name, &sa);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct event *ev = NULL;

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&sa, len) == 0 && listen(fd, 128) == 0)
        ev = event_new(k->base, fd, EV_READ | EV_PERSIST, keeper_client_accept, k);
    if (!ev || event_add(ev, NULL) != 0) {
        if (ev)
            event_free(ev);
        if (fd >= 0)
            close(fd);
        return false;
    }
    event_free(k->listen_ev);
    close(k->listenfd);
    k->listen_ev = ev;
    k->listenfd = fd;
    return true;
}

static bool wait_in_pool(struct keeper *k)
{
    const struct timeval limit = {.tv_sec = (time_t)k->keep_s};
    char name[SHIM_POOL_MAX + 8];

    for (unsigned i = 0; i < SHIM_POOL_SIZE && k->pool[0]; i++) {
        snprintf(name, sizeof(name), "%s-%u", k->pool, i);
        if (!listen_at(k, name))
            continue;
        keeper_log("waits for a job at %s", name);
        k->idle = true;
        k->ending = k->flushed = false;
        keeper_client_release_all(k);
        evtimer_add(k->idle_timer, &limit);
        return true;
    }
    return false;
}

/** Its proxies are gone, and its ranks have been told to end. */
static void await_ranks(struct keeper_guest *g)
{
    if (!evtimer_pending(g->stop_timer, NULL))
        evtimer_add(g->stop_timer, &reset_limit);
}

bool keeper_keep_idle(struct keeper *k)
{
    unsigned kept = 0, pending = 0;
    struct keeper_guest *g;

    if (k->idle) {
        EACH_GUEST(k, g)
        if (g->pid > 0)
            return true;
        return false;
    }
    EACH_GUEST(k, g)
    {
        if (g->state == KEEPER_GUEST_UP && empty(g) && g->nended < g->nranks) {
            /* the rest of its ranks will not come: it was no whole job, but the guest is whole */
            g->nended = g->nattached = g->nranks;
        }
    }
    keeper_keep_quiet(k);
    EACH_GUEST(k, g)
    {
        g->failed = g->failed && g->pid > 0;
        if (g->state == KEEPER_GUEST_KEPT)
            kept++;
        else if (g->state == KEEPER_GUEST_RESETTING || g->state == KEEPER_GUEST_STOPPING)
            pending++;
        else if (g->state == KEEPER_GUEST_UP && g->nended < g->nattached)
            await_ranks(g), pending++;
        else if (g->pid > 0)
            keeper_guest_kill(g), pending++;
        else
            keeper_guest_release(g);
    }
    if (pending)
        return true;
    return kept > 0 && wait_in_pool(k);
}

void keeper_keep_end(struct keeper *k)
{
    keeper_log("no job came, ends");
    k->idle = false;
    k->stop = true;
}

/** Whether the end of the guest would not free its slice: its node holds it, or it must be told of.
 */
static bool held(const struct keeper_guest *g)
{
    for (const struct keeper_client *c = g->keeper->clients; c; c = c->next)
        if (c->guest == g && c->kind == KEEPER_CLIENT_NODE && !c->leaving && !c->closing)
            return true;
    return g->failed;
}

/** Whether the guest is only there for a job to come. */
static bool spare(const struct keeper_guest *g)
{
    return g->state == KEEPER_GUEST_KEPT || g->state == KEEPER_GUEST_RESETTING ||
           (empty(g) && g->nended >= g->nranks);
}

static bool older(const struct keeper_guest *a, const struct keeper_guest *b)
{
    return a->born.tv_sec != b->born.tv_sec ? a->born.tv_sec < b->born.tv_sec
                                            : a->born.tv_nsec < b->born.tv_nsec;
}

bool keeper_keep_make_room(struct keeper *k)
{
    struct keeper_guest *g, *oldest = NULL;

    EACH_GUEST(k, g)
    {
        if (held(g))
            continue;
        if (g->state == KEEPER_GUEST_STOPPING)
            return true;
        if (spare(g) && (!oldest || older(g, oldest)))
            oldest = g;
    }
    if (!oldest)
        return false;
    keeper_log("guest %s: ends, its slice is needed", oldest->name);
    if (oldest->state == KEEPER_GUEST_UP)
        keeper_guest_stop(oldest);
    else
        keeper_guest_kill(oldest);
    return true;
}

/** The part of a node's name that programs see. */
static size_t base_len(const char *name)
{
    return strcspn(name, "+");
}

struct keeper_guest *keeper_keep_find(struct keeper *k, const char *name)
{
    struct keeper_guest *g;

    EACH_GUEST(k, g)
    {
        if (g->state == KEEPER_GUEST_KEPT && base_len(g->name) == base_len(name) &&
            strncmp(g->name, name, base_len(name)) == 0) {
            snprintf(g->name, sizeof(g->name), "%s", name);
            return g;
        }
    }
    return NULL;
}

struct keeper_guest *keeper_keep_use(struct keeper_guest *g, unsigned nranks,
                                     const struct keeper_settings *s, char err[512])
{
    struct keeper_guest *other;
    char name[64];

    if (g->nranks == nranks && g->settings.cores == s->cores && g->settings.fs == s->fs &&
        g->settings.log == s->log && g->settings.spin_ns == s->spin_ns && !g->settings.gdb &&
        !s->gdb && strcmp(g->settings.root, s->root) == 0 &&
        g->settings.mem_per_rank == s->mem_per_rank && strcmp(g->settings.mem, s->mem) == 0) {
        g->state = KEEPER_GUEST_UP;
        keeper_log("guest %s: serves another job", g->name);
        return g;
    }
    keeper_log("guest %s: kept with %u ranks and other settings, ends", g->name, g->nranks);
    memcpy(name, g->name, sizeof(name));
    snprintf(g->name, sizeof(g->name), "(slice %u)", g->slice);
    keeper_guest_kill(g);
    other = keeper_guest_reserve(g->keeper, name, err);
    for (struct keeper_client *c = g->keeper->clients; c; c = c->next)
        if (c->guest == g)
            c->guest = other;
    /* spawned jobs leave several guests whose names begin alike: this may be another such one */
    return other && other->state == KEEPER_GUEST_KEPT ? keeper_keep_use(other, nranks, s, err)
                                                      : other;
}

static void adopt(struct keeper_client *c, const char *key)
{
    struct keeper *k = c->keeper;

    if (!listen_at(k, key)) {
        keeper_client_error(c, 1, "this job has a keeper already");
        return;
    }
    keeper_log("adopted by job %s", key);
    memcpy(k->key, key, sizeof(k->key));
    k->idle = k->had_client = k->ending = k->flushed = false;
    evtimer_add(k->idle_timer, &grace);
    keeper_client_send(c, TOROBUS_CTL_ADOPTED, 0, NULL, 0);
    keeper_client_done(c);
}

void keeper_keep_request(struct keeper_client *c, const struct torobus_ctl_hdr *h, const void *body)
{
    char key[SHIM_KEY_LEN + 1];

    if (!c->keeper->idle) {
        keeper_client_error(c, 1, "the keeper has a job");
    } else if (h->type == TOROBUS_CTL_END_IDLE) {
        /* the answer is the end of the connection, when all is gone */
        keeper_keep_end(c->keeper);
        c->leaving = true;
        c->keeper->ending = true;
        keeper_check_idle(c->keeper);
    } else if (h->len != SHIM_KEY_LEN) {
        keeper_client_error(c, 1, "the keeper got a wrong key");
    } else {
        memcpy(key, body, SHIM_KEY_LEN);
        key[SHIM_KEY_LEN] = '\0';
        if (strspn(key, "0123456789abcdef") == SHIM_KEY_LEN)
            adopt(c, key);
        else
            keeper_client_error(c, 1, "the keeper got a wrong key");
    }
}
