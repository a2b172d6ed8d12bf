/* SPDX-License-Identifier: BSD-3-Clause */
/* Rate of the host's time stamp counter, measured over the keeper's life. */
#include "keeper.h"

#include <x86intrin.h>

/** Shortest span: the error of two clock readings (< 1 us) stays below 50 ppm. */
#define SPAN_NS 20000000ull

static uint64_t raw_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000ull + (uint64_t)t->tv_nsec;
}

/** Read both clocks as close together as a few tries allow. */
static void read_pair(uint64_t *tsc, struct timespec *raw)
{
    uint64_t best = UINT64_MAX;

    *tsc = 0;
    clock_gettime(CLOCK_MONOTONIC_RAW, raw);
    for (int i = 0; i < 8; i++) {
        struct timespec t;
        uint64_t a = __rdtsc(), b;

        clock_gettime(CLOCK_MONOTONIC_RAW, &t);
        b = __rdtsc();
        if (b - a < best) {
            best = b - a;
            *tsc = a + (b - a) / 2;
            *raw = t;
        }
    }
}

void keeper_clock_start(struct keeper *k)
{
    read_pair(&k->start_tsc, &k->start_raw);
}

uint64_t keeper_clock_hz(struct keeper *k, unsigned *wait_ms)
{
    struct timespec raw;
    uint64_t tsc, ns;

    read_pair(&tsc, &raw);
    ns = raw_ns(&raw) - raw_ns(&k->start_raw);
    if (ns < SPAN_NS) {
        *wait_ms = (unsigned)((SPAN_NS - ns) / 1000000u) + 1;
        return 0;
    }
    return (uint64_t)((unsigned __int128)(tsc - k->start_tsc) * 1000000000u / ns);
}
