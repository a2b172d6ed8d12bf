/* SPDX-License-Identifier: BSD-3-Clause */
/* From a byte stream to ctl frames. */
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>

int toro_ctl_feed(struct toro_ctl_parser *p, const void *data, uint32_t n, toro_ctl_fn fn)
{
    const char *in = data;

    while (n > 0) {
        uint32_t k;

        if (p->have < sizeof(p->hdr)) {
            k = TORO_MIN(n, (uint32_t)sizeof(p->hdr) - p->have);
            toro_memcpy((char *)&p->hdr + p->have, in, k);
            p->have += k;
            in += k;
            n -= k;
            if (p->have < sizeof(p->hdr))
                return 0;
            if (!torobus_ctl_hdr_ok(&p->hdr))
                return -EPROTO;
            if (p->hdr.len) {
                p->body = toro_kmalloc(p->hdr.len);
                if (!p->body)
                    return -ENOMEM;
            }
        }
        k = TORO_MIN(n, p->hdr.len - (p->have - (uint32_t)sizeof(p->hdr)));
        if (k) {
            toro_memcpy(p->body + (p->have - sizeof(p->hdr)), in, k);
            p->have += k;
            in += k;
            n -= k;
        }
        if (p->have == sizeof(p->hdr) + p->hdr.len) {
            fn(&p->hdr, p->body);
            toro_kfree(p->body);
            p->body = NULL;
            p->have = 0;
        }
    }
    return 0;
}
