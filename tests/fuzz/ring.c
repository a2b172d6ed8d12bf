/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring and a superblock that a hostile peer wrote: nothing outside the memory is touched, nothing
 * outside it is given out as a message. */
#include "fuzz.h"
#include "torobus/region.h"
#include "torobus/ring.h"

#define SIZE (256u << 10)

static void superblock(struct fuzz *f)
{
    struct torobus_superblock sb;
    uint64_t mapped = (uint64_t)fuzz_u32(f) << 12;

    fuzz_bytes(f, &sb, sizeof(sb));
    sb.magic = TOROBUS_REGION_MAGIC;
    sb.version = TOROBUS_ABI_VERSION;
    if (!torobus_superblock_ok(&sb, mapped))
        return;
    for (uint32_t i = 0; i<sb.nguests; i += sb.nguests> 1 ? sb.nguests - 1 : 1)
        FUZZ_ASSERT(torobus_slice_offset(&sb, i) + sb.slice_size <= mapped);
    FUZZ_ASSERT(sb.port_offset + (uint64_t)sb.nports * sb.port_stride <= mapped);
}

static void ring(struct fuzz *f)
{
    unsigned char *mem = calloc(1, SIZE), *base = mem;
    struct torobus_ring_shm *shm = (void *)(base + 64);
    struct torobus_ring_rx rx;
    struct torobus_ring_msg m;
    uint32_t nslots = 1u << fuzz_u8(f) % 14, lane = 1u << fuzz_u8(f) % 20;
    uint8_t odd = fuzz_u8(f);
    int r;

    FUZZ_ASSERT(mem);
    fuzz_bytes(f, shm, sizeof(*shm));
    shm->magic = TOROBUS_RING_MAGIC;
    shm->version = TOROBUS_ABI_VERSION;
    shm->src = 1;
    shm->dst = 2;
    if (odd & 1)
        shm->nslots = nslots;
    if (odd & 2)
        shm->lane_size = lane;
    if (torobus_ring_attach(&rx, base, SIZE, odd & 4 ? fuzz_u32(f) : 64, 1, 2) == TOROBUS_OK) {
        for (unsigned n = 0; f->left > 0 && n < 64; n++) {
            struct torobus_ring_slot *s =
                (struct torobus_ring_slot *)(uintptr_t)&rx.slot[rx.next & rx.slot_mask];
            uint32_t w[4];

            fuzz_bytes(f, w, sizeof(w));
            memcpy(s->payload, w + 1, 12);
            atomic_store(&s->word, (uint64_t)(rx.next + 1) << 32 | w[0]);
            r = torobus_ring_peek(&rx, &m);
            if (r == TOROBUS_EPROTO)
                break;
            if (r == TOROBUS_AGAIN)
                continue;
            FUZZ_ASSERT((const unsigned char *)m.data >= base &&
                        (const unsigned char *)m.data + m.len <= base + SIZE);
            (void)torobus_ring_release(&rx);
        }
        (void)torobus_ring_flush(&rx);
    }
    free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {data, size};

    if (fuzz_u8(&f) & 1)
        superblock(&f);
    else
        ring(&f);
    return 0;
}
