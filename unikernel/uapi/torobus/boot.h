/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel command line: words key=value separated by blanks, given by the keeper with QEMU's
 * -append. An unknown word stops the boot with a panic that names it. */
#ifndef TOROBUS_BOOT_H
#define TOROBUS_BOOT_H

#include "abi.h"

#define TOROBUS_BOOT_GUEST "guest"   /**< slice index, decimal */
#define TOROBUS_BOOT_CORES "cores"   /**< vCPUs, decimal; all must come up */
#define TOROBUS_BOOT_NAME  "name"    /**< node name: uname's nodename */
#define TOROBUS_BOOT_SPIN  "spin_ns" /**< advised spin time before a port sleeps */
#define TOROBUS_BOOT_FS    "fs"      /**< none, ro or rw: host files as ranks see them */
#define TOROBUS_BOOT_LOG                                                                           \
    "log" /**< 0 quiet (default), 1 boot steps, 2 everything, on the serial console */
#define TOROBUS_BOOT_GIVEBACK                                                                      \
    "giveback" /**< 0: memory that is freed stays with the guest (huge pages); 1 (default) */
#define TOROBUS_BOOT_CPUMASK                                                                       \
    "cpumask" /**< host CPUs the guest may use: count, decimal; to know oversubscription */

/** Caches of the host's cores, for /sys and what is told to programs: up to TOROBUS_BOOT_NCACHES of
 * TYPE LEVEL:SIZE:WAYS:LINE:SHARED separated by commas, e.g. d1:32768:8:64:0,u3:33554432:16:64:1.
 * TYPE d, i or u (unified); WAYS 0: not known; SHARED 1: by all cores of the guest. */
#define TOROBUS_BOOT_CACHES  "caches"
#define TOROBUS_BOOT_NCACHES 6

/* Devices, by the order and names the keeper gives them:
 *   ivshmem-doorbell   BAR2 = region, one MSI-X vector per core
 *   virtio-serial-pci  port 1, name TOROBUS_PORT_CTL: ctl frames
 *   virtio-9p-pci      mount tag TOROBUS_9P_TAG; with fs=none only to load programs
 *   isa serial 0x3f8   kernel log and panics, text
 *   isa-debug-exit     iobase 0xf4: the guest ends: QEMU's status is 2 * value + 1 */
#define TOROBUS_PORT_CTL   "torobus.ctl"
#define TOROBUS_9P_TAG     "root"
#define TOROBUS_DEBUG_EXIT 0xf4
#define TOROBUS_EXIT_OK    0x10 /**< ordered shutdown: QEMU exits 33 */
#define TOROBUS_EXIT_PANIC 0x11 /**< kernel panic: QEMU exits 35 */

#endif
