/* SPDX-License-Identifier: BSD-3-Clause */
/* What the hwloc inside Open MPI finds: a line per object, the own binding at the end. No MPI is
 * started: this is what Open MPI would load. */
#include <hwloc.h>
#include <stdio.h>

int main(void)
{
    hwloc_topology_t t;
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    char type[64], attr[128], cpus[128];

    if (!bound || hwloc_topology_init(&t) != 0 ||
        hwloc_topology_set_icache_types_filter(t, HWLOC_TYPE_FILTER_KEEP_ALL) != 0 ||
        hwloc_topology_load(t) != 0 || hwloc_get_cpubind(t, bound, HWLOC_CPUBIND_PROCESS) != 0) {
        fprintf(stderr, "hwloc: no topology\n");
        return 1;
    }
    for (int d = 0; d < hwloc_topology_get_depth(t); d++) {
        for (unsigned i = 0; i < hwloc_get_nbobjs_by_depth(t, d); i++) {
            hwloc_obj_t o = hwloc_get_obj_by_depth(t, d, i);

            hwloc_obj_type_snprintf(type, sizeof(type), o, 0);
            hwloc_obj_attr_snprintf(attr, sizeof(attr), o, " ", 0);
            hwloc_bitmap_list_snprintf(cpus, sizeof(cpus), o->cpuset);
            printf("%s %s cpus %s\n", type, hwloc_obj_type_is_cache(o->type) ? attr : "-", cpus);
        }
    }
    hwloc_bitmap_list_snprintf(cpus, sizeof(cpus), bound);
    printf("numa nodes %d, bound to %s\n", hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE), cpus);
    return 0;
}
