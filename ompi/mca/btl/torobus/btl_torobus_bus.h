/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the bus layer: how a process gets at its region. Two ways: /dev/torobus in a guest, and
 * a mapping of the region's file by a Linux process of the host. */
#ifndef MCA_BTL_TOROBUS_BUS_H
#define MCA_BTL_TOROBUS_BUS_H

#include "btl_torobus.h"

#include "torobus/dev.h"
#include "torobus/region.h"
#include "torobus/ring.h"
#include "torobus/wakeup.h"

/** A way to be on the bus. */
typedef struct mca_btl_torobus_platform_t {
    /**
     * Take a port. It is reset: directory, bitmaps and counters are empty, the epoch is new.
     *
     * @param[out] info  as TOROBUS_IOC_ATTACH answers
     * @return OPAL_SUCCESS; OPAL_ERR_NOT_AVAILABLE when there is no bus of this kind here; others
     *         with *why set
     */
    int (*attach)(struct torobus_dev_info *info, const char **why);
    /** @return memory in the region for a ring, page aligned, or NULL. Never given back. */
    void *(*alloc)(size_t size);
    /** Publish sleeping, re-check the summary, halt; at most ns. */
    void (*wait)(uint64_t ns);
    /** Wake the owner of a port, whose sleeping word was read as 1. */
    void (*kick)(uint32_t port);
    /** Give the port up. */
    void (*detach)(void);
    /** The process's memory lies outside the region. */
    bool private_memory;
} mca_btl_torobus_platform_t;

extern const mca_btl_torobus_platform_t mca_btl_torobus_dev;    /* btl_torobus_bus.c */
extern const mca_btl_torobus_platform_t mca_btl_torobus_native; /* btl_torobus_native.c */

#endif
