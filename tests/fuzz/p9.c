/* SPDX-License-Identifier: BSD-3-Clause */
/* A 9p server that answers with the input's bytes: whatever they are, no fid and no memory is
 * lost. */
#define main unit_main
#include "../unit/run-p9.c"
#undef main

#include "fuzz.h"

static struct fuzz input;

/** A good reply with bytes of the input over it, or all of the input's making. */
static uint32_t fuzzed(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n)
{
    uint32_t len = good(type, b, data, n), at, k;
    uint8_t how = fuzz_u8(&input);

    switch (how % 4) {
    case 0:
        break;
    case 1: /* some bytes of the body */
        at = 7 + fuzz_u8(&input) % 60u;
        k = 1 + (how >> 2) % 8u;
        fuzz_bytes(&input, rx + at, k);
        if (data && n > 100)
            fuzz_bytes(&input, data + at, k);
        break;
    case 2: /* the length */
        len = fuzz_u32(&input) % ((n ? P9_IO_HDR + n : len) + 1);
        memcpy(rx, &len, 4);
        break;
    default: /* all */
        len = (uint32_t)fuzz_bytes(&input, rx, 1 + fuzz_u8(&input) % 200u);
        if (n && data)
            fuzz_bytes(&input, data, TORO_MIN(n, 200u));
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct toro_node *root;
    static long heap;

    if (!root) {
        serve = good;
        FUZZ_ASSERT(toro_p9_mount(false) == 0);
        root = toro_mount_nth(0)->root;
        heap = host_heap;
    }
    input = (struct fuzz){data, size};
    serve = fuzzed;
    everything(root);
    FUZZ_ASSERT(fids == 1 && host_heap == heap);
    return 0;
}
