/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys: the guest's processors, as hwloc, glibc and OpenMP run-times look for them. One package,
 * one core per vCPU, one NUMA node with all of the guest's memory. */
#include <toro/arch.h>
#include <toro/bus.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/proc.h>
#include "pseudo.h"

#define add     toro_text_add
#define indexed toro_sysfs_indexed
#define cpus    toro_sysfs_cpus

/* Directories with fixed entries; cpuN and nodeN come in addition. */
static const struct {
    const char *dir;
    const char *entry[8];
} tree[] = {
    {"", {"devices", "bus", "class", "fs", "kernel"}},
    {"devices", {"system"}},
    {"devices/system", {"cpu", "node"}},
    {"bus", {"cpu", "node"}},
    {"bus/cpu", {"devices"}},
    {"bus/node", {"devices"}},
    {"class", {NULL}},
    {"fs", {NULL}},
    {"kernel", {NULL}},
};
static const char *const cpu_files[] = {"online", "possible", "present", "kernel_max"};
static const char *const node_files[] = {"online", "possible", "has_cpu", "has_memory"};
static const char *const topology[] = {
    "core_id",       "physical_package_id", "thread_siblings", "thread_siblings_list",
    "core_siblings", "core_siblings_list",  "core_cpus",       "core_cpus_list",
    "package_cpus",  "package_cpus_list",   "die_id",          "cluster_id",
};
static const char *const node_entry[] = {"cpumap", "cpulist", "meminfo", "distance"};

static bool among(const char *const *list, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (toro_strcmp(list[i], name) == 0)
            return true;
    return false;
}

const char *toro_sysfs_indexed(const char *rel, const char *prefix, unsigned count, unsigned *n)
{
    size_t len = toro_strlen(prefix);
    const char *end;
    uint64_t v;

    if (toro_strncmp(rel, prefix, len) != 0 || rel[len] < '0' || rel[len] > '9')
        return NULL;
    v = toro_strtou(rel + len, &end);
    if (v >= count || (*end && *end != '/'))
        return NULL;
    *n = (unsigned)v;
    return *end ? end + 1 : end;
}

static const char *cpu_dir(const char *rel)
{
    const char *r = toro_pseudo_below(rel, "devices/system/cpu");

    return r ? r : toro_pseudo_below(rel, "bus/cpu/devices");
}

static const char *node_dir(const char *rel)
{
    const char *r = toro_pseudo_below(rel, "devices/system/node");

    return r ? r : toro_pseudo_below(rel, "bus/node/devices");
}

static uint32_t cpu_type(const char *r)
{
    unsigned n;

    if (!*r)
        return TORO_S_IFDIR;
    if (among(cpu_files, TORO_ARRAY_SIZE(cpu_files), r))
        return TORO_S_IFREG;
    r = indexed(r, "cpu", arch_ncores(), &n);
    if (!r)
        return 0;
    if (!*r)
        return TORO_S_IFDIR;
    if (toro_strcmp(r, "online") == 0)
        return TORO_S_IFREG;
    if (toro_pseudo_below(r, "cache"))
        return toro_sysfs_cache_type(toro_pseudo_below(r, "cache"));
    r = toro_pseudo_below(r, "topology");
    if (!r)
        return 0;
    if (!*r)
        return TORO_S_IFDIR;
    return among(topology, TORO_ARRAY_SIZE(topology), r) ? TORO_S_IFREG : 0;
}

static uint32_t node_type(const char *r)
{
    unsigned n;

    if (!*r)
        return TORO_S_IFDIR;
    if (among(node_files, TORO_ARRAY_SIZE(node_files), r))
        return TORO_S_IFREG;
    r = indexed(r, "node", 1, &n);
    if (!r)
        return 0;
    if (!*r)
        return TORO_S_IFDIR;
    return among(node_entry, TORO_ARRAY_SIZE(node_entry), r) ? TORO_S_IFREG : 0;
}

static uint32_t sys_type(const char *rel)
{
    const char *r;

    for (unsigned i = 0; i < TORO_ARRAY_SIZE(tree); i++)
        if (toro_strcmp(tree[i].dir, rel) == 0)
            return TORO_S_IFDIR;
    r = cpu_dir(rel);
    if (r)
        return cpu_type(r);
    r = node_dir(rel);
    return r ? node_type(r) : 0;
}

static uint32_t named(char *to, const char *name, uint32_t type)
{
    toro_strlcpy(to, name, TORO_NAME_MAX + 1);
    return type;
}

static uint32_t listed(const char *const *list, unsigned n, unsigned i, char *to)
{
    return i < n ? named(to, list[i], TORO_S_IFREG) : 0;
}

