/* SPDX-License-Identifier: BSD-3-Clause */
/* Application memory: per-core pools inside the guest's slice of the bus region. */
#ifndef TORO_MM_H
#define TORO_MM_H

#include "list.h"
#include "lock.h"
#include "types.h"

struct toro_pool; /* mm/pool.c */

/** An offset of 0 to 63 pages, to keep apart what would else have the same place in every block. */
static inline uint64_t toro_mm_colour(uint64_t n)
{
    return n % 64 * TORO_PAGE_SIZE;
}

/** Divide the slice into a pool per core and one shared pool (index ncores: tmpfs, image cache,
 * rings of the kernel).
 * Caller of what follows: the shared pool's functions may be called anywhere; those of a core's
 * pool on that core alone (toro_visit()), but for what only asks: toro_pool(), _has, _usage, _core,
 * _range, _told, _is_leaving. They take no lock there. */
int toro_pools_init(uint64_t slice_va, uint64_t slice_size, uint64_t mem_limit, unsigned ncores);
struct toro_pool *toro_pool(unsigned index);
/** The core that it belongs to; for the shared one the number of cores. */
unsigned toro_pool_core(const struct toro_pool *p);
void toro_pool_range(const struct toro_pool *p, uint64_t *start, uint64_t *end);
/** Zeroed, page-aligned memory of the shared pool (ranks' pools belong to mm/vma.c). Zeroes only
 * what was used before. @return address or 0. */
uint64_t toro_pool_alloc(struct toro_pool *p, uint64_t len, uint64_t align);
/** Exactly this range, if it is free. @return 0 or -ENOMEM/-EEXIST. */
int toro_pool_alloc_at(struct toro_pool *p, uint64_t va, uint64_t len);
void toro_pool_free(struct toro_pool *p, uint64_t va, uint64_t len);
/** Bytes handed out, and the limit. */
void toro_pool_usage(struct toro_pool *p, uint64_t *used, uint64_t *size);

/** The guest's memory limit in bytes. @param[out] used bytes handed out by all pools */
uint64_t toro_pools_limit(uint64_t *used);
/** Address space without memory: nothing is charged, touched or zeroed. @return address or 0. */
uint64_t toro_pool_reserve(struct toro_pool *p, uint64_t len, uint64_t align);
/** Exactly this range. @return 0 or -EEXIST, -ENOMEM. */
int toro_pool_reserve_at(struct toro_pool *p, uint64_t va, uint64_t len);
void toro_pool_unreserve(struct toro_pool *p, uint64_t va, uint64_t len);
/** Make reserved address space usable: charged against the limit, zeroed (so it must be mapped
 * writable). @return 0, -ENOMEM, or -EAGAIN: a part is on its way to the host, toro_giveback_wait()
 * and try again. The shared pool waits itself: thread context, no spin lock held. */
int toro_pool_commit(struct toro_pool *p, uint64_t va, uint64_t len);
/** As toro_pool_commit(), but what was there before is still there. */
int toro_pool_commit_as_is(struct toro_pool *p, uint64_t va, uint64_t len);
/** The host has made all memory zero that is not handed out, but for these parts of it. Thread
 * context: visits the cores. */
struct torobus_ctl_range;
void toro_pools_wiped(const struct torobus_ctl_range *keep, unsigned nkeep);
/** The opposite; what is there is lost. */
void toro_pool_uncommit(struct toro_pool *p, uint64_t va, uint64_t len);
/** Does the range lie inside this pool? */
bool toro_pool_has(const struct toro_pool *p, uint64_t va, uint64_t len);

/** Whole chunks of 64 KiB of a pool. */
struct toro_range {
    uint64_t start, len;
};
/**
 * Memory that may go back to the host: it holds old data, nobody has it, and that was so the last
 * time as well. Until toro_pool_left() it is handed out to nobody.
 *
 * @param out  stays in use until toro_pool_left()
 * @param[out] more  there is memory that may be old enough the next time
 * @return number of ranges, up to max
 */
unsigned toro_pool_idle(struct toro_pool *p, struct toro_range *out, unsigned max, bool *more);
/** The same for one range that somebody has. @return false: others are on their way. */
bool toro_pool_leave(struct toro_pool *p, const struct toro_range *one);
/** They are back, all zero or as they were. */
void toro_pool_left(struct toro_pool *p, bool zero);
bool toro_pool_is_leaving(struct toro_pool *p);
/** toro_giveback_wanted() was called for the pool, or toro_pool_idle() said more. */
bool toro_pool_told(const struct toro_pool *p);

/* mm/giveback.c ------------------------------------------------------------------------------- */
/** Start the thread that gives memory back; registers the answer's handler. */
void toro_giveback_init(void);
/** A pool has idle memory. Any context. @return false: it will not be looked at. */
bool toro_giveback_wanted(void);
/** Wait until nothing of the pool is on its way to the host. Thread context, no spin lock held. */
void toro_giveback_wait(struct toro_pool *p);
/** Give the whole chunks of a range to the host now, though somebody has it: it reads as zero then.
 * @return 0 with the part that was done in *done, or -errno. Thread context, no spin lock held. */
