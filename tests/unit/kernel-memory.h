/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of mm/: a slice of real memory whose protection is real, the heap from libc. */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel-stubs.h"
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic long stub_allocs;
static long stub_allocs_left = -1; /* the next ones succeed, then none; -1 = all */
static int stub_protect_fails;     /* the next calls fail */
static uint64_t stub_protects, stub_cores_seen;
static __attribute__((unused)) int stub_pipe[2];

void *toro_kmalloc(size_t n)
{
    if (stub_allocs_left == 0)
        return NULL;
    if (stub_allocs_left > 0)
        stub_allocs_left--;
    stub_allocs++;
    return malloc(n);
}

void *toro_kzalloc(size_t n)
{
    void *p = toro_kmalloc(n);

    return p != NULL ? memset(p, 0, n) : NULL;
}

void toro_kfree(void *p)
{
    stub_allocs -= p != NULL;
    free(p);
}

void *toro_memset(void *d, int c, size_t n)
{
    return memset(d, c, n);
}

void *toro_memcpy(void *d, const void *s, size_t n)
{
    return memcpy(d, s, n);
}

int toro_memcmp(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n);
}

void toro_printk(int level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

static unsigned stub_visits;

unsigned toro_visit(unsigned core)
{
    unsigned was = stub_core;

    stub_visits += core != was;
    stub_core = core;
    return was;
}

void toro_visit_end(unsigned was)
{
    stub_core = was;
}

int arch_protect_on(uint64_t va, uint64_t len, unsigned prot, uint64_t cores)
{
    if (stub_protect_fails > 0) {
        stub_protect_fails--;
        return -12;
    }
    stub_protects++;
    stub_cores_seen |= cores;
    /* Linux's PROT_* bits are the same; x86 pages that can be written can be read. */
    return mprotect((void *)va, len, (int)prot | (prot != 0 ? PROT_READ : 0)) == 0 ? 0 : -12;
}

int arch_protect(uint64_t va, uint64_t len, unsigned prot)
{
    return arch_protect_on(va, len, prot, ~0ull);
}

/* Address space like a slice of the region, 1 GiB aligned, nothing touched. */
static uint64_t stub_slice(uint64_t size)
{
    uint64_t gib = 1ull << 30;
    char *p = mmap(NULL, size + gib, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        printf("Bail out! no address space\n");
        exit(99);
    }
    return ((uint64_t)p + gib - 1) & ~(gib - 1);
}

/* Is all of it zero? */
static __attribute__((unused)) bool stub_zero(uint64_t va, uint64_t len)
{
    const uint64_t *w = (const uint64_t *)va;

    for (uint64_t i = 0; i < len / 8; i++)
        if (w[i] != 0)
            return false;
    return true;
}

#endif
