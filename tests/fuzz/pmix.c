/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of two ranks and of their proxies to the PMIx server in the kernel, in any order. */
#define main unit_main
#include "../unit/run-pmix-hostile.c"
#undef main

#include "fuzz.h"

/** Take a message from the input; the length is right more often than not. */
static void take_message(struct fuzz *f, uint8_t how)
{
    uint32_t body = fuzz_u8(f) * 4u;

    fuzz_bytes(f, &tx.h, sizeof(tx.h));
    size = 16 + (uint32_t)fuzz_bytes(f, tx.body, body);
    if (how & 0x40)
        tx.h.len = size - 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint32_t flags = fuzz_u8(&f) & 1 ? TOROBUS_START_HOSTED : 0;
    struct k_frame *fr;

    k_start(2, flags);
    for (unsigned r = 0; r < 2; r++) {
        k_open_dev(r);
        t_send(r, t_new(&tx, TOROBUS_PMIX_INIT, 0, 1));
    }
    while (f.left > 0) {
        uint8_t how = fuzz_u8(&f);
        unsigned r = how & 1;

        switch (how >> 1 & 3) {
        case 0:
        case 1:
            take_message(&f, how);
            if (!has_address())
                (void)k_write(r, &tx, size);
            break;
        case 2:
            take_message(&f, how);
            k_from_proxy(r, &tx, size);
            break;
        default:
            while (t_recv(r, &rx))
                ;
            if (how & 0x80)
                k_end(r);
        }
        while ((fr = k_frame()) != NULL)
            free(fr);
        if (!k_procs[r].pmix || !toro_pmix.client[r].file)
            break;
    }
    for (unsigned r = 0; r < 2; r++)
        k_end(r);
    while ((fr = k_frame()) != NULL)
        free(fr);
    toro_pmix_publish_clear();
    FUZZ_ASSERT(toro_list_empty(&toro_pmix.jobs) && toro_list_empty(&waiting) &&
                toro_list_empty(&lookups) && toro_list_empty(&upcalls) && toro_list_empty(&fences));
    return 0;
}
