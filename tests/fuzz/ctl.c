/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes on the control channel, as the kernel takes them: cut anywhere; frames for the ranks'
 * standard streams are handled, and a rank reads and writes meanwhile. */
#define main unit_main
#include "../unit/run-ctl.c"
#undef main

#include "fuzz.h"

static void take_frame(const struct torobus_ctl_hdr *h, const void *body)
{
    char *c = fuzz_copy(body, h->len); /* what the kernel would touch behind it is seen */

    FUZZ_ASSERT(h->len <= TOROBUS_CTL_BODY_MAX);
    if (h->type == TOROBUS_CTL_RANK_START)
        toro_stdio_arm(h->rank);
    else if (h->type < 96 && fns[h->type])
        fns[h->type](h, c);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct toro_file *in, *out;
    struct fuzz f = {data, size};
    struct toro_ctl_parser p = {0};
    static char buf[8192];
    long heap;

    if (!in) {
        toro_stdio_init();
        in = toro_stdio_file(0, 0);
        out = toro_stdio_file(0, 1);
        in->flags |= TORO_O_NONBLOCK;
        out->flags |= TORO_O_NONBLOCK;
    }
    toro_stdio_end(0);
    toro_stdio_arm(0);
    heap = host_heap;
    while (f.left > 0) {
        size_t n = 1 + fuzz_u8(&f) % 64u;
        uint8_t chunk[64];

        n = fuzz_bytes(&f, chunk, n);
        if (toro_ctl_feed(&p, chunk, (uint32_t)n, take_frame) != 0)
            break;
        if (n % 3 == 0)
            (void)stdin_read(in, buf, n * 100, NULL);
        if (n % 5 == 0)
            (void)out_write(out, buf, n * 100, NULL);
        if (nsent > MAX_SENT - 16)
            forget_sent();
    }
    if (p.body)
        toro_kfree(p.body);
    toro_stdio_end(0);
    forget_sent();
    FUZZ_ASSERT(host_heap == heap);
    return 0;
}
