/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory where its core is. The region is one file, and a policy for a part of it stays with the
 * file: the keeper sets it once, for all who map it. A policy says where pages come from that are
 * touched later, so it is set before the ranks start; it is a preference (no node is so full that a
 * job has to end for it), and where the host forbids it (containers) the job runs without. */
#include "keeper.h"

#include "shim_numa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/** Set the policy of a part of the region; no nodes: the host's own. @return 0 or errno. */
static int set(struct keeper *k, const struct shim_numa_range *r)
{
    hwloc_const_bitmap_t nodes = r->nodes ? r->nodes : hwloc_topology_get_topology_nodeset(k->topo);
    hwloc_membind_policy_t policy = !r->nodes   ? HWLOC_MEMBIND_DEFAULT
                                    : r->spread ? HWLOC_MEMBIND_INTERLEAVE
                                                : HWLOC_MEMBIND_BIND;
    /* it needs an address, but nobody has to touch anything there */
    void *p = mmap(NULL, r->len, PROT_NONE, MAP_SHARED | MAP_NORESERVE, k->region.memfd,
                   (off_t)r->offset);
    int err = 0;

    if (p == MAP_FAILED)
        return errno;
    /* (without HWLOC_MEMBIND_STRICT, to bind is to prefer) */
    if (hwloc_set_area_membind(k->topo, p, r->len, nodes, policy, HWLOC_MEMBIND_BYNODESET) != 0)
        err = errno ? errno : EIO;
    munmap(p, r->len);
    return err;
}

void keeper_numa_bind(struct keeper_guest *g)
{
    struct shim_numa_range r[SHIM_NUMA_MAX];
    struct keeper *k = g->keeper;
    unsigned n =
        shim_numa_plan(k->topo, &k->region.sb, g->slice, g->ncores, g->pinned, k->region.page, r);
    bool any = false;
    int err = 0;

    for (unsigned i = 0; i < n; i++)
        any |= r[i].nodes != NULL;
    for (unsigned i = 0; i < n && err == 0 && (any || g->numa); i++) {
        err = set(k, &r[i]);
        g->numa |= err == 0;
    }
    shim_numa_free(r, n);
    if (err == 0) {
        g->numa = any;
        g->numa_why[0] = '\0';
        return;
    }
    snprintf(g->numa_why, sizeof(g->numa_why), "%s", strerror(err));
    keeper_log("guest %s: its memory is not bound: %s", g->name, g->numa_why);
    keeper_guest_step(g,
                      "guest %s: memory is not bound to the NUMA nodes of its cores: %s; "
                      "containers may forbid mbind",
                      g->name, g->numa_why);
}

void keeper_numa_forget(struct keeper_guest *g)
{
    hwloc_bitmap_t none[TOROBUS_MAX_CORES] = {NULL};
    struct shim_numa_range r[SHIM_NUMA_MAX];
    unsigned n;

    hwloc_bitmap_free(g->home);
    g->home = NULL;
    if (!g->numa)
        return;
    n = shim_numa_plan(g->keeper->topo, &g->keeper->region.sb, g->slice, g->ncores, none,
                       g->keeper->region.page, r);
    for (unsigned i = 0; i < n; i++) {
        int err = set(g->keeper, &r[i]);

        if (err != 0)
            keeper_log("guest %s: its memory stays bound: %s", g->name, strerror(err));
    }
    shim_numa_free(r, n);
    g->numa = false;
}

void keeper_numa_home(struct keeper_guest *g, const struct keeper_client *first, unsigned nranks,
                      unsigned cores)
{
    static hwloc_bitmap_t set[TOROBUS_MAX_CORES];
    struct shim_bind_rank rank[TOROBUS_MAX_CORES];
    hwloc_bitmap_t all = NULL;
    const char *why;
    /* Where the launcher binds, only this rank's processors are known. Who takes any core is like
     * those that will come. */
    unsigned n = first->cpus ? 1 : nranks;

    hwloc_bitmap_free(g->home);
    g->home = NULL;
    if (!first->bind || n * cores > TOROBUS_MAX_CORES || !keeper_bind_look(g->keeper))
        return;
    for (unsigned i = 0; i < n; i++)
        rank[i] =
            (struct shim_bind_rank){.wish = first->cpus, .nvcpus = cores, .vcpu = &set[i * cores]};
    if (!shim_bind_assign(g->keeper->topo, g->keeper->cpus, rank, n, &why))
        return;
    all = hwloc_bitmap_alloc();
    for (unsigned i = 0; i < n * cores; i++) {
        if (all)
            hwloc_bitmap_or(all, all, set[i]);
        hwloc_bitmap_free(set[i]);
    }
    g->home = shim_numa_nodes(g->keeper->topo, all);
    hwloc_bitmap_free(all);
}

void keeper_numa_enter(const struct keeper_guest *g)
{
    /* a preference, again; that it cannot be had is said of the region, which matters more */
    if (g->home)
        (void)hwloc_set_membind(g->keeper->topo, g->home, HWLOC_MEMBIND_BIND,
                                HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_THREAD);
}

void keeper_numa_print(FILE *f, const struct keeper_guest *g)
{
    if (g->numa_why[0]) {
        fprintf(f, "  memory not bound: %s\n", g->numa_why);
        return;
    }
    for (unsigned i = 0; g->numa && i < g->ncores; i++) {
        hwloc_bitmap_t nodes = shim_numa_nodes(g->keeper->topo, g->pinned[i]);
        char text[64] = "any";

        if (nodes)
            hwloc_bitmap_list_snprintf(text, sizeof(text), nodes);
        fprintf(f, "%s core %u node %s", i == 0 ? "  memory:" : ",", i, text);
        hwloc_bitmap_free(nodes);
    }
    if (g->numa)
        fputc('\n', f);
}
