/* SPDX-License-Identifier: BSD-3-Clause */
/* Which part of a guest's memory comes from which NUMA nodes, on machines that hwloc makes up. */
#include "tap.h"

#include "../../orted-shim/shim_bind.c"
#include "../../orted-shim/shim_numa.c"

#define GIB   ((uint64_t)1 << 30)
#define CORES 4u

static hwloc_topology_t topo;
static struct torobus_superblock sb;

static void machine(const char *synthetic)
{
    if (topo)
        hwloc_topology_destroy(topo);
    if (hwloc_topology_init(&topo) != 0 || hwloc_topology_set_synthetic(topo, synthetic) != 0 ||
        hwloc_topology_load(topo) != 0)
        t_bail("hwloc does not take the machine");
}

/* The plan of slice 2: its ranges in MiB from the slice's start, or "pN" from port N of the slice,
 * with their nodes. */
static const char *plan(unsigned ncores, const char *const *pin, uint64_t page)
{
    static char text[2048];
    struct shim_numa_range r[SHIM_NUMA_MAX];
    hwloc_bitmap_t cpus[TOROBUS_MAX_CORES] = {NULL};
    uint64_t base = torobus_slice_offset(&sb, 2), all = 0;
    uint64_t ports = sb.port_offset + 2ull * sb.ports_per_guest * sb.port_stride;
    size_t at = 0;
    unsigned n;

    for (unsigned i = 0; i < ncores; i++)
        cpus[i] = *pin[i] ? shim_bind_read(pin[i]) : NULL;
    n = shim_numa_plan(topo, &sb, 2, ncores, cpus, page, r);
    text[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        char list[64] = "any";

        if (r[i].nodes)
            hwloc_bitmap_list_snprintf(list, sizeof(list), r[i].nodes);
        if (r[i].offset >= base) {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u+%u:%s%s", at ? " " : "",
                                   (unsigned)((r[i].offset - base) >> 20),
                                   (unsigned)(r[i].len >> 20), r[i].spread ? "*" : "", list);
            all += r[i].len;
        } else {
            at += (size_t)snprintf(text + at, sizeof(text) - at, " p%u+%u:%s",
                                   (unsigned)((r[i].offset - ports) / sb.port_stride),
                                   (unsigned)(r[i].len / sb.port_stride), list);
        }
    }
    shim_numa_free(r, n);
    for (unsigned i = 0; i < ncores; i++)
        hwloc_bitmap_free(cpus[i]);
    return all == sb.slice_size ? text : "not all of the slice";
}
#define PLAN(n, page, ...) plan(n, (const char *const[]){__VA_ARGS__}, page)

static void is(const char *got, const char *want, const char *name)
{
    if (!t_ok(strcmp(got, want) == 0, "%s", name))
        t_diag("got \"%s\", wanted \"%s\"", got, want);
}

int main(void)
{
    const char *many[TOROBUS_MAX_CORES];
    uint64_t at = 0, offset;

    sb = (struct torobus_superblock){.nguests = 4,
                                     .slice_offset = GIB,
                                     .slice_size = 16 * GIB,
                                     .ports_per_guest = 64,
                                     .nports = 256,
                                     .port_offset = 8192,
                                     .port_stride = TOROBUS_PORT_STRIDE};

    machine("pack:2 [numa] core:2 pu:2");
    is(PLAN(4, 4096, "0-1", "2-3", "4-5", "6-7"),
       "0+6144:0 6144+6144:1 12288+4096:*0-1 p0+2:0 p2+2:1", "two nodes, two cores of each");
    is(PLAN(4, 4096, "0-1", "4-5", "2-3", "6-7"),
       "0+3072:0 3072+3072:1 6144+3072:0 9216+3072:1 12288+4096:*0-1 p0+1:0 p1+1:1 p2+1:0 p3+1:1",
       "in turn");
    is(PLAN(2, 4096, "4-5", "6-7"), "0+16384:1 p0+2:1", "all on the second node");
    is(PLAN(2, 4096, "4", "7"), "0+16384:1 p0+2:1", "processors instead of cores");
    is(PLAN(2, 4096, "0-7", "0-7"), "0+10240:0-1 10240+6144:*0-1 p0+2:0-1", "both nodes");
    is(PLAN(2, 4096, "", ""), "0+16384:any p0+2:any", "nothing is pinned");
    is(PLAN(2, 4096, "4-5", ""), "0+5120:1 5120+5120:any 10240+6144:1 p0+1:1 p1+1:any",
       "one core is pinned");
    is(PLAN(2, 2u << 20, "0-1", "4-5"), "0+5120:0 5120+5120:1 10240+6144:*0-1",
       "pages of 2 MiB: ports are not bound");
    is(PLAN(1, 4096, "100"), "0+16384:any p0+1:any", "a processor that is not there");

    machine("pack:1 core:4 pu:1");
    is(PLAN(4, 4096, "0", "1", "2", "3"), "0+16384:0 p0+4:0", "one node");
    machine("pack:2 [numa] [numa] core:2 pu:1");
    is(PLAN(2, 4096, "0", "2"), "0+5120:0 5120+5120:2 10240+6144:*0,2 p0+1:0 p1+1:2",
       "two kinds of memory: the first of each");
    machine("pack:2 die:2 [numa] core:1 pu:1");
    is(PLAN(2, 4096, "0-1", "2-3"), "0+5120:0-1 5120+5120:2-3 10240+6144:*0-3 p0+1:0-1 p1+1:2-3",
       "a rank on a socket of two nodes");

    machine("numa:64 core:1 pu:1");
    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++) {
        static char text[TOROBUS_MAX_CORES][4];

        snprintf(text[i], sizeof(text[i]), "%u", i);
        many[i] = text[i];
    }
    t_ok(strncmp(plan(TOROBUS_MAX_CORES, many, 4096), "0+252:0 252+252:1 504+252:2 ", 28) == 0,
         "as many nodes as a guest may have cores");

    for (unsigned n = 1; n <= TOROBUS_MAX_CORES; n++) {
        uint64_t len = 0;

        at = 0;
        for (unsigned i = 0; i <= n; i++, at += len) {
            len = torobus_pool_span(GIB, n, i, &offset);
            if (offset != at || len == 0 || len % (2u << 20) != 0)
                t_bail("the pools of a slice do not fit together");
        }
        if (at != GIB)
            t_bail("the pools of a slice are not the slice");
    }
    t_ok(at == GIB, "pools fill a slice, however many there are");
    hwloc_topology_destroy(topo);
    return t_done();
}
