/* SPDX-License-Identifier: BSD-3-Clause */
/* Which accelerator the guests get, and why. */
#include "shim_accel.h"

#include "shim_path.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
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