int toro_giveback_now(struct toro_pool *p, uint64_t va, uint64_t len, struct toro_range *done);

struct toro_file;

/** Linux's PROT_* bits are ARCH_PROT_* bits. */
enum toro_vma_kind {
    TORO_VMA_ANON,   /**< pool memory */
    TORO_VMA_FILE,   /**< pool memory: private copy of a file's bytes */
    TORO_VMA_IMAGE,  /**< pool memory: the program */
    TORO_VMA_STACK,  /**< pool memory: the first thread's stack */
    TORO_VMA_TSTACK, /**< pool memory: MAP_STACK, another thread's stack */
    TORO_VMA_BRK,    /**< pool memory: below the program break, or reserved for it */
    TORO_VMA_SHARED, /**< memory of a file (tmpfs, device); its address is the file's choice */
};

struct toro_vma {
    struct toro_list link; /**< sorted by address; shared ones are in a list of their own */
    uint64_t start, end;
    unsigned prot;
    enum toro_vma_kind kind;
    bool committed;         /**< charged; else only reserved */
    struct toro_file *file; /**< of TORO_VMA_SHARED, with a reference */
    uint64_t off;
};

/** What of a rank's memory lies in one core's pool. Touched on that core alone, without a lock. */
struct toro_mm_part {
    struct toro_pool *pool;
    unsigned core;                    /**< the pool's */
    uint64_t start, end;              /**< likewise */
    struct toro_list vmas;            /**< disjoint */
    struct toro_vma *hit;             /**< last one found */
    _Atomic uint64_t committed, peak; /**< bytes; read by others */
} __attribute__((aligned(64)));

/** Memory map of a rank: a part for each of its cores. New memory comes from the pool of the core
 * that asks; an operation on memory of another core's pool visits that core (toro_visit()). */
struct toro_mm {
    struct toro_mm_part part[TORO_MAX_CORES];
    unsigned nparts;
    _Atomic uint64_t cores; /**< where the rank's threads have been: TLBs to flush */
    /* brk is the first part's. */
    uint64_t brk_start, brk, brk_end;
    struct toro_spinlock lock; /**< of `shared` */
    struct toro_list shared;   /**< may overlap each other: mappings of one file are at one place */
};

/** Caller of all that follows: thread context, no spin lock held; they may visit other cores. */
void toro_mm_init(struct toro_mm *mm, unsigned first_core, unsigned ncores);
/** Bytes in use, and the most there ever were (of each part, added up). */
uint64_t toro_mm_committed(const struct toro_mm *mm, uint64_t *peak);
/** Can the address be memory of this rank: is it in one of its pools? */
bool toro_mm_has(const struct toro_mm *mm, uint64_t va);
/** Give everything back. Thread context (files are closed). */
void toro_mm_clear(struct toro_mm *mm);
/** Let go of files' memory only; the rank's own stays mapped. Thread context. */
void toro_mm_unshare(struct toro_mm *mm);
/** What the address given to toro_mm_map() means. */
enum toro_map_how {
    TORO_MAP_HINT,  /**< there if it is free, else elsewhere */
    TORO_MAP_FIXED, /**< there, replacing what is there */
    TORO_MAP_EXACT, /**< there, or -EEXIST */
};
/** New zeroed memory. prot 0 reserves address space only. align 0: the kernel's choice. @return
 * address or -errno. */
long toro_mm_map(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot,
                 enum toro_map_how how, enum toro_vma_kind kind, uint64_t align);
/** Enter file memory that the file has put at va. Takes over the reference. @return 0 or -errno. */
int toro_mm_map_shared(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot,
                       struct toro_file *f, uint64_t off);
int toro_mm_unmap(struct toro_mm *mm, uint64_t va, uint64_t len);
int toro_mm_protect(struct toro_mm *mm, uint64_t va, uint64_t len, unsigned prot);
/** Make reserved memory a copy of n bytes, zeros behind them. A page that holds them already is not
 * written: an emulator would take what it has translated there for changed. @return 0 or -errno. */
int toro_mm_fill(struct toro_mm *mm, uint64_t va, uint64_t len, const void *from, uint64_t n,
                 unsigned prot);
/** Make anonymous memory read as zero again. @return 0, -ENOMEM for holes, -EINVAL for file memory.
 */
int toro_mm_discard(struct toro_mm *mm, uint64_t va, uint64_t len);
/** Set the end of the data segment. @return the break, unchanged if it cannot be had. */
uint64_t toro_mm_brk(struct toro_mm *mm, uint64_t brk);
/** The file of the shared mapping at va, with a reference; NULL if there is none. */
struct toro_file *toro_mm_file(struct toro_mm *mm, uint64_t va);
/** The first mapping that ends behind va, pool memory or shared; a copy, whose `file` only says
 * that there is one (toro_mm_file() to use it). @return false if none. */
bool toro_mm_next(struct toro_mm *mm, uint64_t va, struct toro_vma *out);

#endif
