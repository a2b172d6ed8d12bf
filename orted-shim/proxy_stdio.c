/* SPDX-License-Identifier: BSD-3-Clause */
/* Standard streams of a rank, with credit in both directions. */
#include "proxy.h"

#include <unistd.h>

static void on_stdin(struct shim_source *s, const void *data, uint32_t len, void *arg)
{
    (void)s;
    proxy_send(arg, TOROBUS_CTL_STDIN, 0, data, len);
}

bool proxy_stdio_open(struct proxy *p, bool has_stdin)
{
    p->has_stdin = has_stdin;
    return !has_stdin || shim_source_open(&p->in, p->base, STDIN_FILENO, on_stdin, p);
}

void proxy_stdio_output(struct proxy *p, struct shim_stream *st, struct evbuffer *in, uint32_t len)
{
    if (p->state < PROXY_ENDED)
        shim_stream_put(st, in, len);
    else
        evbuffer_drain(in, len);
}

void proxy_stdio_credit(struct proxy *p, uint32_t arg)
{
    /* credit for the output streams flows the other way */
    if (arg >> 24 == 0 && p->has_stdin)
        shim_source_credit(&p->in, arg & 0xffffff);
}

void proxy_stdio_finish(struct proxy *p)
{
    if (p->has_stdin)
        shim_source_close(&p->in);
    shim_stream_finish(&p->out);
    shim_stream_finish(&p->err);
}

bool proxy_stdio_done(const struct proxy *p)
{
    return shim_stream_empty(&p->out) && shim_stream_empty(&p->err);
}
