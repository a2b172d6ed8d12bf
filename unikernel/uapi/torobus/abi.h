/* SPDX-License-Identifier: BSD-3-Clause */
/* Version and limits shared by the kernel, the BTL, the PMIx component and the host programs.
 * Freestanding C11: only stdint, stddef, stdbool and stdatomic may be included here. */
#ifndef TOROBUS_ABI_H
#define TOROBUS_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bumped on any change of a layout or meaning in uapi/torobus. Both sides refuse another value. */
#define TOROBUS_ABI_VERSION 1u

/** Cache line the layouts are built for, bytes. */
#define TOROBUS_LINE 64u

/** Most guests (slices) in one region; native processes on the host share the last slice. */
#define TOROBUS_MAX_GUESTS 64u
/** Most cores (ports) of one guest. */
#define TOROBUS_MAX_CORES 64u
/** Ports a region has room for; a port id is guest * ports_per_guest + core and below this. */
#define TOROBUS_MAX_PORTS 1024u

/** Where every guest maps the region; a pointer into it is the same number everywhere. */
#define TOROBUS_REGION_VA 0x200000000000ull
/** Largest region, bytes: one top-level page-table entry. */
#define TOROBUS_REGION_MAX (512ull << 30)

/** Result of an operation on shared layouts. */
enum torobus_result {
    TOROBUS_OK = 0,
    TOROBUS_AGAIN = -1,  /**< no room or nothing there; nothing was changed */
    TOROBUS_EPROTO = -2, /**< the peer wrote something impossible; fail the endpoint */
    TOROBUS_EINVAL = -3, /**< the caller's arguments are impossible */
};

#endif
