/* SPDX-License-Identifier: BSD-3-Clause */
/* The second module: for pairs of processes of which at least one is a Linux process, whose memory
 * is not in the region.
 *
 * Messages go through the rings as always. Put and get copy from or to the region where the remote
 * address lies in it; between two Linux processes the kernel copies (process_vm_readv), if it may.
 * What cannot be done, a guest reaching into a Linux process for instance, is reported as not
 * available, and the PML turns the transfer round: the other side puts or gets. If that cannot be
 * done either, it sends fragments, which are copied into a ring and out of it. No atomics:
 * one-sided windows over such pairs use the component that works with messages. */
#include "opal_config.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "btl_torobus.h"

mca_btl_base_module_t mca_btl_torobus_private;

/* One copy with the kernel's help. The kernel may stop early at a page boundary. */
static int vm_copy(uint32_t pid, char *local, uint64_t remote, size_t size, bool get)
{
    while (0 != size) {
        struct iovec here = {.iov_base = local, .iov_len = size};
        struct iovec there = {.iov_base = (void *)(uintptr_t)remote, .iov_len = size};
        const ssize_t n = get ? process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0)
                              : process_vm_writev((pid_t)pid, &here, 1, &there, 1, 0);

        if (0 >= n) {
            if (0 > n && EINTR == errno) {
                continue;
            }
            if (0 > n && (EPERM == errno || ENOSYS == errno)) {
                /* Nobody may: a container's rules, or the system's. */
                mca_btl_torobus_component.vm_copy = false;
            }
            return OPAL_ERR_NOT_AVAILABLE;
        }
        local += n;
        remote += (uint64_t)n;
        size -= (size_t)n;
    }
    return OPAL_SUCCESS;
}

static int transfer(mca_btl_base_endpoint_t *ep, void *local, uint64_t remote, size_t size,
                    bool get)
{
    if (mca_btl_torobus_bus_reaches(remote, size) || NULL == ep || NULL == ep->tx) {
        if (get) {
            memcpy(local, (const void *)(uintptr_t)remote, size);
        } else {
            memcpy((void *)(uintptr_t)remote, local, size);
        }
        return OPAL_SUCCESS;
    }
    if (!mca_btl_torobus_component.vm_copy || !mca_btl_torobus_component.bus.self.private_memory ||
        !ep->addr.private_memory) {
        return OPAL_ERR_NOT_AVAILABLE;
    }
    return vm_copy(ep->addr.pid, local, remote, size, get);
}

static int private_put(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                       uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                       mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                       int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                       void *cbdata)
{
    const int rc = transfer(ep, local, remote, size, false);

    if (OPAL_SUCCESS != rc) {
        /* A put's caller takes the result of the call, not of a callback. */
        return rc;
    }
    mca_btl_torobus_bus_count_put(size);
    atomic_thread_fence(memory_order_release);
    cbfunc(btl, ep, local, local_handle, context, cbdata, OPAL_SUCCESS);
    return OPAL_SUCCESS;
}

static int private_get(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                       uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                       mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                       int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                       void *cbdata)
{
    const int rc = transfer(ep, local, remote, size, true);

    if (OPAL_SUCCESS == rc) {
        mca_btl_torobus_bus_count_get(size);
    }
    /* The PML takes "not available", and with it the change to put, from the callback only. */
    cbfunc(btl, ep, local, local_handle, context, cbdata, rc);
    return OPAL_SUCCESS;
}

void mca_btl_torobus_private_init(void)
{
    mca_btl_torobus_private = mca_btl_torobus;
    mca_btl_torobus_private.btl_eager_limit = mca_btl_torobus_component.native_eager_limit;
    mca_btl_torobus_private.btl_rndv_eager_limit = mca_btl_torobus_component.native_eager_limit;
    mca_btl_torobus_private.btl_put = private_put;
    mca_btl_torobus_private.btl_get = private_get;
    mca_btl_torobus_private.btl_flags &= ~(MCA_BTL_FLAGS_ATOMIC_OPS | MCA_BTL_FLAGS_ATOMIC_FOPS);
    mca_btl_torobus_private.btl_atomic_flags = 0;
    mca_btl_torobus_private.btl_atomic_op = NULL;
    mca_btl_torobus_private.btl_atomic_fop = NULL;
    mca_btl_torobus_private.btl_atomic_cswap = NULL;
}
