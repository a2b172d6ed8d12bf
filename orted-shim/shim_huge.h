/* SPDX-License-Identifier: BSD-3-Clause */
/* Huge pages: what the user wants of them, and what the host has. */
#ifndef SHIM_HUGE_H
#define SHIM_HUGE_H

#include <stdbool.h>
#include <stdint.h>

/* Transparent huge pages are not to be had: QEMU maps what an ivshmem server hands out wherever it
 * falls, and the kernel gives a shared mapping huge pages only if file and address begin at a
 * multiple of their size. */
enum shim_huge {
    SHIM_HUGE_OFF = 0, /**< small pages */
    SHIM_HUGE_TLB,     /**< the region is made of reserved huge pages, or no job */
};

/** Their size. */
#define SHIM_HUGE_PAGE ((uint64_t)2 << 20)

/** TOROBUS_HUGEPAGES. @return false with a line for the user. */
bool shim_huge_setting(enum shim_huge *h, char err[512]);

/** Reserved huge pages that nobody has. */
uint64_t shim_huge_free(void);

/** Whether the host has reserved pages for so many bytes, whoever has them. */
bool shim_huge_all(uint64_t bytes);

/**
 * The layout of a region of reserved pages, where the user does not say: as many slices of whole
 * GiB as the free pages fill, up to 15, and those as large as possible.
 *
 * @param bytes that are free
 * @param[in,out] guests  0: choose
 * @param[in,out] slice   0: choose
 * @return false if not even one slice of a GiB, and the GiB before it, fit
 */
bool shim_huge_plan(uint64_t bytes, uint64_t *guests, uint64_t *slice);

#endif
