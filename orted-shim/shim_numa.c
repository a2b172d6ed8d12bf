/* SPDX-License-Identifier: BSD-3-Clause */
/* From where virtual CPUs are pinned to where their memory should come from. */
#include "shim_numa.h"

#include <stdlib.h>

hwloc_bitmap_t shim_numa_nodes(hwloc_topology_t topo, hwloc_const_bitmap_t cpus)
{
    hwloc_bitmap_t nodes = cpus ? hwloc_bitmap_alloc() : NULL, seen = hwloc_bitmap_alloc();
    hwloc_obj_t o = NULL;

    while (nodes && seen && (o = hwloc_get_next_obj_by_type(topo, HWLOC_OBJ_NUMANODE, o)) != NULL) {
        /* in the order of their numbers: main memory comes before other kinds */
        if (hwloc_bitmap_intersects(o->cpuset, cpus) && !hwloc_bitmap_isincluded(o->cpuset, seen)) {
            hwloc_bitmap_set(nodes, o->os_index);
            hwloc_bitmap_or(seen, seen, o->cpuset);
        }
    }
    hwloc_bitmap_free(seen);
    if (nodes && hwloc_bitmap_iszero(nodes)) {
        hwloc_bitmap_free(nodes);
        nodes = NULL;
    }
    return nodes;
}

static bool same(const struct shim_numa_range *a, const struct shim_numa_range *b)
{
    return a->spread == b->spread && !a->nodes == !b->nodes &&
           (!a->nodes || hwloc_bitmap_isequal(a->nodes, b->nodes));
}

/** Add a range, or make the last one longer. */
static unsigned add(struct shim_numa_range *out, unsigned n, struct shim_numa_range r)
{
    if (n > 0 && out[n - 1].offset + out[n - 1].len == r.offset && same(&out[n - 1], &r)) {
        out[n - 1].len += r.len;
        hwloc_bitmap_free(r.nodes);
        return n;
    }
    out[n] = r;
    return n + 1;
}

unsigned shim_numa_plan(hwloc_topology_t topo, const struct torobus_superblock *sb, unsigned slice,
                        unsigned ncores, hwloc_bitmap_t const *cpus, uint64_t page,
                        struct shim_numa_range out[SHIM_NUMA_MAX])
{
    const uint64_t base = torobus_slice_offset(sb, slice);
    hwloc_bitmap_t all = hwloc_bitmap_alloc();
    struct shim_numa_range r = {0};
    unsigned n = 0;

    for (unsigned i = 0; i <= ncores; i++) {
        r.len = torobus_pool_span(sb->slice_size, ncores, i, &r.offset);
        r.offset += base;
        r.nodes = i < ncores ? shim_numa_nodes(topo, cpus[i]) : all;
        if (i < ncores && all && r.nodes)
            hwloc_bitmap_or(all, all, r.nodes);
        if (i == ncores && all && hwloc_bitmap_iszero(all)) {
            hwloc_bitmap_free(all);
            r.nodes = NULL;
        }
        r.spread = i == ncores && r.nodes && hwloc_bitmap_weight(r.nodes) > 1;
        n = add(out, n, r);
    }
    r.spread = false;
    for (unsigned i = 0; i < ncores && sb->port_stride % page == 0; i++) {
        r.offset = sb->port_offset + ((uint64_t)slice * sb->ports_per_guest + i) * sb->port_stride;
        r.len = sb->port_stride;
        r.nodes = shim_numa_nodes(topo, cpus[i]);
        n = add(out, n, r);
    }
    return n;
}

void shim_numa_free(struct shim_numa_range *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        hwloc_bitmap_free(r[i].nodes);
}
