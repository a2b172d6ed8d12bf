/* SPDX-License-Identifier: BSD-3-Clause */
/* Control frames in libevent buffers. */
#include "shim_frame.h"

#include <stdlib.h>

int shim_frame_peek(struct evbuffer *in, struct torobus_ctl_hdr *h)
{
    struct torobus_ctl_hdr hdr;

    if (evbuffer_copyout(in, &hdr, sizeof(hdr)) != (ev_ssize_t)sizeof(hdr))
        return 0;
    if (!torobus_ctl_hdr_ok(&hdr))
        return -1;
    if (evbuffer_get_length(in) < sizeof(hdr) + hdr.len)
        return 0;
    *h = hdr;
    return 1;
}

void *shim_frame_take(struct evbuffer *in, const struct torobus_ctl_hdr *h)
{
    char *body = malloc((size_t)h->len + 1);

    evbuffer_drain(in, sizeof(*h));
    if (!body) {
        evbuffer_drain(in, h->len);
        return NULL;
    }
    evbuffer_remove(in, body, h->len);
    body[h->len] = '\0';
    return body;
}

bool shim_frame_put(struct evbuffer *out, uint16_t type, uint32_t rank, uint32_t arg,
                    const void *body, uint32_t len)
{
    const struct torobus_ctl_hdr h = {
        .magic = TOROBUS_CTL_MAGIC, .type = type, .rank = rank, .len = len, .arg = arg};

    if (evbuffer_expand(out, sizeof(h) + len) != 0)
        return false;
    evbuffer_add(out, &h, sizeof(h));
    if (len)
        evbuffer_add(out, body, len);
    return true;
}
