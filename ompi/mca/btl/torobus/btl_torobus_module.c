/* SPDX-License-Identifier: BSD-3-Clause */
/* The one module: its functions, limits and flags. */
#include "opal_config.h"

#include <limits.h>

#include "btl_torobus.h"

static int torobus_finalize(mca_btl_base_module_t *btl)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;

    /* Called after the last fence: nobody waits for a message of ours any more. */
    if (c->bus_open) {
        c->bus_open = false;
        mca_btl_torobus_bus_close();
    }
    return OPAL_SUCCESS;
}

static int torobus_register_error(mca_btl_base_module_t *btl,
                                  mca_btl_base_module_error_cb_fn_t cbfunc)
{
    mca_btl_torobus_component.error_cb = cbfunc;
    return OPAL_SUCCESS;
}

static int torobus_ft_event(int state)
{
    return OPAL_SUCCESS;
}

mca_btl_base_module_t mca_btl_torobus = {
    .btl_component = &mca_btl_torobus_component.super,

    .btl_eager_limit = 4 * 1024,
    .btl_rndv_eager_limit = 4 * 1024,
    .btl_max_send_size = 32 * 1024,
    /* The pipeline protocol mixes send and put to hide registration; nothing is registered here. */
    .btl_rdma_pipeline_send_length = 4 * 1024,
    .btl_rdma_pipeline_frag_size = UINT_MAX,
    .btl_min_rdma_pipeline_size = UINT_MAX,

    /*
     * Above vader and self (both MCA_BTL_EXCLUSIVITY_HIGH), so that wherever there is a bus it is
     * the way to every process on it, whatever else is built in or selected. The own process is
     * one of them: the BML takes either all of send from a BTL or nothing, and the one-sided
     * component needs a real endpoint for it in the list of RDMA BTLs. Sends to the own process
     * call the receiver directly and are no slower than btl/self.
     */
    .btl_exclusivity = MCA_BTL_EXCLUSIVITY_HIGH + 1,
    /* The one-sided component takes the BTL that claims the lowest latency; vader claims 1. */
    .btl_latency = 0,
    .btl_bandwidth = 100000,

    /*
     * No SEND_INPLACE: with it the PML prepares a descriptor that points to the user's memory;
     * without it the PML packs header and data straight into the ring (btl_sendi) and the request
     * is complete at once.
     * No RDMA_FLUSH: put, get and atomics are complete when their callback has run.
     */
    .btl_flags = MCA_BTL_FLAGS_SEND | MCA_BTL_FLAGS_PUT | MCA_BTL_FLAGS_GET |
                 MCA_BTL_FLAGS_ATOMIC_OPS | MCA_BTL_FLAGS_ATOMIC_FOPS,
    /* GLOB: they are the CPU's own instructions and mix with any other. */
    .btl_atomic_flags = MCA_BTL_ATOMIC_SUPPORTS_ADD | MCA_BTL_ATOMIC_SUPPORTS_AND |
                        MCA_BTL_ATOMIC_SUPPORTS_OR | MCA_BTL_ATOMIC_SUPPORTS_XOR |
                        MCA_BTL_ATOMIC_SUPPORTS_LAND | MCA_BTL_ATOMIC_SUPPORTS_LOR |
                        MCA_BTL_ATOMIC_SUPPORTS_LXOR | MCA_BTL_ATOMIC_SUPPORTS_SWAP |
                        MCA_BTL_ATOMIC_SUPPORTS_CSWAP | MCA_BTL_ATOMIC_SUPPORTS_32BIT |
                        MCA_BTL_ATOMIC_SUPPORTS_GLOB,

    .btl_add_procs = mca_btl_torobus_add_procs,
    .btl_del_procs = mca_btl_torobus_del_procs,
    .btl_finalize = torobus_finalize,
    .btl_alloc = mca_btl_torobus_alloc,
    .btl_free = mca_btl_torobus_free,
    .btl_prepare_src = mca_btl_torobus_prepare_src,
    .btl_send = mca_btl_torobus_send,
    .btl_sendi = mca_btl_torobus_sendi,
    .btl_put = mca_btl_torobus_put,
    .btl_get = mca_btl_torobus_get,
    .btl_atomic_op = mca_btl_torobus_atomic_op,
    .btl_atomic_fop = mca_btl_torobus_atomic_fop,
    .btl_atomic_cswap = mca_btl_torobus_atomic_cswap,
    .btl_dump = mca_btl_base_dump,
    .btl_register_error = torobus_register_error,
    .btl_ft_event = torobus_ft_event,
};
