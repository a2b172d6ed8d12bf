/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests of a job: reservation, frames to them, their end. */
#include "keeper.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** How long a guest may take to power off when asked. */
static const struct timeval stop_limit = {.tv_sec = 2};

struct keeper_guest *keeper_guest_find(struct keeper *k, const char *name)
{
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->guest[i] && strcmp(k->guest[i]->name, name) == 0)
            return k->guest[i];
    return NULL;
}

struct keeper_guest *keeper_guest_reserve(struct keeper *k, const char *name, char err[512])
{
    struct keeper_guest *g = keeper_guest_find(k, name);
    unsigned i;

    if (!g)
        g = keeper_keep_find(k, name);
    if (g)
        return g;
    for (i = 0;
         i < k->region.sb.nguests && (k->guest[i] || (k->native.used && k->native.slice == i)); i++)
        ;
    if (i == k->region.sb.nguests) {
        snprintf(err, 512,
                 "no slice for guest %s: the job needs more guests than the region has slices "
                 "(%u): raise TOROBUS_GUESTS",
                 name, k->region.sb.nguests);
        return NULL;
    }
    g = calloc(1, sizeof(*g));
    if (!g || !(g->queue = evbuffer_new())) {
        free(g);
        snprintf(err, 512, "no memory for guest %s", name);
        return NULL;
    }
    g->keeper = k;
    g->slice = i;
    g->pidfd = -1;
    snprintf(g->name, sizeof(g->name), "%s", name);
    snprintf(g->uname, sizeof(g->uname), "%.*s", (int)strcspn(name, "+"), name);
    keeper_region_reserve(&k->region, i, g->uname, 0, 0);
    k->guest[i] = g;
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->kind == KEEPER_CLIENT_NODE && !c->guest && strcmp(c->node, name) == 0)
            c->guest = g; /* its node's guest was ended for want of a slice; this is the next one */
    return g;
}

static struct evbuffer *output_of(struct keeper_guest *g)
{
    return g->state >= KEEPER_GUEST_UP && g->ctl ? bufferevent_get_output(g->ctl) : g->queue;
}

void keeper_guest_forward(struct keeper_guest *g, struct evbuffer *in, uint32_t bytes)
{
    if (g->state >= KEEPER_GUEST_STOPPING)
        evbuffer_drain(in, bytes);
    else
        evbuffer_remove_buffer(in, output_of(g), bytes);
}

void keeper_guest_send(struct keeper_guest *g, uint16_t type, uint32_t rank, uint32_t arg,
                       const void *body, uint32_t len)
{
    if (g->state >= KEEPER_GUEST_STOPPING)
        return;
    if (!shim_frame_put(output_of(g), type, rank, arg, body, len))
        keeper_guest_fail(g, 1, "no memory for a frame to guest %s", g->name);
}

void keeper_guest_client_gone(struct keeper_guest *g, struct keeper_client *c)
{
    if (g->rank[c->rank] != c)
        return;
    g->rank[c->rank] = NULL;
    if (!g->ended[c->rank]) {
        keeper_log("guest %s: proxy of rank %u has gone", g->name, c->rank);
        /* nobody is there to say how it ended */
        keeper_guest_send(g, TOROBUS_CTL_SIGNAL, c->rank, SIGKILL, NULL, 0);
        if (g->state == KEEPER_GUEST_BOOTING || g->state == KEEPER_GUEST_HELLO)
            keeper_guest_rank_ended(g, c->rank);
    }
}

void keeper_guest_rank_ended(struct keeper_guest *g, uint32_t rank)
{
    if (g->ended[rank])
        return;
    g->ended[rank] = true;
    g->nended++;
    keeper_log("guest %s: rank %u ended, PMIx messages to the host %u, from it %u", g->name, rank,
               g->pmix_up[rank], g->pmix_down[rank]);
    if (g->nended == g->nranks && !keeper_keeps(g->keeper))
        keeper_guest_stop(g);
    keeper_keep_quiet(g->keeper);
    keeper_client_retry(g->keeper);
    keeper_check_idle(g->keeper);
}

