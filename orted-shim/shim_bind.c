/* SPDX-License-Identifier: BSD-3-Clause */
/* From what ranks want to which processors their virtual CPUs get. */
#include "shim_bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_MAX 65535ul

bool shim_bind_parse(const char *text, enum shim_bind *bind)
{
    static const char *const names[] = {"auto", "core", "none"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *bind = (enum shim_bind)i;
            return true;
        }
    }
    return false;
}

bool shim_bind_list(const cpu_set_t *set, char list[SHIM_BIND_LIST_MAX])
{
    size_t at = 0;

    list[0] = '\0';
    for (int i = 0; i < CPU_SETSIZE; i++) {
        int last = i;

        if (!CPU_ISSET(i, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        at += (size_t)snprintf(list + at, SHIM_BIND_LIST_MAX - at, last > i ? "%s%d-%d" : "%s%d",
                               at ? "," : "", i, last);
        if (at >= SHIM_BIND_LIST_MAX)
            return false;
        i = last;
    }
    return true;
}

hwloc_bitmap_t shim_bind_read(const char *list)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();

    for (const char *p = list; set;) {
        char *end;
        unsigned long a = strtoul(p, &end, 10), b = a;
        bool ok = *p >= '0' && *p <= '9';

        if (ok && *end == '-') {
            p = end + 1;
            ok = *p >= '0' && *p <= '9';
            b = strtoul(p, &end, 10);
        }
        if (!ok || b > CPU_MAX || a > b || (*end != ',' && *end != '\0') ||
            hwloc_bitmap_set_range(set, (unsigned)a, (int)b) != 0)
            break;
        if (*end == '\0')
            return set;
        p = end + 1;
    }
    hwloc_bitmap_free(set);
    return NULL;
}

/** Processors of the i'th core inside a set; where hwloc knows no cores, the i'th processor. */
static hwloc_bitmap_t core_of(hwloc_topology_t topo, hwloc_const_bitmap_t set, unsigned i)
{
    bool cores = hwloc_get_nbobjs_inside_cpuset_by_type(topo, set, HWLOC_OBJ_CORE) > 0;
    hwloc_obj_t o =
        hwloc_get_obj_inside_cpuset_by_type(topo, set, cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU, i);

    return o ? hwloc_bitmap_dup(o->cpuset) : NULL;
}

/** Cores that lie in a set as a whole. (A set that cuts cores in two counts as processors.) */
static unsigned ncores(hwloc_topology_t topo, hwloc_const_bitmap_t set)
{
    int n = hwloc_get_nbobjs_inside_cpuset_by_type(topo, set, HWLOC_OBJ_CORE);

    if (n <= 0)
        n = hwloc_get_nbobjs_inside_cpuset_by_type(topo, set, HWLOC_OBJ_PU);
    return n > 0 ? (unsigned)n : 0;
}

/** One core of the set for each virtual CPU, and all of them are taken then. */
static bool give_cores(hwloc_topology_t topo, hwloc_const_bitmap_t set, struct shim_bind_rank *r,
                       hwloc_bitmap_t taken)
{
    if (ncores(topo, set) < r->nvcpus)
        return false;
    for (unsigned i = 0; i < r->nvcpus; i++) {
        r->vcpu[i] = core_of(topo, set, i);
        if (!r->vcpu[i])
            return false;
    }
    for (unsigned i = 0; i < r->nvcpus; i++)
        hwloc_bitmap_or(taken, taken, r->vcpu[i]);
    return true;
}

static bool assign(hwloc_topology_t topo, hwloc_const_bitmap_t allowed, struct shim_bind_rank *r,
                   unsigned n, hwloc_bitmap_t taken, hwloc_bitmap_t free_set)
{
    /* first those that get what they were bound to */
    for (unsigned k = 0; k < n; k++) {
        if (!r[k].wish)
            continue;
        hwloc_bitmap_and(free_set, r[k].wish, allowed);
        if (ncores(topo, free_set) > r[k].nvcpus) {
            for (unsigned i = 0; i < r[k].nvcpus; i++)
                if (!(r[k].vcpu[i] = hwloc_bitmap_dup(free_set)))
                    return false;
        } else if (!hwloc_bitmap_intersects(free_set, taken)) {
            give_cores(topo, free_set, &r[k], taken);
        }
    }
    /* then those whose cores are another's, and those that take any */
    for (unsigned k = 0; k < n; k++) {
        if (r[k].vcpu[0])
            continue;
        hwloc_bitmap_andnot(free_set, allowed, taken);
        if (!give_cores(topo, free_set, &r[k], taken))
            return false;
        r[k].moved = r[k].wish != NULL;
    }
    return true;
}

bool shim_bind_assign(hwloc_topology_t topo, hwloc_const_bitmap_t allowed, struct shim_bind_rank *r,
                      unsigned n, const char **why)
{
    hwloc_bitmap_t taken = hwloc_bitmap_alloc(), free_set = hwloc_bitmap_alloc();
    unsigned vcpus = 0;
    bool ok;

    for (unsigned k = 0; k < n; k++) {
        vcpus += r[k].nvcpus;
        r[k].moved = false;
        for (unsigned i = 0; i < r[k].nvcpus; i++)
            r[k].vcpu[i] = NULL;
    }
    ok = taken && free_set && vcpus <= ncores(topo, allowed);
    *why = ok ? "the cores that are left do not suffice" : "more virtual CPUs than cores";
    ok = ok && assign(topo, allowed, r, n, taken, free_set);
    for (unsigned k = 0; !ok && k < n; k++) {
        for (unsigned i = 0; i < r[k].nvcpus; i++) {
            hwloc_bitmap_free(r[k].vcpu[i]);
            r[k].vcpu[i] = NULL;
        }
    }
    hwloc_bitmap_free(taken);
    hwloc_bitmap_free(free_set);
    return ok;
}
