/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: who can be reached, and what happens when one of them ends. */
#include "opal_config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "btl_torobus.h"

#include "opal/class/opal_bitmap.h"
#include "opal/mca/pmix/pmix.h"
#include "opal/util/show_help.h"

static void endpoint_construct(mca_btl_torobus_endpoint_t *ep)
{
    OBJ_CONSTRUCT(&ep->all, opal_list_item_t);
    OBJ_CONSTRUCT(&ep->lock, opal_mutex_t);
    OBJ_CONSTRUCT(&ep->pending, opal_list_t);
    ep->tx = NULL;
    ep->queued = false;
    ep->failed = false;
    ep->refs = 0;
    ep->dead_since = 0;
    ep->proc = NULL;
}

static void endpoint_destruct(mca_btl_torobus_endpoint_t *ep)
{
    if (NULL != ep->tx) {
        mca_btl_torobus_bus_disconnect(ep->tx);
    }
    OBJ_DESTRUCT(&ep->pending);
    OBJ_DESTRUCT(&ep->lock);
    OBJ_DESTRUCT(&ep->all);
}

OBJ_CLASS_INSTANCE(mca_btl_torobus_endpoint_t, opal_list_item_t, endpoint_construct,
                   endpoint_destruct);

/* Where a process is on the bus. False: not on this bus, which is no error. */
static bool find_peer(opal_proc_t *proc, mca_btl_torobus_modex_t *addr)
{
    const mca_btl_torobus_modex_t *self = &mca_btl_torobus_component.bus.self;
    mca_btl_torobus_modex_t *modex = NULL;
    size_t size = 0;
    bool here;
    int rc;

    if (0 == opal_compare_proc(proc->proc_name, OPAL_PROC_MY_NAME)) {
        *addr = *self;
        return true;
    }
    OPAL_MODEX_RECV(rc, &mca_btl_torobus_component.super.btl_version, &proc->proc_name,
                    (void **)&modex, &size);
    if (OPAL_SUCCESS != rc || NULL == modex) {
        return false;
    }
    here = sizeof(*modex) == size && modex->version == self->version &&
           0 == memcmp(modex->uuid, self->uuid, sizeof(self->uuid)) &&
           modex->port < mca_btl_torobus_component.bus.nports && modex->port != self->port;
    if (here) {
        *addr = *modex;
    }
    free(modex);
    return here;
}

/* The module that a peer belongs to. The own memory can be reached in any case. */
static mca_btl_base_module_t *module_of(const mca_btl_torobus_modex_t *addr)
{
    const mca_btl_torobus_modex_t *self = &mca_btl_torobus_component.bus.self;

    return addr->port != self->port && (0 != self->private_memory || 0 != addr->private_memory)
               ? &mca_btl_torobus_private
               : &mca_btl_torobus;
}

/* The endpoint of a peer, made if there is none yet. Called with the component's lock held. */
static mca_btl_torobus_endpoint_t *get_endpoint(opal_proc_t *proc,
                                                const mca_btl_torobus_modex_t *addr)
{
    mca_btl_torobus_endpoint_t **slot = &mca_btl_torobus_component.endpoints[addr->port];
    mca_btl_torobus_endpoint_t *ep = *slot;

    if (NULL != ep && ep->addr.epoch == addr->epoch) {
        return ep;
    }
    ep = OBJ_NEW(mca_btl_torobus_endpoint_t);
    if (NULL == ep) {
        return NULL;
    }
    ep->addr = *addr;
    ep->proc = proc;
    ep->module = module_of(addr);
    if (addr->port != mca_btl_torobus_component.bus.self.port) {
        ep->tx = mca_btl_torobus_bus_connect(addr);
        if (NULL == ep->tx) {
            OBJ_RELEASE(ep);
            return NULL;
        }
    }
    /* An earlier owner of the port that still has an endpoint keeps it, but is not looked up by
     * port any more: its messages have stopped. */
    *slot = ep;
    opal_list_append(&mca_btl_torobus_component.endpoints_all, &ep->all);
    return ep;
}

int mca_btl_torobus_add_procs(mca_btl_base_module_t *btl, size_t nprocs, opal_proc_t **procs,
                              mca_btl_base_endpoint_t **endpoints, opal_bitmap_t *reachable)
{
    mca_btl_torobus_modex_t addr;
    int rc = OPAL_SUCCESS;

    for (size_t i = 0; i < nprocs && OPAL_SUCCESS == rc; i++) {
        endpoints[i] = NULL;
        if (!find_peer(procs[i], &addr)) {
            mca_btl_torobus_component.strangers = true;
            continue;
        }
        if (btl != module_of(&addr)) {
            continue;
        }
        OPAL_THREAD_LOCK(&mca_btl_torobus_component.lock);
        endpoints[i] = get_endpoint(procs[i], &addr);
        if (NULL != endpoints[i]) {
            endpoints[i]->refs++;
        }
        OPAL_THREAD_UNLOCK(&mca_btl_torobus_component.lock);
        if (NULL == endpoints[i]) {
            rc = OPAL_ERR_OUT_OF_RESOURCE;
        } else if (NULL != reachable) {
            /* A proc that is added lazily comes without a bitmap: its endpoint says it all. */
            rc = opal_bitmap_set_bit(reachable, (int)i);
        }
    }
    return rc;
}

