/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus region and this guest's place in it. */
#ifndef TORO_BUS_H
#define TORO_BUS_H

#include "types.h"
#include <torobus/region.h>

struct toro_proc;
struct toro_thread;

/** What the boot found. Filled by toro_ivshmem_init() (dev/ivshmem.c). */
struct toro_bus {
    void *base; /**< TOROBUS_REGION_VA once mapped */
    uint64_t size;
    uint64_t pa; /**< physical address of base; the region is contiguous, so devices reach base + n
                    at pa + n */
    struct torobus_superblock sb; /**< checked copy */
    unsigned guest;               /**< own slice */
    uint32_t ivposition;
};
extern struct toro_bus toro_bus;

/** PCI probe, map BAR2 by arch_map_region(), check the superblock, set up one MSI-X vector per core
 *  (handler: toro_bus_on_doorbell(core)). Panics with a clear text if the region does not fit. */
void toro_ivshmem_init(unsigned guest);
/** Ring the doorbell of a core of another guest. */
void toro_ivshmem_ring(uint32_t ivshmem_id, unsigned vector);
/** bus/bus.c: a doorbell (ivshmem or IPI) came for this core. */
void toro_bus_on_doorbell(unsigned core);
/** Register /dev/torobus. */
void toro_bus_init(void);
/** The rank ends: its port goes DEAD, its sleepers wake. */
void toro_bus_proc_end(struct toro_proc *p);
/** Something other than a message wants the rank's attention (PMIx message, signal): end its WAIT.
 */
void toro_bus_poke(struct toro_proc *p);

#endif
