/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsed kernel command line (uapi/torobus/boot.h) and the order of initialisation (core/main.c).
 */
#ifndef TORO_BOOT_H
#define TORO_BOOT_H

#include "types.h"
#include "torobus/boot.h"

enum toro_fs_mode { TORO_FS_NONE, TORO_FS_RO, TORO_FS_RW };

/* A cache that each core has, or that all share. */
struct toro_cache {
    char type; /* d, i or u */
    bool shared;
    unsigned level, ways, line; /* ways 0: not known */
    uint64_t size;
};

struct toro_bootinfo {
    unsigned guest, cores, cpumask, log;
    uint32_t spin_ns;
    bool hoard; /* memory that is freed is not given back to the host */
    enum toro_fs_mode fs;
    char name[64];
    struct toro_cache cache[TOROBUS_BOOT_NCACHES];
    unsigned ncaches;
    uint64_t entry_tsc;
};
extern struct toro_bootinfo toro_boot;

/* core/main.c: toro_main() runs on the boot core: cmdline, heap, cores, PCI (toro_pci_init),
 * toro_ivshmem_init, toro_pools_init, then as kernel thread "init" (may block): toro_virtio_init(),
 * toro_ctl_init(), toro_fs_init(), toro_bus_init(), toro_pmix_init(), toro_rank_init() (registers
 * RANK_START and SIGNAL), then sends HELLO. */
void toro_main(void);
void toro_pci_init(void);
void toro_virtio_init(void);
void toro_rank_init(void);

#endif
