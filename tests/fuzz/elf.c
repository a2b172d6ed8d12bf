/* SPDX-License-Identifier: BSD-3-Clause */
/* An executable file, as the kernel's loader looks at it: what it accepts is safe to load. */
#define main unit_main
#include "../unit/run-elf.c"
#undef main

#include "fuzz.h"

/** A good image with bytes of the input over its tables. */
static uint64_t edited(struct fuzz *f, unsigned char *image)
{
    uint64_t size = SIZE;

    make(image);
    while (f->left > 0) {
        uint8_t how = fuzz_u8(f);
        uint32_t at = how & 1 ? 8192 + fuzz_u8(f) * 4u : (uint32_t)fuzz_u8(f) + (how & 2 ? 64 : 0);

        fuzz_bytes(f, image + at, 1 + (how >> 2) % 8u);
        if (how == 0xff)
            size = fuzz_u32(f) % (SIZE + 1);
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char image[SIZE + 4096];
    struct fuzz f = {data, size};
    const char *why;

    if (fuzz_u8(&f) & 1)
        FUZZ_ASSERT(look(f.p, f.left, &why) == 0);
    else
        FUZZ_ASSERT(look(image, edited(&f, image), &why) == 0);
    return 0;
}
