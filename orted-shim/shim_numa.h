/* SPDX-License-Identifier: BSD-3-Clause */
/* Which NUMA nodes the parts of a guest's memory are to come from, as a function of a topology. */
#ifndef SHIM_NUMA_H
#define SHIM_NUMA_H

#include "torobus/region.h"

#include <hwloc.h>

/** A part of the region, and the nodes that its pages should come from. */
struct shim_numa_range {
    uint64_t offset, len; /**< from the region's start, whole pages */
    hwloc_bitmap_t nodes; /**< NULL: whichever touches it first */
    bool spread;          /**< page by page over these nodes, for what all cores use */
};

/** The pools of all cores, the shared one, and the cores' port control blocks. */
#define SHIM_NUMA_MAX (2 * TOROBUS_MAX_CORES + 1)

/**
 * The nodes next to a set of processors. Of several nodes with the same processors (memory of
 * another kind) the first, as the kernel does it.
 *
 * @return NULL without memory, or if there are none
 */
hwloc_bitmap_t shim_numa_nodes(hwloc_topology_t topo, hwloc_const_bitmap_t cpus);

/**
 * Plan a guest's memory. Neighbours that want the same are one range.
 *
 * @param cpus  [ncores] what each core is pinned to, NULL: to nothing
 * @param page  a range begins and ends with such a page; port control blocks of less are left out
 * @return number of ranges; all of the slice and of its ports is in one of them
 */
unsigned shim_numa_plan(hwloc_topology_t topo, const struct torobus_superblock *sb, unsigned slice,
                        unsigned ncores, hwloc_bitmap_t const *cpus, uint64_t page,
                        struct shim_numa_range out[SHIM_NUMA_MAX]);
void shim_numa_free(struct shim_numa_range *r, unsigned n);

#endif
