/* SPDX-License-Identifier: BSD-3-Clause */
/* Which accelerator the guests get, and why. */
#include "shim_accel.h"

#include "torobus/boot.h"

#include "shim_path.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** The host's boot id and the user: what the probe's answer is good for. */
static bool cache_key(char key[96])
{
    char id[64];
    ssize_t n;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    n = read(fd, id, sizeof(id) - 1);
    close(fd);
    if (n <= 0)
        return false;
    id[n] = '\0';
    id[strcspn(id, "\n")] = '\0';
    snprintf(key, 96, "%s:%u", id, (unsigned)getuid());
    return true;
}

bool shim_accel_choose(enum shim_accel *accel, char reason[256])
{
    const char *want = getenv("TOROBUS_ACCEL");
    char key[96], detail[160], text[256];
    enum shim_kvm kvm;
    bool keyed;

    if (want && strcmp(want, "tcg") == 0) {
        *accel = SHIM_ACCEL_TCG;
        snprintf(reason, 256, "TOROBUS_ACCEL=tcg");
        return true;
    }
    if (want && strcmp(want, "kvm") == 0) {
        if (access("/dev/kvm", R_OK | W_OK) != 0) {
            snprintf(reason, 256, "TOROBUS_ACCEL=kvm, but /dev/kvm cannot be used: %s",
                     strerror(errno));
            return false;
        }
        *accel = SHIM_ACCEL_KVM;
        snprintf(reason, 256, "TOROBUS_ACCEL=kvm");
        return true;
    }
    if (want && *want && strcmp(want, "auto") != 0) {
        snprintf(reason, 256, "TOROBUS_ACCEL=%.64s is impossible: give auto, kvm or tcg", want);
        return false;
    }
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        *accel = SHIM_ACCEL_TCG;
        snprintf(reason, 256, "/dev/kvm: %s", strerror(errno));
        return true;
    }
    keyed = cache_key(key);
    if (keyed && shim_cache_get("kvm", key, text, sizeof(text)) &&
        (text[0] == '0' || text[0] == '1') && text[1] == ' ') {
        *accel = text[0] == '1' ? SHIM_ACCEL_KVM : SHIM_ACCEL_TCG;
        snprintf(reason, 256, "%s", text + 2);
        return true;
    }
    kvm = shim_kvm_probe(detail);
    *accel = kvm == SHIM_KVM_GOOD ? SHIM_ACCEL_KVM : SHIM_ACCEL_TCG;
    snprintf(reason, 256, "%s", detail);
    if (keyed) {
        snprintf(text, sizeof(text), "%c %s", *accel == SHIM_ACCEL_KVM ? '1' : '0', detail);
        shim_cache_put("kvm", key, text);
    }
    return true;
}

/** One cache as boot.h has it. */
static size_t print_cache(hwloc_topology_t topo, hwloc_obj_t o, char *text, size_t at)
{
    const struct hwloc_cache_attr_s *c = &o->attr->cache;
    bool shared = hwloc_get_nbobjs_inside_cpuset_by_type(topo, o->cpuset, HWLOC_OBJ_CORE) > 1;
    int n;

    if (c->size == 0 || c->depth < 1 || c->depth > 9)
        return at;
    n = snprintf(text + at, SHIM_CACHES_MAX - at, "%s%c%u:%llu:%d:%u:%d", at ? "," : "",
                 c->type == HWLOC_OBJ_CACHE_DATA          ? 'd'
                 : c->type == HWLOC_OBJ_CACHE_INSTRUCTION ? 'i'
                                                          : 'u',
                 c->depth, (unsigned long long)c->size, c->associativity > 0 ? c->associativity : 0,
                 c->linesize, shared);
    if (n < 0 || at + (size_t)n >= SHIM_CACHES_MAX) {
        text[at] = '\0';
        return at;
    }
    return at + (size_t)n;
}

void shim_host_caches(char text[SHIM_CACHES_MAX])
{
    hwloc_topology_t topo;
    unsigned n = 0;
    size_t at = 0;

    text[0] = '\0';
    if (hwloc_topology_init(&topo) != 0)
        return;
    hwloc_topology_set_icache_types_filter(topo, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topo) == 0)
        for (hwloc_obj_t o = hwloc_get_obj_by_type(topo, HWLOC_OBJ_PU, 0);
             o && n < TOROBUS_BOOT_NCACHES; o = o->parent) {
            if (!hwloc_obj_type_is_cache(o->type))
                continue;
            at = print_cache(topo, o, text, at);
            n++;
        }
    hwloc_topology_destroy(topo);
}

unsigned shim_host_cpus(void)
{
    hwloc_topology_t topo;
    hwloc_bitmap_t set;
    unsigned n = 0;
    int cores;

    if (hwloc_topology_init(&topo) != 0)
        return 1;
    set = hwloc_bitmap_alloc();
    if (set && hwloc_topology_load(topo) == 0 && hwloc_get_cpubind(topo, set, 0) == 0) {
        /* hardware threads of one core share what a spinning rank uses */
        cores = hwloc_get_nbobjs_inside_cpuset_by_type(topo, set, HWLOC_OBJ_CORE);
        n = cores > 0 ? (unsigned)cores : 0;
        if (n == 0 && hwloc_bitmap_weight(set) > 0)
            n = (unsigned)hwloc_bitmap_weight(set);
    }
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(topo);
    return n ? n : 1;
}
