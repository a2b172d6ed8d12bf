/* SPDX-License-Identifier: BSD-3-Clause */
/* The body of RANK_START: what is accepted has all its strings inside. */
#define main unit_main
#include "../unit/run-start.c"
#undef main

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned bad = 0;

    if (size <= TOROBUS_CTL_BODY_MAX)
        (void)look(data, (uint32_t)size, &bad);
    FUZZ_ASSERT(bad == 0);
    return 0;
}
