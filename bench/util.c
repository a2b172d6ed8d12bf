/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: the clock, patterns and how a test ends early. */
#include "torobench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds_per_tick = 1e-9;

static uint64_t monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#if defined(__x86_64__)
static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}
#else
static uint64_t ticks(void)
{
    return monotonic();
}
#endif

void tb_clock_init(bool as_ticks)
{
    const uint64_t ns = monotonic(), t = ticks();

    if (as_ticks) {
        seconds_per_tick = 1e-6;
        return;
    }
    while (monotonic() - ns < 50000000u)
        ;
    seconds_per_tick = (double)(monotonic() - ns) * 1e-9 / (double)(ticks() - t);
}

double tb_now(void)
{
    return (double)ticks() * seconds_per_tick;
}

uint64_t tb_seed(const struct tb *t, int src, int dst)
{
    return ((t->seed * 1024 + (uint64_t)src) * 1024 + (uint64_t)dst) * 0x9e3779b97f4a7c15u;
}

static uint64_t word(uint64_t seed, size_t i)
{
    return seed ^ (i * 0xd1b54a32d192ed03u);
}

void tb_fill(char *buf, size_t bytes, uint64_t seed)
{
    const size_t words = bytes / 8;
    uint64_t w;

    for (size_t i = 0; i < words; i++) {
        w = word(seed, i);
        memcpy(buf + 8 * i, &w, 8);
    }
    w = word(seed, words);
    memcpy(buf + 8 * words, &w, bytes % 8);
}

void tb_expect(const struct tb *t, const char *buf, size_t bytes, uint64_t seed, const char *what)
{
    for (size_t i = 0; i * 8 < bytes; i++) {
        const size_t n = bytes - i * 8 < 8 ? bytes - i * 8 : 8;
        uint64_t w = word(seed, i);

        if (i == 0 && t->stamp >= 0)
            *(unsigned char *)&w = (unsigned char)t->stamp;
        if (memcmp(buf + i * 8, &w, n) != 0)
            tb_fail(t, "%s: wrong data at byte %zu of %zu", what, i * 8, bytes);
    }
}

void tb_fail(const struct tb *t, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "torobench: rank %d: ", t->rank);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

void tb_skip(const struct tb *t, const char *why)
{
    if (t->rank == 0)
        fprintf(stderr, "torobench: skipped: %s\n", why);
    MPI_Finalize();
    exit(TB_EXIT_SKIP);
}
