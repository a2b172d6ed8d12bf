/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a guest on its control channel, as the keeper takes them: only whole, possible frames
 * get to the proxy of the rank that they name. */
#include <event2/bufferevent.h>

static struct evbuffer *fuzz_in, *fuzz_out[4];
static struct evbuffer *fuzz_output(const void *bev);
#define bufferevent_get_input(b)  ((void)(b), fuzz_in)
#define bufferevent_get_output(b) fuzz_output(b)
#include "../../orted-shim/keeper_ctl.c"
#include "../../orted-shim/shim_frame.c"

#include "frame.h"

static unsigned fails;

static struct evbuffer *fuzz_output(const void *bev)
{
    return fuzz_out[(uintptr_t)bev % 4];
}

void keeper_log(const char *fmt, ...)
{
    (void)fmt;
}

void keeper_bind_update(struct keeper *k)
{
    (void)k;
}

void keeper_guest_fail(struct keeper_guest *g, int status, const char *fmt, ...)
{
    char text[1200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)status;
    fails++;
    g->state = KEEPER_GUEST_STOPPING;
}

void keeper_guest_send(struct keeper_guest *g, uint16_t type, uint32_t rank, uint32_t arg,
                       const void *body, uint32_t len)
{
    (void)g;
    (void)type;
    (void)rank;
    (void)arg;
    free(fuzz_copy(body, len));
}

void keeper_guest_rank_ended(struct keeper_guest *g, uint32_t rank)
{
    FUZZ_ASSERT(rank < g->nranks);
    g->ended[rank] = true;
}

void keeper_client_send(struct keeper_client *c, uint16_t type, uint32_t arg, const void *body,
                        uint32_t len)
{
    (void)c;
    (void)type;
    (void)arg;
    free(fuzz_copy(body, len));
}

/* (their bodies are for tests/fuzz/ranges.c) */
int keeper_region_punch(struct keeper_region *r, unsigned slice,
                        const struct torobus_ctl_range *range, unsigned n)
{
    (void)r;
    (void)slice;
    free(fuzz_copy(range, n * sizeof(*range)));
    return 0;
}

bool keeper_core(struct keeper_guest *g, uint32_t rank, const void *body, uint32_t len)
{
    FUZZ_ASSERT(rank < g->nranks);
    free(fuzz_copy(body, len));
    return len % 2 == 0;
}

void keeper_guest_who(const struct keeper_guest *g, char text[256])
{
    snprintf(text, 256, "%.60s", g->name);
}

void keeper_keep_reset_done(struct keeper_guest *g, uint32_t err, const void *body, uint32_t len)
{
    (void)g;
    (void)err;
    free(fuzz_copy(body, len));
}

void keeper_console_drain(struct keeper_guest *g)
{
    (void)g;
}

void keeper_client_done(struct keeper_client *c)
{
    (void)c;
}

uint64_t keeper_clock_hz(struct keeper *k, unsigned *wait_ms)
{
    (void)k;
    (void)wait_ms;
    return 1000000000;
}

/** What a proxy was given is frames of its own rank, and nothing behind them. */
static void check_output(struct evbuffer *out, uint32_t rank)
{
    struct torobus_ctl_hdr h;

    while (shim_frame_peek(out, &h) == 1) {
        FUZZ_ASSERT(h.rank == rank);
        evbuffer_drain(out, sizeof(h) + h.len);
    }
    FUZZ_ASSERT(evbuffer_get_length(out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keeper k;
    struct keeper_client c[4] = {{.kind = KEEPER_CLIENT_RANK},
                                 {.kind = KEEPER_CLIENT_RANK},
                                 {.kind = KEEPER_CLIENT_RANK},
                                 {.kind = KEEPER_CLIENT_INFO}};
    struct keeper_guest g = {.keeper = &k, .name = "g", .ncores = 3, .nranks = 3};
    struct fuzz f = {data, size};

    k.clients = NULL;
    for (unsigned i = 0; i < 4; i++) {
        c[i].keeper = &k;
        c[i].guest = &g;
        c[i].bev = (struct bufferevent *)(uintptr_t)(4 + i);
        c[i].rank = i;
        c[i].next = k.clients;
        k.clients = &c[i];
        if (i < 3)
            g.rank[i] = &c[i];
        fuzz_out[i] = evbuffer_new();
    }
    fuzz_in = evbuffer_new();
    g.queue = evbuffer_new();
    g.ctl = (struct bufferevent *)(uintptr_t)7;
    g.boot_timer = evtimer_new(NULL, NULL, NULL);
    g.state = (enum keeper_guest_state)(KEEPER_GUEST_BOOTING + fuzz_u8(&f) % 3);
    while (f.left > 0 && g.state < KEEPER_GUEST_STOPPING) {
        uint8_t how = fuzz_u8(&f);
        uint8_t bytes[600];
        size_t n = how & 1 ? fuzz_frame(&f, bytes, 200) : fuzz_bytes(&f, bytes, how);

        evbuffer_add(fuzz_in, bytes, n);
        keeper_ctl_read(g.ctl, &g);
    }
    for (unsigned i = 0; i < 3; i++)
        check_output(fuzz_out[i], i);
    for (unsigned i = 0; i < 4; i++)
        evbuffer_free(fuzz_out[i]);
    evbuffer_free(fuzz_in);
    evbuffer_free(g.queue);
    if (g.boot_timer)
        event_free(g.boot_timer);
    return 0;
}
