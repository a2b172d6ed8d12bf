/* SPDX-License-Identifier: BSD-3-Clause */
/* Application memory: per-core pools inside the guest's slice of the bus region. */
#ifndef TORO_MM_H
#define TORO_MM_H

#include "list.h"
#include "lock.h"
#include "types.h"

struct toro_pool; /* mm/pool.c */

/** Divide the slice into ncores rank pools and one shared pool (index ncores: tmpfs, image cache,
 * rings of the kernel). */
int toro_pools_init(uint64_t slice_va, uint64_t slice_size, uint64_t mem_limit, unsigned ncores);
struct toro_pool *toro_pool(unsigned index);
/** Zeroed, page-aligned memory. Zeroes only what was used before. @return address or 0. */
uint64_t toro_pool_alloc(struct toro_pool *p, uint64_t len, uint64_t align);
/** Exactly this range, if it is free. @return 0 or -ENOMEM/-EEXIST. */
int toro_pool_alloc_at(struct toro_pool *p, uint64_t va, uint64_t len);
void toro_pool_free(struct toro_pool *p, uint64_t va, uint64_t len);
/** Bytes handed out, and the limit. */
void toro_pool_usage(struct toro_pool *p, uint64_t *used, uint64_t *size);

/** Memory map of a rank. */
struct toro_mm {
    struct toro_pool *pool;
    struct toro_spinlock lock;
    struct toro_list vmas;
    uint64_t brk_start, brk;
};

#endif
