/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device that writes what it likes into the used ring, in any order with the driver's own
 * steps: every chain comes back at most once, with its own cookie. */
#define main unit_main
#include "../unit/run-virtq.c"
#undef main

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {data, size};
    unsigned n = 1u << (1 + fuzz_u8(&f) % 5);
    bool out[64] = {false};
    struct device d;
    struct toro_virtq *q = make(n, &d);

    while (f.left > 0) {
        struct toro_virtq_buf b[3] = {{1, 1}, {2, 2}, {3, 3}};
        uint8_t op = fuzz_u8(&f);
        unsigned i;
        void *cookie;
        uint32_t len;

        switch (op % 4) {
        case 0:
            for (i = 0; i < 64 && out[i]; i++)
                ;
            if (i < 64 && toro_virtq_add(q, b, op >> 4 & 1, 1 + (op >> 5) % 2, &out[i]) == 0)
                out[i] = true;
            break;
        case 1:
            q->used->ring[fuzz_u8(&f) % n] =
                (struct toro_vring_used_elem){fuzz_u32(&f), fuzz_u32(&f)};
            break;
        case 2:
            atomic_store(&q->used->idx, (uint16_t)fuzz_u32(&f));
            break;
        default:
            for (i = 0; i < 70 && toro_virtq_pop(q, &cookie, &len) == 1; i++) {
                bool *mine = cookie;

                FUZZ_ASSERT(mine >= out && mine < out + 64 && *mine);
                *mine = false;
            }
            FUZZ_ASSERT(q->nfree <= n);
        }
    }
    drop(q);
    return 0;
}