static uint32_t cpu_entry(const char *r, unsigned i, char *name)
{
    unsigned n;

    if (!*r) {
        if (i < arch_ncores()) {
            toro_snprintf(name, TORO_NAME_MAX + 1, "cpu%u", i);
            return TORO_S_IFDIR;
        }
        return listed(cpu_files, TORO_ARRAY_SIZE(cpu_files), i - arch_ncores(), name);
    }
    r = indexed(r, "cpu", arch_ncores(), &n);
    if (r && !*r)
        return i == 0   ? named(name, "topology", TORO_S_IFDIR)
               : i == 1 ? named(name, "cache", TORO_S_IFDIR)
               : i == 2 ? named(name, "online", TORO_S_IFREG)
                        : 0;
    if (r && toro_pseudo_below(r, "cache"))
        return toro_sysfs_cache_entry(toro_pseudo_below(r, "cache"), i, name);
    return r && toro_strcmp(r, "topology") == 0
               ? listed(topology, TORO_ARRAY_SIZE(topology), i, name)
               : 0;
}

static uint32_t node_list(const char *r, unsigned i, char *name)
{
    unsigned n;

    if (!*r) {
        if (i == 0)
            return named(name, "node0", TORO_S_IFDIR);
        return listed(node_files, TORO_ARRAY_SIZE(node_files), i - 1, name);
    }
    r = indexed(r, "node", 1, &n);
    return r && !*r ? listed(node_entry, TORO_ARRAY_SIZE(node_entry), i, name) : 0;
}

static uint32_t sys_entry(const char *rel, unsigned i, char name[TORO_NAME_MAX + 1])
{
    const char *r = cpu_dir(rel);

    if (r)
        return cpu_entry(r, i, name);
    r = node_dir(rel);
    if (r)
        return node_list(r, i, name);
    for (unsigned k = 0; k < TORO_ARRAY_SIZE(tree); k++)
        if (toro_strcmp(tree[k].dir, rel) == 0)
            return i < TORO_ARRAY_SIZE(tree[k].entry) && tree[k].entry[i]
                       ? named(name, tree[k].entry[i], TORO_S_IFDIR)
                       : 0;
    return 0;
}

void toro_sysfs_cpus(struct toro_text *t, unsigned first, unsigned last, bool list)
{
    uint64_t m = (last >= 63 ? ~0ull : (1ull << (last + 1)) - 1) & ~((1ull << first) - 1);

    if (list && first == last)
        add(t, "%u\n", first);
    else if (list)
        add(t, "%u-%u\n", first, last);
    else if (arch_ncores() > 32)
        add(t, "%08x,%08x\n", (unsigned)(m >> 32), (unsigned)m);
    else
        add(t, "%08x\n", (unsigned)m);
}

static bool ends(const char *s, const char *with)
{
    size_t n = toro_strlen(s), k = toro_strlen(with);

    return n >= k && toro_strcmp(s + n - k, with) == 0;
}

static void cpu_text(struct toro_text *t, const char *r)
{
    const struct toro_proc *p = toro_current_proc();
    unsigned last = arch_ncores() - 1, n;
    const char *in = indexed(r, "cpu", arch_ncores(), &n);

    if (toro_strcmp(r, "kernel_max") == 0)
        add(t, "%u\n", TORO_MAX_CORES - 1);
    else if (!in && p != NULL && toro_strcmp(r, "online") == 0)
        /* What a program counts to find out how many threads to start: those of its rank. */
        cpus(t, p->core, p->core + p->ncores - 1, true);
    else if (!in)
        cpus(t, 0, last, true);
    else if (toro_strcmp(in, "online") == 0)
        add(t, "1\n");
    else if (toro_pseudo_below(in, "cache"))
        toro_sysfs_cache_text(t, toro_pseudo_below(in, "cache"), n);
    else if (ends(in, "/core_id"))
        add(t, "%u\n", n);
    else if (ends(in, "_id"))
        add(t, "0\n");
    else if (ends(in, "/thread_siblings_list") || ends(in, "/core_cpus_list"))
        cpus(t, n, n, true);
    else if (ends(in, "/thread_siblings") || ends(in, "/core_cpus"))
        cpus(t, n, n, false);
    else
        cpus(t, 0, last, ends(in, "_list"));
}

static void node_text(struct toro_text *t, const char *r)
{
    const struct torobus_slice_hdr *h =
        torobus_slice_at(toro_bus.base, &toro_bus.sb, toro_bus.guest);
    uint64_t total = h->mem_limit && h->mem_limit < toro_bus.sb.slice_size ? h->mem_limit
                                                                           : toro_bus.sb.slice_size;

    if (ends(r, "/cpumap"))
        cpus(t, 0, arch_ncores() - 1, false);
    else if (ends(r, "/cpulist"))
        cpus(t, 0, arch_ncores() - 1, true);
    else if (ends(r, "/meminfo"))
        add(t, "Node 0 MemTotal:       %lu kB\n", total / 1024);
    else if (ends(r, "/distance"))
        add(t, "10\n");
    else
        add(t, "0\n");
}

static int sys_text(const char *rel, struct toro_text *t)
{
    const char *r = cpu_dir(rel);

    if (r) {
        cpu_text(t, r);
        return 0;
    }
    r = node_dir(rel);
    if (!r)
        return -ENOENT;
    node_text(t, r);
    return 0;
}

static const struct pseudo sysfs = {
    .type = sys_type, .entry = sys_entry, .text = sys_text, .magic = TORO_SYSFS_MAGIC};

int toro_sysfs_mount(void)
{
    return toro_pseudo_mount("/sys", "sysfs", &sysfs);
}