static void note(struct keeper_guest *g, uint32_t kind, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void note(struct keeper_guest *g, uint32_t kind, const char *fmt, va_list ap)
{
    struct keeper_client *to = NULL;
    char text[1200];
    int n = vsnprintf(text, sizeof(text), fmt, ap);

    if (n >= (int)sizeof(text))
        n = (int)sizeof(text) - 1;
    for (unsigned i = 0; i < g->nranks && !to; i++)
        to = g->rank[i];
    for (struct keeper_client *c = g->keeper->clients; c && !to; c = c->next)
        if (c->kind == KEEPER_CLIENT_NODE && c->guest == g && !c->closing)
            to = c;
    if (to)
        keeper_client_send(to, TOROBUS_CTL_NOTE, kind, text, (uint32_t)n);
}

void keeper_guest_note(struct keeper_guest *g, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    note(g, 0, fmt, ap);
    va_end(ap);
}

void keeper_guest_step(struct keeper_guest *g, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    note(g, 1, fmt, ap);
    va_end(ap);
}

void keeper_guest_who(const struct keeper_guest *g, char text[256])
{
    int n = snprintf(text, 256, "%s", g->name);
    bool first = true;

    for (unsigned i = 0; i < g->ncores && n < 240; i++) {
        unsigned last = i;

        if (!g->attached[i])
            continue;
        while (last + 1 < g->ncores && g->attached[last + 1] &&
               g->world_rank[last + 1] == g->world_rank[last] + 1)
            last++;
        n +=
            snprintf(text + n, 256 - (size_t)n, "%s%u", first ? " (rank " : ", ", g->world_rank[i]);
        if (last > i && n < 240)
            n += snprintf(text + n, 256 - (size_t)n, "-%u", g->world_rank[last]);
        first = false;
        i = last;
    }
    if (!first && n < 250)
        snprintf(text + n, 256 - (size_t)n, "%s)", n < 240 ? "" : " ...");
}

void keeper_guest_fail(struct keeper_guest *g, int status, const char *fmt, ...)
{
    char text[1200];
    bool told = false;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    keeper_log("guest %s fails: %s", g->name, text);
    if (g->failed)
        return;
    g->failed = true;
    for (unsigned i = 0; i < g->nranks; i++) {
        struct keeper_client *c = g->rank[i];

        if (!c || g->ended[i])
            continue;
        /* one of them tells the user, the others just end */
        g->rank[i] = NULL;
        keeper_client_error(c, status, told ? "" : text);
        told = true;
    }
    for (struct keeper_client *c = g->keeper->clients; c && !told; c = c->next) {
        if (c->kind != KEEPER_CLIENT_NODE || c->guest != g || c->closing)
            continue;
        keeper_client_send(c, TOROBUS_CTL_NOTE, 0, text, (uint32_t)strlen(text));
        told = true;
    }
    keeper_guest_kill(g);
    keeper_check_idle(g->keeper);
}

void keeper_guest_stop(struct keeper_guest *g)
{
    if (g->pid <= 0 || g->state >= KEEPER_GUEST_STOPPING)
        return;
    if (g->state < KEEPER_GUEST_UP) {
        keeper_guest_kill(g);
        return;
    }
    keeper_guest_send(g, TOROBUS_CTL_SHUTDOWN, TOROBUS_CTL_NOBODY, 0, NULL, 0);
    g->state = KEEPER_GUEST_STOPPING;
    evtimer_add(g->stop_timer, &stop_limit);
}

void keeper_guest_kill(struct keeper_guest *g)
{
    if (g->state < KEEPER_GUEST_STOPPING && g->pid > 0)
        g->state = KEEPER_GUEST_STOPPING;
    if (g->pid > 0)
        kill(g->pid, SIGKILL);
}

void keeper_guest_release(struct keeper_guest *g)
{
    struct keeper *k = g->keeper;

    /* one that failed stays, so that a late rank of it is told, not booted alone */
    if ((g->state != KEEPER_GUEST_DEAD && g->state != KEEPER_GUEST_RESERVED) || g->failed)
        return;
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->guest == g && c->kind == KEEPER_CLIENT_NODE && !c->leaving && !c->closing)
            return;
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->guest == g)
            c->guest = NULL;
    keeper_log("guest %s: slice %u is free", g->name, g->slice);
    if (g->state == KEEPER_GUEST_DEAD)
        keeper_region_release(&k->region, g->slice);
    k->guest[g->slice] = NULL;
    if (g->exit_ev)
        event_free(g->exit_ev);
    if (g->boot_timer)
        event_free(g->boot_timer);
    if (g->stop_timer)
        event_free(g->stop_timer);
    if (g->clock_timer)
        event_free(g->clock_timer);
    evbuffer_free(g->queue);
    keeper_numa_forget(g);
    free(g);
    keeper_client_retry(k);
}
