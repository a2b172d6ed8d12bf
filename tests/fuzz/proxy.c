/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that reach a proxy from its guest (through the keeper): its state, its rank's output, the
 * PMIx messages that it hands on. */
#include <event2/bufferevent.h>

static struct evbuffer *fuzz_in, *fuzz_out;
#define bufferevent_get_input(b)  ((void)(b), fuzz_in)
#define bufferevent_get_output(b) ((void)(b), fuzz_out)
#include "../../orted-shim/proxy_main.c"
#include "../../orted-shim/shim_frame.c"

#include "frame.h"
#include "messages.h"

#include <stdio.h>

int shim_msg_verbose(void)
{
    return 1;
}

void shim_stream_close(struct shim_stream *st)
{
    FUZZ_ASSERT(st);
}

bool shim_stream_open(struct shim_stream *st, struct shim_sink *s,
                      void (*written)(struct shim_stream *, uint32_t, void *), void *arg)
{
    (void)st;
    (void)s;
    (void)written;
    (void)arg;
    return true;
}

bool proxy_stdio_open(struct proxy *p, bool has_stdin)
{
    (void)p;
    return has_stdin;
}

void proxy_stdio_output(struct proxy *p, struct shim_stream *st, struct evbuffer *in, uint32_t len)
{
    FUZZ_ASSERT(st == &p->out || st == &p->err);
    FUZZ_ASSERT(len <= TOROBUS_CTL_STDIO_MAX && evbuffer_get_length(in) >= len);
    evbuffer_drain(in, len);
}

void proxy_stdio_credit(struct proxy *p, uint32_t arg)
{
    (void)p;
    (void)arg;
}

void proxy_stdio_finish(struct proxy *p)
{
    (void)p;
}

bool proxy_stdio_done(const struct proxy *p)
{
    return p->state >= PROXY_ENDED;
}

void proxy_pmix_message(struct proxy *p, void *body, uint32_t len)
{
    (void)p;
    free(fuzz_copy(body, len));
    free(body);
}

bool proxy_send_start(struct proxy *p, char err[256])
{
    (void)p;
    (void)err;
    return true;
}

/* (its messages are for tests/fuzz/lock.c) */
bool proxy_lock(struct proxy *p, const void *body, uint32_t len)
{
    (void)p;
    free(fuzz_copy(body, len));
    return len % 2 == 0;
}

void proxy_lock_end(struct proxy *p)
{
    (void)p;
}

void proxy_gdb(struct proxy *p, const struct torobus_ctl_started *s)
{
    (void)p;
    free(fuzz_copy(s, sizeof(*s)));
}

void proxy_send_attach(struct proxy *p)
{
    (void)p;
}

void shim_source_credit(struct shim_source *s, uint32_t bytes)
{
    (void)s;
    (void)bytes;
}

static void ended(struct proxy *p)
{
    FUZZ_ASSERT(p->code >= 0 && p->code <= PROXY_SIGNALED + 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct proxy_job job = {.node = "node"};
    struct fuzz f = {data, size};
    struct proxy p = {.job = &job, .on_end = ended, .bev = (struct bufferevent *)&fuzz_in};

    fuzz_in = evbuffer_new();
    fuzz_out = evbuffer_new();
    p.state = (enum proxy_state)(fuzz_u8(&f) % 3);
    while (f.left > 0) {
        uint8_t how = fuzz_u8(&f);
        uint8_t bytes[600];
        size_t n = how & 1 ? fuzz_frame(&f, bytes, 200) : fuzz_bytes(&f, bytes, how);

        evbuffer_add(fuzz_in, bytes, n);
        on_read(p.bev, &p);
    }
    evbuffer_free(fuzz_in);
    evbuffer_free(fuzz_out);
    return 0;
}
