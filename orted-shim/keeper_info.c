/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers for toro-info: what the keeper knows itself, and queries passed on to a guest. */
#include "keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {"reserved",        "booting",         "booting", "up",
                                          "forgets its job", "waits for a job", "ending",  "dead"};

static double ms_between(const struct timespec *a, const struct timespec *b)
{
    return (double)(b->tv_sec - a->tv_sec) * 1e3 + (double)(b->tv_nsec - a->tv_nsec) / 1e6;
}

static void print_port(FILE *f, struct keeper *k, unsigned slice, unsigned core)
{
    uint32_t id = slice * k->region.sb.ports_per_guest + core;
    struct torobus_port *p = torobus_port_at(k->region.head, &k->region.sb, id);
    struct torobus_port_stats *s = &p->stats;

#define N(field) (uint64_t) atomic_load_explicit(&s->field, memory_order_relaxed)
    fprintf(f,
            "  port %u rank %d state %u: sent %" PRIu64 " (%" PRIu64 " B) received %" PRIu64
            " (%" PRIu64 " B) full %" PRIu64 " sleeps %" PRIu64 " doorbells %" PRIu64 "/%" PRIu64
            " puts %" PRIu64 " gets %" PRIu64 " (%" PRIu64 " B) atomics %" PRIu64 "\n",
            id, (int)p->owner_rank, atomic_load_explicit(&p->state, memory_order_relaxed),
            N(msgs_sent), N(bytes_sent), N(msgs_recv), N(bytes_recv), N(ring_full), N(sleeps),
            N(doorbells_sent), N(doorbells_recv), N(puts), N(gets), N(rdma_bytes), N(atomics));
#undef N
}

static void print_guest(FILE *f, struct keeper *k, const struct keeper_guest *g, bool ports)
{
    fprintf(f, "guest %s: slice %u, %u cores, %s", g->name, g->slice, g->ncores,
            state_names[g->state]);
    if (g->pid > 0)
        fprintf(f, ", QEMU pid %d", (int)g->pid);
    if (g->up.tv_sec)
        fprintf(f, ", up in %.0f ms, kernel uses %" PRIu64 " KiB", ms_between(&g->born, &g->up),
                g->hello.kernel_bytes >> 10);
    if (g->njobs)
        fprintf(f, ", served %u job%s", g->njobs, g->njobs == 1 ? "" : "s");
    if (g->state == KEEPER_GUEST_KEPT)
        fputc('\n', f);
    else
        fprintf(f, ", %u of %u ranks ended\n", g->nended, g->nranks);
    keeper_bind_print(f, g);
    for (unsigned i = 0; ports && i < g->ncores; i++)
        print_port(f, k, g->slice, i);
}

/** Ranks that are Linux processes. */
static void print_native(FILE *f, struct keeper *k, bool ports)
{
    const struct keeper_native *n = &k->native;
    unsigned npresent = 0;

    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++)
        npresent += n->port[i] != NULL;
    fprintf(f, "host %s: slice %u, %u ranks as Linux processes, %u of them on the bus\n", n->name,
            n->slice, n->nranks, npresent);
    for (unsigned i = 0; ports && i < TOROBUS_MAX_CORES; i++)
        if (n->port[i])
            print_port(f, k, n->slice, i);
}

static void own_report(struct keeper_client *c, bool ports)
{
    struct keeper *k = c->keeper;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (f) {
        if (k->region.head)
            fprintf(f, "region: %" PRIu64 " GiB, %u slices of %" PRIu64 " GiB, %u ports each",
                    k->region.sb.region_size >> 30, k->region.sb.nguests,
                    k->region.sb.slice_size >> 30, k->region.sb.ports_per_guest);
        if (k->ready)
            fprintf(f, "; accelerator %s (%s)", shim_accel_name(k->accel), k->accel_reason);
        if (k->region.head)
            fputc('\n', f);
        for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
            if (k->guest[i])
                print_guest(f, k, k->guest[i], ports);
        if (k->native.used)
            print_native(f, k, ports);
        fclose(f);
    }
    if (size > TOROBUS_CTL_BODY_MAX)
        size = TOROBUS_CTL_BODY_MAX;
    keeper_client_send(c, TOROBUS_CTL_REPORT, 0, text ? text : "", (uint32_t)size);
    free(text);
    keeper_client_done(c);
}

void keeper_info(struct keeper_client *c, uint32_t query, const char *node)
{
    struct keeper_guest *g = keeper_guest_find(c->keeper, node);

    if (!*node && (query == 0 || query == TOROBUS_CTL_Q_PORTS)) {
        own_report(c, query == TOROBUS_CTL_Q_PORTS);
        return;
    }
    if (!g || g->state != KEEPER_GUEST_UP) {
        keeper_client_error(c, 1, g ? "the guest is not up" : "there is no such guest");
        return;
    }
    for (struct keeper_client *o = c->keeper->clients; o; o = o->next) {
        if (o != c && o->kind == KEEPER_CLIENT_INFO && o->guest == g) {
            keeper_client_error(c, 1, "another query of this guest is on its way");
            return;
        }
    }
    c->guest = g;
    keeper_guest_send(g, TOROBUS_CTL_QUERY, TOROBUS_CTL_NOBODY, query, NULL, 0);
}
