/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared pool for tests of fs/: address space of the host that faults where nothing was
 * committed. Include once. */
#ifndef FS_POOL_H
#define FS_POOL_H

#include <sys/mman.h>
#include <toro/errno.h>
#include <toro/mm.h>

static long pool_bytes;

struct toro_pool *toro_pool(unsigned index)
{
    (void)index;
    return NULL;
}

uint64_t toro_pool_reserve(struct toro_pool *p, uint64_t len, uint64_t align)
{
    void *m = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)p;
    (void)align;
    pool_bytes += m == MAP_FAILED ? 0 : (long)len;
    return m == MAP_FAILED ? 0 : (uint64_t)(uintptr_t)m;
}

int toro_pool_reserve_at(struct toro_pool *p, uint64_t va, uint64_t len)
{
    void *m = mmap((void *)va, len, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    (void)p;
    if (m == MAP_FAILED)
        return -EEXIST;
    pool_bytes += (long)len;
    return 0;
}

void toro_pool_unreserve(struct toro_pool *p, uint64_t va, uint64_t len)
{
    (void)p;
    pool_bytes -= (long)len;
    if (munmap((void *)va, len) != 0)
        abort();
}

int toro_pool_commit(struct toro_pool *p, uint64_t va, uint64_t len)
{
    (void)p;
    return mprotect((void *)va, len, PROT_READ | PROT_WRITE) ? -ENOMEM : 0;
}

void toro_pool_uncommit(struct toro_pool *p, uint64_t va, uint64_t len)
{
    (void)p;
    if (mmap((void *)va, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        abort();
}

void toro_pool_usage(struct toro_pool *p, uint64_t *used, uint64_t *size)
{
    (void)p;
    *used = 0;
    *size = 1 << 30;
}

#endif
