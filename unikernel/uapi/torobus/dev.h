/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/torobus: how a rank gets its port. ioctl numbers are plain Linux-style values; the structs
 * are read and written in the caller's memory.
 *
 * open() fails with ENOENT where there is no bus. In the guest the region is mapped already
 * (info.region_va); memory from mmap(MAP_ANONYMOUS) lies inside it, so rings are allocated with
 * plain mmap. */
#ifndef TOROBUS_DEV_H
#define TOROBUS_DEV_H

#include "abi.h"

#define TOROBUS_DEV_PATH "/dev/torobus"

/** Attach the calling process to the port of its core: resets the port (directory, bitmap, stats),
 * state OPEN, epoch + 1. Only one open file per process may attach; EBUSY otherwise. close() or
 * exit sets DEAD. arg: struct torobus_dev_info *. */
#define TOROBUS_IOC_ATTACH 0x5401544fu
/** Sleep until a bit is set in the port's pending bitmap, another thread of this core can run, a
 * /dev/toro-pmix message for this process waits, a signal arrives, or the time is over. Publishes
 * port.sleeping, re-checks pending_summary, halts. arg: struct torobus_dev_wait *. Returns 0; the
 * caller simply polls again. */
#define TOROBUS_IOC_WAIT 0x5402544fu
/** Wake a sleeping port (in this guest: IPI; other guest: ivshmem doorbell). arg: port id by value.
 * EINVAL for an impossible port. Called only after port.sleeping was read as 1. */
#define TOROBUS_IOC_KICK 0x5403544fu

/** Answer to ATTACH. */
struct torobus_dev_info {
    uint32_t version; /**< in: the caller's TOROBUS_ABI_VERSION; out: the kernel's. ENOTSUP if they
                         differ */
    uint32_t port;    /**< own port id */
    uint32_t guest;   /**< own guest = slice index */
    uint32_t core;
    uint64_t region_va;   /**< address of the region in this process */
    uint64_t region_size; /**< bytes */
    uint32_t
        spin_ns;     /**< advised time to poll before WAIT; small when vCPUs outnumber host cores */
    uint32_t ncores; /**< cores of this guest */
    uint32_t can_sleep; /**< 1: WAIT works; 0: only polling (region without doorbells) */
    uint32_t reserved;
};
_Static_assert(sizeof(struct torobus_dev_info) == 48, "dev info layout");

/** Argument of WAIT. */
struct torobus_dev_wait {
    uint64_t timeout_ns; /**< at most this long; 0 returns at once after a yield */
};

#endif