int mca_btl_torobus_del_procs(mca_btl_base_module_t *btl, size_t nprocs, opal_proc_t **procs,
                              mca_btl_base_endpoint_t **endpoints)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;

    for (size_t i = 0; i < nprocs; i++) {
        mca_btl_torobus_endpoint_t *ep = endpoints[i];
        opal_list_item_t *item;

        if (NULL == ep) {
            continue;
        }
        OPAL_THREAD_LOCK(&c->lock);
        if (0 < --ep->refs) {
            OPAL_THREAD_UNLOCK(&c->lock);
            continue;
        }
        if (ep->queued) {
            opal_list_remove_item(&c->endpoints_pending, &ep->super);
            ep->queued = false;
        }
        opal_list_remove_item(&c->endpoints_all, &ep->all);
        if (c->endpoints[ep->addr.port] == ep) {
            c->endpoints[ep->addr.port] = NULL;
        }
        OPAL_THREAD_UNLOCK(&c->lock);
        while (NULL != (item = opal_list_remove_first(&ep->pending))) {
            mca_btl_torobus_frag_complete((mca_btl_torobus_frag_t *)item, OPAL_ERR_UNREACH);
        }
        /* endpoints[i] stays as it is: the BML compares it with its other lists afterwards. */
        OBJ_RELEASE(ep);
    }
    return OPAL_SUCCESS;
}

/* The PML ends the job; its abort takes a format string, so the text holds no per cent sign. */
static void report(opal_proc_t *proc, uint32_t port, const char *what)
{
    static char text[256];
    const mca_btl_torobus_modex_t *self = &mca_btl_torobus_component.bus.self;
    char peer[64], node[48];

    if (NULL != proc) {
        snprintf(peer, sizeof(peer), "rank %lu", (unsigned long)proc->proc_name.vpid);
    } else {
        snprintf(peer, sizeof(peer), "a process");
    }
    mca_btl_torobus_bus_node(port, node);
    snprintf(text, sizeof(text), "btl/torobus: %s (port %lu, %s %s) %s; seen by rank %lu", peer,
             (unsigned long)port, mca_btl_torobus_bus_is_native(port) ? "host" : "guest",
             '\0' != node[0] ? node : "unknown", what, (unsigned long)OPAL_PROC_MY_NAME.vpid);
    opal_show_help("help-btl-torobus.txt", "peer failed", true, opal_process_info.nodename,
                   (unsigned long)self->port, text);
    if (NULL != mca_btl_torobus_component.error_cb) {
        mca_btl_torobus_component.error_cb(&mca_btl_torobus, MCA_BTL_ERROR_FLAGS_FATAL, proc, text);
    }
}

void mca_btl_torobus_endpoint_fail(mca_btl_torobus_endpoint_t *ep, const char *what)
{
    if (!ep->failed) {
        ep->failed = true;
        report(ep->proc, ep->addr.port, what);
    }
}

void mca_btl_torobus_port_fail(uint32_t port, const char *what)
{
    mca_btl_torobus_endpoint_t *ep = mca_btl_torobus_component.endpoints[port];

    if (NULL != ep) {
        mca_btl_torobus_endpoint_fail(ep, what);
    } else {
        report(NULL, port, what);
    }
}

/*
 * A process that ends in disorder is first of all the runtime's business, which ends the job with
 * that process's own exit status or signal. Only if nothing comes of that do we speak up.
 */
void mca_btl_torobus_endpoints_check(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_torobus_endpoint_t *ep, *lost = NULL;
    opal_list_item_t *item;

    OPAL_THREAD_LOCK(&c->lock);
    for (item = opal_list_get_first(&c->endpoints_all);
         item != opal_list_get_end(&c->endpoints_all); item = opal_list_get_next(item)) {
        ep = (mca_btl_torobus_endpoint_t *)((char *)item -
                                            offsetof(mca_btl_torobus_endpoint_t, all));
        if (NULL == ep->tx || ep->failed ||
            MCA_BTL_TOROBUS_PEER_DEAD != mca_btl_torobus_bus_peer(&ep->addr)) {
            continue;
        }
        if (0 == ep->dead_since) {
            ep->dead_since = mca_btl_torobus_bus_ticks();
        } else if ((double)(mca_btl_torobus_bus_ticks() - ep->dead_since) >
                   mca_btl_torobus_bus_tick_rate() * 1e6 * c->peer_grace_ms) {
            lost = ep;
            break;
        }
    }
    OPAL_THREAD_UNLOCK(&c->lock);
    if (NULL != lost) {
        mca_btl_torobus_endpoint_fail(lost, "ended without MPI_Finalize");
    }
}
