/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/devices/system/cpu/cpuN/cache. hwloc can ask the processor itself, but only of the core that
 * it runs on: without these files each rank of a guest would see another topology. The caches are
 * those of the host's cores, which the keeper describes, else those that the processor claims to
 * have. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/lib.h>
#include "pseudo.h"

#define add        toro_text_add
#define MAX_CACHES 8u

static const char *const file[] = {
    "level",
    "type",
    "id",
    "size",
    "coherency_line_size",
    "physical_line_partition",
    "ways_of_associativity",
    "number_of_sets",
    "shared_cpu_map",
    "shared_cpu_list",
};

static bool known(const char *name)
{
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(file); i++)
        if (toro_strcmp(file[i], name) == 0)
            return true;
    return false;
}

static bool cache(unsigned i, struct arch_cache *out)
{
    const struct toro_cache *c;
    uint64_t lines;

    if (toro_boot.ncaches == 0)
        return arch_cache(i, out);
    if (i >= toro_boot.ncaches || toro_boot.cache[i].line == 0)
        return false;
    c = &toro_boot.cache[i];
    lines = c->size / c->line;
    *out = (struct arch_cache){.type = c->type == 'd'   ? 1
                                       : c->type == 'i' ? 2
                                                        : 3,
                               .level = c->level,
                               .line = c->line,
                               .groups = 1,
                               .ways = c->ways ? c->ways : (unsigned)lines,
                               .sets = c->ways ? (unsigned)(lines / c->ways) : 1,
                               .cores = c->shared ? arch_ncores() : 1};
    return true;
}

uint32_t toro_sysfs_cache_type(const char *r)
{
    struct arch_cache c;
    unsigned n;

    if (!*r)
        return TORO_S_IFDIR;
    r = toro_sysfs_indexed(r, "index", MAX_CACHES, &n);
    if (!r || !cache(n, &c))
        return 0;
    return !*r ? TORO_S_IFDIR : known(r) ? TORO_S_IFREG : 0;
}

uint32_t toro_sysfs_cache_entry(const char *r, unsigned i, char name[TORO_NAME_MAX + 1])
{
    struct arch_cache c;
    unsigned n;

    if (!*r) {
        if (i >= MAX_CACHES || !cache(i, &c))
            return 0;
        toro_snprintf(name, TORO_NAME_MAX + 1, "index%u", i);
        return TORO_S_IFDIR;
    }
    r = toro_sysfs_indexed(r, "index", MAX_CACHES, &n);
    if (!r || *r || !cache(n, &c) || i >= TORO_ARRAY_SIZE(file))
        return 0;
    toro_strlcpy(name, file[i], TORO_NAME_MAX + 1);
    return TORO_S_IFREG;
}

void toro_sysfs_cache_text(struct toro_text *t, const char *r, unsigned core)
{
    static const char *const types[] = {"", "Data", "Instruction", "Unified"};
    unsigned n, first, last;
    struct arch_cache c;

    r = toro_sysfs_indexed(r, "index", MAX_CACHES, &n);
    if (!r || !cache(n, &c))
        return;
    first = core / c.cores * c.cores;
    last = first + c.cores - 1 < arch_ncores() ? first + c.cores - 1 : arch_ncores() - 1;
    if (toro_strcmp(r, "type") == 0)
        add(t, "%s\n", types[c.type]);
    else if (toro_strcmp(r, "size") == 0)
        add(t, "%luK\n", (uint64_t)c.line * c.groups * c.ways * c.sets / 1024);
    else if (toro_strcmp(r, "shared_cpu_map") == 0)
        toro_sysfs_cpus(t, first, last, false);
    else if (toro_strcmp(r, "shared_cpu_list") == 0)
        toro_sysfs_cpus(t, first, last, true);
    else
        add(t, "%u\n",
            toro_strcmp(r, "level") == 0                     ? c.level
            : toro_strcmp(r, "id") == 0                      ? core / c.cores
            : toro_strcmp(r, "coherency_line_size") == 0     ? c.line
            : toro_strcmp(r, "physical_line_partition") == 0 ? c.groups
            : toro_strcmp(r, "ways_of_associativity") == 0   ? c.ways
                                                             : c.sets);
}
