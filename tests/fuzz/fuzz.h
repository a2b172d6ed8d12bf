/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz targets share. A target includes the code under test as a unit test does, often the
 * unit test itself, whose little world it then uses (its main has another name here). */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The input, taken from the front. */
struct fuzz {
    const uint8_t *p;
    size_t left;
};

/** Up to n bytes; missing ones are 0. @return how many came from the input. */
static inline size_t fuzz_bytes(struct fuzz *f, void *to, size_t n)
{
    size_t k = n < f->left ? n : f->left;

    memset(to, 0, n);
    if (k)
        memcpy(to, f->p, k);
    f->p += k;
    f->left -= k;
    return k;
}

static inline uint8_t fuzz_u8(struct fuzz *f)
{
    uint8_t v;

    fuzz_bytes(f, &v, sizeof(v));
    return v;
}

static inline uint32_t fuzz_u32(struct fuzz *f)
{
    uint32_t v;

    fuzz_bytes(f, &v, sizeof(v));
    return v;
}

/** What must hold; the fuzzer keeps the input that breaks it. */
#define FUZZ_ASSERT(c)                                                                             \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #c);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** A copy that ends where its heap block ends, so that a byte too far is noticed. */
static inline void *fuzz_copy(const void *p, size_t n)
{
    void *c = malloc(n ? n : 1);

    FUZZ_ASSERT(c);
    if (n)
        memcpy(c, p, n);
    return c;
}

#endif
