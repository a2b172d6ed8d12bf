/* SPDX-License-Identifier: BSD-3-Clause */
/* Pins the virtual CPUs of the job's guests. QEMU names its threads (debug-threads=on), so they are
 * found without a monitor. QEMU's own thread, which does input and output, is not pinned: it must
 * not wait for a core that a rank spins on. */
#include "keeper.h"

#include "shim_bind.h"

#include <dirent.h>
#include <errno.h>
#include <hwloc/linux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool keeper_bind_wish(struct keeper_client *c, const struct keeper_settings *s, char err[512])
{
    c->bind = s->bind == SHIM_BIND_CORE || s->cpus[0];
    if (!s->cpus[0])
        return true;
    c->cpus = shim_bind_read(s->cpus);
    if (!c->cpus)
        snprintf(err, 512, "the keeper does not take the processors \"%.100s\"", s->cpus);
    return c->cpus != NULL;
}

/** What the host has, looked up when the first rank wants to be pinned. */
bool keeper_bind_look(struct keeper *k)
{
    if (k->topo)
        return true;
    if (hwloc_topology_init(&k->topo) != 0) {
        k->topo = NULL;
        return false;
    }
    k->cpus = hwloc_bitmap_alloc();
    if (!k->cpus || hwloc_topology_load(k->topo) != 0 ||
        hwloc_get_cpubind(k->topo, k->cpus, HWLOC_CPUBIND_PROCESS) != 0) {
        keeper_log("hwloc knows nothing of this host: %s", strerror(errno));
        hwloc_topology_destroy(k->topo);
        hwloc_bitmap_free(k->cpus);
        k->topo = NULL;
        k->cpus = NULL;
        return false;
    }
    return true;
}

/** The threads of a guest's virtual CPUs. @return how many were found. */
static unsigned find_threads(const struct keeper_guest *g, pid_t tid[TOROBUS_MAX_CORES])
{
    char path[300], comm[32], accel[8];
    unsigned found = 0, cpu;
    struct dirent *e;
    DIR *d;

    memset(tid, 0, sizeof(*tid) * TOROBUS_MAX_CORES);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)g->pid);
    d = opendir(path);
    while (d && (e = readdir(d)) != NULL) {
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)g->pid, e->d_name);
        f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (f && fgets(comm, sizeof(comm), f) && sscanf(comm, "CPU %u/%7s", &cpu, accel) == 2 &&
            cpu < g->ncores && tid[cpu] == 0) {
            tid[cpu] = (pid_t)atoi(e->d_name);
            found++;
        }
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return found;
}

/** Pin the threads of one guest, or free them where there is no set. */
static void apply(struct keeper_guest *g, hwloc_bitmap_t set[TOROBUS_MAX_CORES])
{
    struct keeper *k = g->keeper;
    pid_t tid[TOROBUS_MAX_CORES];
    bool same = true;

    for (unsigned i = 0; i < g->ncores && same; i++)
        same = (set[i] == NULL) == (g->pinned[i] == NULL) &&
               (!set[i] || hwloc_bitmap_isequal(set[i], g->pinned[i]));
    if (same)
        return;
    if (find_threads(g, tid) != g->ncores)
        keeper_log("guest %s: not all of its virtual CPUs can be found", g->name);
    for (unsigned i = 0; i < g->ncores; i++) {
        hwloc_bitmap_free(g->pinned[i]);
        g->pinned[i] = NULL;
        if (tid[i] == 0)
            continue;
        if (hwloc_linux_set_tid_cpubind(k->topo, tid[i], set[i] ? set[i] : k->cpus) != 0)
            keeper_log("guest %s: core %u cannot be pinned: %s", g->name, i, strerror(errno));
        else if (set[i])
            g->pinned[i] = hwloc_bitmap_dup(set[i]);
    }
    keeper_numa_bind(g);
}

/** Whether the rank's threads are there to be pinned, or will be. */
static bool live(const struct keeper_guest *g)
{
    return g && g->state >= KEEPER_GUEST_BOOTING && g->state <= KEEPER_GUEST_UP && g->pid > 0;
}

void keeper_bind_update(struct keeper *k)
{
    static struct shim_bind_rank rank[TOROBUS_MAX_GUESTS * TOROBUS_MAX_CORES];
    static hwloc_bitmap_t set[TOROBUS_MAX_GUESTS][TOROBUS_MAX_CORES];
    const char *why = NULL;
    unsigned n = 0;
    bool ok;

    memset(set, 0, sizeof(set));
    for (unsigned s = 0; s < TOROBUS_MAX_GUESTS; s++) {
        struct keeper_guest *g = k->guest[s];

        for (unsigned r = 0; live(g) && r < g->nranks; r++) {
            const struct keeper_client *c = g->rank[r];

            if (!c || !c->bind)
                continue;
            rank[n].wish = c->cpus;
            rank[n].nvcpus = g->settings.cores;
            rank[n++].vcpu = &set[s][r * g->settings.cores];
        }
    }
    if (n == 0 && !k->bound)
        return;
    if (!keeper_bind_look(k)) {
        k->unbound = "hwloc knows nothing of this host";
        return;
    }
    ok = shim_bind_assign(k->topo, k->cpus, rank, n, &why);
    k->unbound = n > 0 && !ok ? why : NULL;
    k->bound = n > 0 && ok;
    for (unsigned s = 0; s < TOROBUS_MAX_GUESTS; s++) {
        struct keeper_guest *g = k->guest[s];

        if (live(g) && g->state >= KEEPER_GUEST_HELLO)
            apply(g, set[s]);
        for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++)
            hwloc_bitmap_free(set[s][i]);
    }
}

void keeper_bind_forget(struct keeper_guest *g)
{
    keeper_numa_forget(g);
    for (unsigned i = 0; i < TOROBUS_MAX_CORES; i++) {
        hwloc_bitmap_free(g->pinned[i]);
        g->pinned[i] = NULL;
    }
}

void keeper_bind_print(FILE *f, const struct keeper_guest *g)
{
    char text[256];
    bool any = false;

    for (unsigned i = 0; i < g->ncores; i++)
        any = any || g->pinned[i];
    for (unsigned i = 0; any && i < g->ncores; i++) {
        if (g->pinned[i])
            hwloc_bitmap_list_snprintf(text, sizeof(text), g->pinned[i]);
        fprintf(f, "%s core %u on %s", i == 0 ? "  pinned:" : ",", i, g->pinned[i] ? text : "any");
    }
    if (any)
        fputc('\n', f);
    else if (g->keeper->unbound && live(g))
        fprintf(f, "  not pinned: %s\n", g->keeper->unbound);
    if (any)
        keeper_numa_print(f, g);
}
